"""dbt's commands, each in a process of its own that begins where importing dbt and parsing the project have ended.

Both take seconds, several times a night, and find the same every time. So one process imports dbt, reads the manifest
that was parsed before, and forks for each command: what a command leaves in memory, or locked, goes with it.

`run` is what others call; `python -m customer360.dbt_process` is the process it talks to, which ends with its caller.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from dbt.artifacts.schemas.run import RunExecutionResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg


_KEPT = 24  # manifests of 3 MB; a night needs two
OUTPUT = "output.txt"
MARK = "manifest.mark"  # of which kept manifest `manifest.json` tells
_SAID = ("info", "warn", "error")  # levels of what dbt says that are written down


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its words and options, those that parsing needs, too, and where the parsed manifest is kept."""

    words: Sequence[str]
    shared: Sequence[str]
    manifest: str
    adapter: str
    environment: Mapping[str, str]
    folder: str
    target: str  # folder for what it leaves: `manifest.json`, `run_results.json`, and OUTPUT, what it said


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` is dbt's: 0, 1 where a node failed, 2 where dbt could not run; or a signal's number, negative.
    `cpu_s` counts what was spent since the command before, importing included."""

    code: int
    cpu_s: float
    peak_mb: float


def run(command: Command) -> Ended:
    """Run it; waits."""
    global _server
    if _server is None or _server.owner != os.getpid() or _server.process.poll() is not None:
        _server = _Server()
    return _server.run(command)


def spent() -> tuple[float, float]:
    """CPU seconds of this process's commands so far, and the largest peak in MB. As long as the process that forks
    lives, the operating system does not count them among the costs of this one's children."""
    return (_server.cpu_s, _server.peak_mb) if _server is not None and _server.owner == os.getpid() else (0.0, 0.0)


class _Server:
    """The process that forks, and the two ends of the conversation with it."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.cpu_s = self.peak_mb = 0.0
        self._one_at_a_time = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "customer360.dbt_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._requests, self._answers = (cast("IO[str]", pipe) for pipe in (self.process.stdin, self.process.stdout))
        atexit.register(self.end)

    def run(self, command: Command) -> Ended:
        with self._one_at_a_time:
            with contextlib.suppress(BrokenPipeError):  # it is gone; no answer says so
                self._requests.write(json.dumps(asdict(command)) + "\n")
                self._requests.flush()
            answer = self._answers.readline()
        if not answer:
            return Ended(self.process.wait() or 2, 0, 0)
        ended = Ended(**json.loads(answer))
        self.cpu_s += ended.cpu_s
        self.peak_mb = max(self.peak_mb, ended.peak_mb)
        return ended

    def end(self) -> None:
        """Waited for, so that its cost counts among that of this process's children."""
        if self.owner == os.getpid():
            with contextlib.suppress(BrokenPipeError):
                self._requests.close()
            self.process.wait()


_server: _Server | None = None


# The other side -----------------------------------------------------------------------------------


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer every line of `requests` with a line of `answers`, until there are no more."""
    import dbt.cli.main
    import dbt.parser.manifest  # noqa: F401

    manifests: dict[str, Manifest] = {}
    counted = 0.0
    for line in requests:
        command = Command(**json.loads(line))
        if command.adapter in ("duckdb", "postgres"):
            __import__(f"dbt.adapters.{command.adapter}")
        if command.manifest not in manifests and (found := _read(Path(command.manifest))):
            manifests = {command.manifest: found} | dict(list(manifests.items())[:1])
        gc.freeze()  # or the first collection of every child copies all of this
        over, lives = os.pipe()  # the child's end is closed when it ends, however it does
        child = os.fork()
        if not child:
            sys.exit(_child(command, manifests.get(command.manifest)))
        os.close(lives)
        # Who asked waits for the answer: what comes before it is their end. The next try must not find dbt writing.
        if requests in select.select([over, requests], [], [])[0]:
            os.kill(child, signal.SIGKILL)
            os.wait4(child, 0)
            return
        os.close(over)
        _, status, usage = os.wait4(child, 0)
        total = sum(
            each.ru_utime + each.ru_stime
            for each in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )
        ended = Ended(os.waitstatus_to_exitcode(status), total - counted, usage.ru_maxrss / 1024)
        counted = total
        answers.write(json.dumps(asdict(ended)) + "\n")
        answers.flush()


def _child(command: Command, manifest: Manifest | None) -> int:
    """Everything of one command, its output included."""
    output = os.open(Path(command.target) / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.environ.clear()
    os.environ.update(command.environment)
    os.chdir(command.folder)
    try:
        return _invoke(command, manifest)
    except Exception:  # noqa: BLE001  (told by its code; this process must end here)
        traceback.print_exc()
        return 2
    finally:
        _silence()  # what libraries say of themselves when Python ends is not dbt's


def _silence() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nothing, descriptor)


def _invoke(command: Command, manifest: Manifest | None) -> int:
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    # Not by dbt's own logs: they make a text of every event before they ask whether anybody wants it.
    quiet = ("--log-level", "none", "--log-level-file", "none", *command.shared)
    if manifest is None:
        parsed = dbtRunner(callbacks=[_say]).invoke(["parse", *quiet])
        if not isinstance(parsed.result, Manifest):
            sys.stdout.write(f"{parsed.exception}\n")
            return 2
        manifest = parsed.result
        _keep(manifest, Path(command.manifest))
    is_build = command.words[0] == "build"
    words = [*command.words, *(("--no-write-json",) if is_build else ()), *quiet]
    if not is_build:
        (Path(command.target) / MARK).unlink(missing_ok=True)  # dbt itself writes the manifest
    done = dbtRunner(manifest=manifest, callbacks=[_say]).invoke(words)
    if done.exception is not None:
        sys.stdout.write(f"{done.exception}\n")
        return 2
    if is_build:
        _write_results(Path(command.target), done.result)
        _write_manifest(Path(command.target), manifest, command.manifest)
    return 0 if done.success else 1


def _say(event: EventMsg) -> None:
    text = getattr(event.info, "msg", "")  # its declared type does not know it
    if event.info.level in _SAID and text:
        sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S}  {text}\n")


def _write_results(target: Path, found: RunExecutionResult) -> None:
    """What of dbt's own file is read: every node, how it ended, its seconds, and rows that a test found."""
    names = ("status", "execution_time", "failures")
    rows = [{"unique_id": each.node.unique_id} | {name: getattr(each, name) for name in names} for each in found]
    with _whole(target / "run_results.json") as unfinished:
        unfinished.write_text(json.dumps({"results": rows}), "utf-8")


def _write_manifest(target: Path, manifest: Manifest, kept: str) -> None:
    """Only where another manifest lies there, and made into JSON once: that costs as much as building thirty small
    models, and a night changes between two manifests."""
    mark = target / MARK
    described = target / "manifest.json"
    if described.exists() and mark.exists() and mark.read_text("utf-8") == kept:
        return
    made = Path(kept).with_suffix(".json")
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with _whole(made) as unfinished:
            manifest.write(str(unfinished))
    mark.unlink(missing_ok=True)
    with _whole(described) as unfinished:
        shutil.copyfile(made, unfinished)
    with _whole(mark) as unfinished:
        unfinished.write_text(kept, "utf-8")


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Where to write what then stands at `path`: whole or not at all, also where two processes write at once."""
    unfinished = path.with_suffix(f".{os.getpid()}")
    yield unfinished
    unfinished.replace(path)


def _read(kept: Path) -> Manifest | None:
    """The manifest kept there, if there is one."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    try:
        packed = kept.read_bytes()
        kept.touch()  # the longest unused goes first
    except FileNotFoundError:
        return None
    manifest: Manifest = Manifest.from_msgpack(packed, decoder=extended_mashumuro_decoder)
    manifest.build_flat_graph()
    return manifest


def _keep(manifest: Manifest, kept: Path) -> None:
    """Write it there, and remove what was unused for longest."""
    from dbt.parser.manifest import extended_mashumaro_encoder

    kept.parent.mkdir(parents=True, exist_ok=True)
    with _whole(kept) as unfinished:
        unfinished.write_bytes(manifest.to_msgpack(extended_mashumaro_encoder))
    with contextlib.suppress(FileNotFoundError):  # another process removes them, too
        by_use = sorted(kept.parent.glob("*.msgpack"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in by_use[_KEPT:]:
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink()


if __name__ == "__main__":
    conversation = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed is no answer
    serve(sys.stdin, conversation)
    _silence()
