"""Data in the shapes in which attribution and purchases are published: known totals come out of files and YAML alone.

Paths 'A > B > C' with conversions, amounts and paths that led nowhere; purchases of customers whom nobody met before.
"""

from __future__ import annotations

import csv
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from customer360 import postgres
from customer360.settings import Settings
from projects import make_settings, publish_night
from unit.test_markov import Path as CountedPath
from unit.test_markov import reference

pytestmark = pytest.mark.slow  # a night of its own
NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
CHANNELS = ("alpha", "beta", "gamma", "delta > e", "iota", "theta")
SOURCES = """
version: 1
company: {timezone: UTC, currency: EUR, phone_region: DE}
defaults: {timezone: UTC}
sources:
  touches:
    connector: mapped
    location: touches.csv
    mapping:
      record_id: id
      interaction: {channel: {value: web}, occurred_at: at, utm_source: channel, event_name: {value: page_view}}
      identifiers: [{type: user_id, column: path}]
  purchases:
    connector: mapped
    location: purchases.csv
    mapping:
      record_id: id
      contact_record: {record_id: customer, observed_at: at}
      sales_order: {contact_ref: customer, amount: amount, ordered_at: at}
      identifiers: [{type: user_id, column: customer}]
"""
Journey = tuple[tuple[str, ...], Decimal | None]


def journeys() -> list[Journey]:
    pick = random.Random(360)
    found: list[Journey] = []
    for _ in range(400):
        path = tuple(pick.choice(CHANNELS) for _ in range(pick.choice((1, 1, 2, 2, 3, 4, 7))))
        found.append((path, Decimal(pick.randrange(100, 99_999)) / 100 if pick.random() < 0.4 else None))
    return found


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, cluster: Settings) -> Settings:
    """The served marts of 400 paths, and of 50 customers who bought and were never met."""
    folder = tmp_path_factory.mktemp("paths")
    settings = make_settings(folder, postgres.database_url(cluster, "published_paths"))
    settings.sources.write_text(SOURCES, "utf-8")
    landing = Path(settings.landing)
    landing.mkdir()
    touches, purchases = [["id", "path", "at", "channel"]], [["id", "customer", "at", "amount"]]
    for number, (path, amount) in enumerate(journeys()):
        for place, channel in enumerate(path):
            at = START + timedelta(hours=place)
            touches.append([f"t{number}-{place}", f"path-{number}", at.isoformat(), channel])
        if amount is not None:
            end = START + timedelta(hours=len(path))
            purchases.append([f"o{number}", f"path-{number}", end.isoformat(), str(amount)])
    for number in range(50):
        for place in range(1 + number % 3):
            at = START + timedelta(days=place)
            purchases.append([f"c{number}-{place}", f"unmet-{number}", at.isoformat(), "11.77"])
    for name, rows in (("touches", touches), ("purchases", purchases)):
        with (landing / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    publish_night(settings, NIGHT)
    return settings


def told(settings: Settings, model: str, measure: str = "conversions") -> dict[str, Decimal]:
    """Of orders, by traffic source."""
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        cursor.execute(
            f"select traffic_source, sum({measure}) from serving.attribution_summary"
            " where grain = 'source' and conversion_set = 'order' and model = %s group by 1",
            (model,),
        )
        return {source: value for source, value in cursor if value}


def split(model: str, path: tuple[str, ...]) -> dict[int, float]:
    """Shares of a path's touches by the definitions: touches are an hour apart."""
    last = len(path) - 1
    if model in ("first", "last", "last_non_direct"):
        return {0 if model == "first" else last: 1.0}
    if model == "linear" or len(path) == 1:
        return dict.fromkeys(range(len(path)), 1 / len(path))
    if model == "position_based":
        if last == 1:
            return {0: 0.5, 1: 0.5}
        return {0: 0.4, last: 0.4} | dict.fromkeys(range(1, last), 0.2 / (last - 1))
    if model == "time_decay":
        weights = {place: 0.5 ** ((last - place) / 24 / 7) for place in range(last + 1)}
        return {place: weight / sum(weights.values()) for place, weight in weights.items()}
    firsts = {path.index(channel) for channel in path}  # shapley
    return dict.fromkeys(firsts, 1 / len(firsts))


@pytest.mark.parametrize(
    "model", ["first", "last", "last_non_direct", "linear", "position_based", "time_decay", "shapley"]
)
def test_heuristic_models_give_the_totals_computed_by_hand(published: Settings, model: str) -> None:
    expected: defaultdict[str, float] = defaultdict(float)
    worth: defaultdict[str, float] = defaultdict(float)
    for path, amount in journeys():
        if amount is not None:
            for place, share in split(model, path).items():
                expected[path[place]] += share
                worth[path[place]] += share * float(amount)
    found, amounts = told(published, model), told(published, model, "amount")
    assert {name: float(found[name]) for name in expected} == pytest.approx(expected, abs=1e-6)
    assert {name: float(amounts[name]) for name in expected} == pytest.approx(worth, abs=0.05)
    assert set(found) - set(expected) == {"unattributed"}


def test_markov_gives_the_exact_removal_effects(published: Settings) -> None:
    counted: Counter[tuple[str, ...]] = Counter(path for path, amount in journeys() if amount is not None)
    lost: Counter[tuple[str, ...]] = Counter(path for path, amount in journeys() if amount is None)
    paths: list[CountedPath] = [(path, counted[path], 0, lost[path]) for path in {*counted, *lost}]
    effects = {state: float(count) for state, (count, _) in reference(paths).items()}
    total = sum(counted.values())
    found = {name: float(value) for name, value in told(published, "markov").items() if name != "unattributed"}
    assert found == pytest.approx(
        {name: effect / sum(effects.values()) * total for name, effect in effects.items()}, rel=1e-8
    )


def test_who_was_never_met_stands_as_unattributed(published: Settings) -> None:
    orders = sum(1 + number % 3 for number in range(50))
    for model in ("first", "linear", "markov", "shapley", "w_shaped"):
        assert told(published, model)["unattributed"] == orders
        assert told(published, model, "amount")["unattributed"] == orders * Decimal("11.77")


def test_every_model_reconciles_to_revenue_to_the_cent(published: Settings) -> None:
    with postgres.connect(published, application_name="test") as connection, connection.cursor() as cursor:
        cursor.execute("select sum(revenue) from serving.customer_360")
        ((revenue,),) = cursor.fetchall()
        cursor.execute(
            "select distinct sum(amount) from serving.attribution_summary where conversion_set = 'order'"
            " group by grain, model"
        )
        assert cursor.fetchall() == [(revenue,)]
