"""The marketer's guide to the lifecycle: its worked example comes out as it says, from delivered files to the marts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from customer360 import nightly
from customer360.engines import open_engine
from customer360.settings import Settings
from projects import PROJECT

GUIDE = (PROJECT / "docs/marketer/lifecycle.md").read_text("utf-8")
NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")
OVERLAYS = {"is_dormant": "dormant", "is_lost": "lost", "is_disqualified": "disqualified"}


def table(header: str) -> list[tuple[str, ...]]:
    """Rows of the guide's table with this header line."""
    _, _, rest = GUIDE.partition(f"{header}\n")
    lines = rest.split("\n\n")[0].splitlines()[1:]
    assert lines, header
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


@pytest.fixture
def night(settings: Settings) -> Settings:
    """The example's night, built from its files."""
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    document = {
        "version": 1,
        "company": {"timezone": "Europe/Berlin", "currency": "EUR"},
        "sources": yaml.safe_load(example),
    }
    settings.sources.write_text(yaml.safe_dump(document), "utf-8")
    for name, text in re.findall(r"^```text (\S+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL):
        path = Path(settings.landing) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    begun = nightly.begin(NIGHT, "test")
    for source in ("orders", "leads"):
        for delivery in nightly.discover(source, NIGHT):
            assert nightly.load(source, delivery, NIGHT)["status"] == "loaded"
    for step in (nightly.stage, nightly.identify, nightly.transform):
        begun = step(begun)
    return settings


def test_the_worked_example_comes_out_as_the_guide_says(night: Settings) -> None:
    with open_engine(night) as engine:
        names = {
            row["customer_id"]: row["name"]
            for row in engine.read(
                "select c.customer_id, max(coalesce(o.contact_ref, 'shop:contact:' || r.source_record_id)) as name"
                " from identity.customer_record c left join lake.sales_order o on c.record_key = o.record_key"
                " left join lake.contact_record r on c.record_key = r.record_key group by 1"
            ).to_pylist()
        }
        names = {customer: name.removeprefix("shop:contact:") for customer, name in names.items()}
        current = engine.read("select * from marts.lifecycle_current").to_pylist()
        history = engine.read("select * from marts.lifecycle_history order by began_at").to_pylist()
        dormant = engine.read("select began_at from marts.lifecycle_overlays where overlay = 'dormant'").to_pylist()
        revenue = engine.read(
            "select sum(orders) as orders, sum(revenue) as revenue from marts.customer_360"
        ).to_pylist()
    found = {
        (
            names[row["customer_id"]],
            row["stage"],
            str(row["cycle"]),
            row["programme"],
            " ".join(name for flag, name in OVERLAYS.items() if row[flag]),
        )
        for row in current
    }
    assert found == set(table("| customer | stage | cycle | programme | overlays |"))
    stays = [
        (row["stage"], str(row["cycle"]), _day(row["began_at"]), _day(row["ended_at"]), row["cause"])
        for row in history
        if names[row["customer_id"]] == "K-1"
    ]
    assert stays == table("| stage | cycle | from | to | because of |")
    assert "2025-11-29" in {_day(row["began_at"]) for row in dormant}
    assert [(int(row["orders"]), str(row["revenue"])) for row in revenue] == [(4, "275.00")]


def _day(moment: datetime | None) -> str:
    return moment.replace(tzinfo=UTC).astimezone(ZONE).date().isoformat() if moment else ""
