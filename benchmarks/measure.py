"""What a child process, or processes that run on their own, cost by the operating system's own account."""

from __future__ import annotations

import os
import subprocess
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


def measured(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run `command` to its end. Raises RuntimeError with the end of its output if it fails."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {said[-2000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, time.monotonic() - started)


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
