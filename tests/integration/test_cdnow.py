"""The purchases of CDNOW, as published: the totals that are known of them come out of the marts, on nobody's credit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from customer360 import postgres
from customer360.settings import Settings
from projects import make_settings, publish_night

pytestmark = pytest.mark.slow  # a night of its own
NIGHT = datetime(1998, 7, 1, tzinfo=UTC)
SOURCES = """
version: 1
company: {timezone: UTC, currency: USD, phone_region: US}
defaults: {timezone: UTC}
sources:
  cdnow:
    connector: mapped
    location: CDNOW_master.txt
    mapping:
      format: csv
      delimiter: " "
      contact_record: {record_id: customer_id, observed_at: {column: date, format: "%Y%m%d"}}
      sales_order: {contact_ref: customer_id, amount: dollar_value, ordered_at: {column: date, format: "%Y%m%d"}}
      identifiers: [{type: user_id, column: customer_id}]
"""
# Known of the file (Fader and Hardie): purchases, and customers.
PURCHASES, CUSTOMERS = 69_659, 23_570


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, cluster: Settings, samples: Path) -> Settings:
    settings = make_settings(tmp_path_factory.mktemp("cdnow"), postgres.database_url(cluster, "cdnow"))
    settings.sources.write_text(SOURCES, "utf-8")
    Path(settings.landing).mkdir()
    (Path(settings.landing) / "CDNOW_master.txt").write_bytes((samples / "value/CDNOW_master.txt").read_bytes())
    publish_night(settings, NIGHT)
    return settings


@pytest.fixture(scope="module")
def revenue(samples: Path) -> Decimal:
    _, *lines = (samples / "value/CDNOW_master.txt").read_text("ascii").splitlines()
    return sum((Decimal(line.split()[3]) for line in lines), Decimal(0))


def ask(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor)


def test_every_purchase_is_its_customers(published: Settings, revenue: Decimal) -> None:
    asked = "select count(*), sum(orders), sum(revenue), count(*) filter (where orders = 0) from serving.customer_360"
    assert ask(published, asked) == [(CUSTOMERS, PURCHASES, revenue, 0)]


def test_every_model_leaves_all_of_it_unattributed(published: Settings, revenue: Decimal) -> None:
    found = ask(
        published,
        "select model, conversion_set, traffic_source, sum(conversions), sum(amount) from serving.attribution_summary"
        " where grain = 'source' and conversion_set in ('order', 'repurchase') and conversions <> 0 group by 1, 2, 3",
    )
    orders = {model: (source, count, amount) for model, name, source, count, amount in found if name == "order"}
    again = {model: (source, count) for model, name, source, count, _ in found if name == "repurchase"}
    assert len(orders) == len(again) == 9
    assert set(orders.values()) == {("unattributed", PURCHASES, revenue)}
    assert set(again.values()) == {("unattributed", PURCHASES - CUSTOMERS)}
