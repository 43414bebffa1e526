"""Where the quality gates leave their pages. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path


def data_docs(local: Path) -> Path:
    """Index page of the Data Docs site."""
    return local / "quality" / "uncommitted" / "data_docs" / "local_site" / "index.html"
