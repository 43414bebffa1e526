"""The site's frame: its pages in one folder, written aside and put in place of the old one."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2

from customer360.exports.cells import csv_line, csv_text
from customer360.marketing.reading import Snapshot, snapshot
from customer360.portal.words import day, plural
from customer360.settings import Settings
from customer360.sources import load_sources

HERE = Path(__file__).parent
PAGES = (
    ("index.html", "Attribution"),
    ("spend.html", "Spend"),
    ("lifecycle.html", "Lifecycle"),
    ("certainty.html", "Certainty"),
    ("changes.html", "Changes"),
    ("files.html", "Files"),
    ("definitions.html", "Definitions"),
)


@dataclass(frozen=True, slots=True)
class File:
    """A CSV beside the page: where, and how many rows below its header."""

    path: str
    rows: int


class Site:
    """What the pages are written with; one per build."""

    def __init__(self, folder: Path, data: Snapshot, zone: ZoneInfo, currency: str) -> None:
        self.folder, self.data, self.zone, self.currency = folder, data, zone, currency
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )
        facts = data.facts
        warned = f", {facts.tests_warned} warned and approved" if facts.tests_warned else ""
        self._facts = {
            "night": day(facts.as_of.astimezone(zone)),
            "publication_id": facts.publication_id,
            "gate": facts.gate,
            "tests": f"{plural(facts.tests_passed, 'test', 'tests')} of the data passed{warned}",
            "as_of": f"{facts.as_of:%Y-%m-%d %H:%M}",
            "published_at": f"{facts.published_at:%Y-%m-%d %H:%M}",
        }

    def page(self, name: str, template: str, active: str, **figures: object) -> None:
        """Write one page. `active`: the main page it belongs to."""
        text = self._templates.get_template(template).render(
            pages=PAGES, active=active, facts=self._facts, currency=self.currency, **figures
        )
        (self.folder / name).write_text(text, "utf-8")

    def csv(self, name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> File:
        """Write a table's rows as a file to download; written as the files per night are."""
        path = self.folder / "data" / f"{name}.csv"
        lines = [csv_line(list(header)), *(csv_line([csv_text(cell) for cell in row]) for row in rows)]
        path.write_text("".join(lines), "utf-8", newline="")
        return File(f"data/{name}.csv", len(rows))


def build(settings: Settings) -> Path:
    """Write the site below `<local>/site/marketing`; its first page. Raises NothingPublished."""
    from customer360.portal import attribution, certainty, changes, definitions, lifecycle, spend

    config = load_sources(settings.sources, check_connectors=False, read_own=False)
    root = settings.local / "site"
    root.mkdir(parents=True, exist_ok=True)
    aside = root / f".marketing.{uuid.uuid4().hex[:8]}.tmp"
    (aside / "data").mkdir(parents=True)
    try:
        with snapshot(settings, "c360 page") as data:
            site = Site(aside, data, config.timezone, config.currency or "mixed currencies")
            for name in ("page.css", "page.js"):
                shutil.copy(HERE / "assets" / name, aside / name)
            for page in (attribution, spend, lifecycle, certainty, changes, definitions):
                page.write(site)
            definitions.write_files(site, settings.exports / "latest")
        _put_in_place(aside, root / "marketing")
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return root / "marketing" / "index.html"


def _put_in_place(made: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    if target.exists():
        target.rename(old)
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)


WEEK = timedelta(days=7)
