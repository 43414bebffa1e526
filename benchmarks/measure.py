"""What a child process, or processes that run on their own, cost by the operating system's own account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a finished child and its children: CPU seconds (user + system), peak resident MB of the largest
    process, wall seconds."""

    cpu_s: float
    peak_mb: float
    wall_s: float


# A process counts as its own what the one that started it had in memory: a small one stands between.
_KEEPER = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024], file)
"""


def measured(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run `command` to its end. Raises RuntimeError with the end of its output if it fails."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as told:
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _KEEPER, told.name, *command],
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        wall_s = time.monotonic() - started
        code, cpu_s, peak_mb = json.loads(told.read() or "[1, 0.0, 0.0]")
    if code:
        raise RuntimeError(f"{command[0]} ended with {code}: {done.stdout[-2000:]}")
    return Cost(cpu_s, peak_mb, wall_s)


@dataclass(frozen=True, slots=True)
class Daemons:
    """Processes, by their numbers, that are nobody's children here, with all that they have started."""

    pids: Sequence[int]

    def cpu_s(self) -> float:
        """CPU seconds (user + system) so far, also of children that have ended."""
        spent = 0.0
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                spent += sum(process.cpu_times()[:4])
        return spent

    def peak_mb(self) -> float:
        """Sum of the largest resident MB that each living process ever had."""
        peak_kb = 0
        for process in self._family():
            with suppress(FileNotFoundError, ProcessLookupError):
                status = Path(f"/proc/{process.pid}/status").read_text("utf-8").splitlines()
                peak_kb += sum(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        return peak_kb / 1024

    def _family(self) -> list[psutil.Process]:
        roots = [psutil.Process(pid) for pid in self.pids]
        return [each for root in roots for each in (root, *root.children(recursive=True))]
