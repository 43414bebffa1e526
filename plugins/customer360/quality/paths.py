"""Where the quality gates leave their results and pages, and how long. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

_RUN = "%Y%m%dT%H%M%S.%fZ"  # Great Expectations' folder of a run


def results(local: Path) -> Path:
    """Folder of everything the gates leave."""
    return local / "quality"


def data_docs(local: Path) -> Path:
    """Index page of the Data Docs site."""
    return results(local) / "uncommitted" / "data_docs" / "local_site" / "index.html"


@contextlib.contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Mapped tasks gate side by side, but the context's files have one writer."""
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prune(local: Path, older_than: datetime) -> int:
    """Remove results, and their pages, of gates that judged a night before `older_than`; how many results.

    The index forgets them when the next gate writes it.
    """
    root = results(local)
    if not root.is_dir():
        return 0
    pruned = 0
    with one_at_a_time(root):
        for folder in (root / "uncommitted" / "validations", data_docs(local).parent / "validations"):
            for run in [path for path in folder.rglob("*Z") if path.is_dir() and _night(path) < older_than]:
                pruned += sum(1 for _ in run.rglob("*.json"))
                shutil.rmtree(run)
    return pruned


def _night(run: Path) -> datetime:
    """The night a run's folder is named for; now for a folder that is no run's."""
    try:
        return datetime.strptime(run.name, _RUN).replace(tzinfo=UTC)
    except ValueError:
        return datetime.now(UTC)
