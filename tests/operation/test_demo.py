"""`c360 demo` as a whole, with a small company: real files through real DAG runs, and what each night made of them."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import PROJECT, export, make_settings
from rich.console import Console

from customer360 import ledger, postgres
from customer360.demo.nights import DemoRefused, NightReport, run_demo
from customer360.demo.truth import judge, record_persons, served_customers
from customer360.ledger import LedgerRow
from customer360.ops import migrate
from customer360.settings import Settings

pytestmark = pytest.mark.slow

CUSTOMERS = 600
LATE = ("phone/pbx/branch_late_2026-03-02.csv", "web/snowplow/enriched_late_2026-03-02.tsv.gz")
AGAIN = "sms/twilio/messages_history_0_again.json"
CUT = "web/access/access-2026-03-02.log.gz"
BROKEN = {  # rows refused, of how many that were delivered damaged
    "web/segment/2026-03-02.jsonl": 2,
    "phone/pbx/Master_2026-03-02.csv": 2,
    "web/snowplow/enriched_2026-03-02.tsv.gz": 1,
}


@dataclass
class Demo:
    settings: Settings
    nights: list[NightReport]
    said: str
    deliveries: list[LedgerRow]

    def of(self, night: int) -> dict[str, LedgerRow]:
        """What the ledger says of the deliveries of a night, by path."""
        return {row.path: row for row in self.deliveries if row.loaded_as_of == self.nights[night].as_of}

    def ask(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        with postgres.connect(self.settings, application_name="test") as connection, connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall()

    @property
    def truth(self) -> Path:
        return self.settings.local / "demo_truth"


@pytest.fixture(scope="module")
def demo(cluster: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    local = tmp_path_factory.mktemp("demo")
    url = postgres.database_url(cluster, "demo")
    settings = make_settings(local, url)
    settings = make_settings(local, url)
    with pytest.MonkeyPatch.context() as monkeypatch:
        export(settings, monkeypatch)
        monkeypatch.setenv("C360_SOURCES", str(PROJECT / "dags" / "sources.yml"))
        console = Console(file=io.StringIO(), width=200)
        nights = run_demo(console, nights=3, customers=CUSTOMERS, seed=7)
        with postgres.connect(settings, application_name="test") as connection:
            deliveries = ledger.ledger_rows(connection, limit=None)
        yield Demo(settings, nights, console.file.getvalue(), deliveries)


def test_dump(demo):
    print(demo.said)
    for n in range(3):
        for p, r in sorted(demo.of(n).items()):
            print(n, p, r.status, r.reason, r.detail, r.rows_read, r.rows_loaded, r.rows_rejected, r.rows_duplicate)
    for r in demo.nights:
        print(r)
    print(judge(demo.settings, demo.truth))
    assert 0
