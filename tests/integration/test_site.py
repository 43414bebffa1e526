"""The report: its figures are the ledger's, and every column reads as one."""

from __future__ import annotations

from html.parser import HTMLParser

from test_ingest import calls, load_all, put

from customer360.settings import Settings
from customer360.site import build_site


class Tables(HTMLParser):
    """Every table of a page as rows of (class, text) cells, its header first."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[list[list[tuple[str, str]]]] = []
        self._cell: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.found.append([])
        elif tag == "tr":
            self.found[-1].append([])
        elif tag in {"th", "td"}:
            self._cell = dict(attrs).get("class") or ""
            self.found[-1][-1].append((self._cell, ""))

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self.found[-1][-1][-1] = (self._cell, data)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"th", "td"}:
            self._cell = None


def test_a_header_stands_over_its_figures(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1", "c2", "c2"))
    put(settings, "calls/b.csv", b"")
    load_all(settings)
    tables = Tables(build_site(settings, with_dbt_docs=False).read_text("utf-8")).found
    head, *files = next(table for table in tables if table[0][0][1] == "Source")
    assert [text for _, text in head] == "Source File Status Reason Read Loaded Rejected Duplicate".split()
    assert [[text for _, text in row][4:] for row in reversed(files)] == [["3", "2", "0", "1"], ["0", "0", "0", "0"]]
    assert [kind for kind, _ in head] == [""] * 4 + ["n"] * 4
    for row in files:
        assert [kind == "n" for kind, _ in row] == [kind == "n" for kind, _ in head]
