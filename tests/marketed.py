"""A made-up company whose nights have been published: what the tests of tables, files and pages look at."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from customer360 import nightly, postgres
from customer360.demo.company import DemoPlan, deliver, write_company
from customer360.demo.nights import FIRST_NIGHT
from customer360.ops import migrate
from customer360.settings import Settings
from customer360.sources import load_sources
from customer360.times import parse_as_of
from projects import PROJECT, export, make_settings

CUSTOMERS = 150


@dataclass(frozen=True)
class Company:
    """Settings of its project, and the plan of its nights."""

    settings: Settings
    plan: DemoPlan

    def ask(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        with postgres.connect(self.settings, application_name="test") as connection, connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall()

    def night(self, index: int) -> datetime:
        zone = load_sources(self.settings.sources).timezone
        return parse_as_of((FIRST_NIGHT + timedelta(days=index)).isoformat(), zone)

    def run(self, index: int) -> None:
        """Deliver and publish one night."""
        deliver(self.plan, index)
        for source in nightly.source_names():
            for delivery in nightly.discover(source, self.night(index)):
                nightly.load(source, delivery, self.night(index))
        for _ in nightly.run_night(self.night(index), "test", approve=True):
            pass

    def persons(self) -> set[str]:
        """Full names, addresses and numbers of its customers: what no table, file or page may hold."""
        rows = self.ask("select full_name, email, phone from serving.customer_360")
        return {each.lower() for row in rows for each in row if each and len(each) > 6}


def make(cluster: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    """The company with its first night published; the environment says the same until the patch is undone."""
    settings = make_settings(folder, postgres.database_url(cluster, re.sub(r"\W", "_", folder.name)))
    export(settings, monkeypatch)
    sources = PROJECT / "dags" / "sources.yml"
    settings.sources.write_text(sources.read_text("utf-8"), "utf-8")
    (folder / "own_identities.yml").write_text((sources.parent / "own_identities.yml").read_text("utf-8"), "utf-8")
    plan = write_company(
        Path(settings.landing), folder / "truth", seed=7, customers=CUSTOMERS, first_night=FIRST_NIGHT, nights=2
    )
    with postgres.connect(settings, application_name="test") as connection:
        migrate(connection)
    made = Company(settings, plan)
    made.run(0)
    return made


def told(path: Path) -> Any:
    """What a JSON file says."""
    return json.loads(path.read_text("utf-8"))
