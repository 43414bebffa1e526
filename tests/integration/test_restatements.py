"""Every figure that moves between two publications has its causes, which sum to the move exactly."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from customer360 import cli_restatements, postgres
from customer360.binary import arrow_type
from customer360.cli import app
from customer360.ops import migrate
from customer360.publish import publication
from customer360.publish.candidate import load
from customer360.publish.marts import Column, Mart
from customer360.publish.runs import open_run
from customer360.publish.store import ensure
from customer360.settings import Settings
from projects import export
from restated import CELL, moves, rows, unexplained

NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
ORIGINS = {
    11: ("media", "Paid Search", "google", "spring"),
    12: ("media", "Paid Search", "bing", "(none)"),
    13: ("website", "Direct", "(direct)", "(none)"),
    14: ("sales_rep", "Phone call", "(phone)", "(none)"),
}
NOTHING = ("unattributed",) * 4
GRAINS = {"channel": (0, 1), "source": (2,), "campaign": (0, 1, 3)}
DIMENSIONS = ("acquisition_source", "channel_group", "traffic_source", "campaign")
BILLION = Decimal("1e-9")
SHARES = ("credit_first", "credit_linear", "credit_shapley", "credit_shapley_campaign", "credit_shapley_source")


def mart(name: str, key: str, **columns: str) -> Mart:
    appended = name.startswith("attribution_restate")
    return Mart(
        name, name, tuple(key.split()), tuple(Column(c, t, c) for c, t in columns.items()), is_appended=appended
    )


TEXTS = dict.fromkeys(DIMENSIONS, "text")
MARTS = {
    each.name: each
    for each in (
        mart("attribution_origins", "origin_id", origin_id="bigint", **TEXTS),
        mart(
            "attribution_touches", "touch_id", touch_id="bigint", customer_id="bigint", touched_at="timestamp",
            origin_id="bigint", consent="text",
        ),
        mart(
            "attribution_credit", "conversion_set conversion_key touch_number", conversion_set="text",
            conversion_key="bigint", touch_number="bigint", customer_id="bigint", touch_id="bigint",
            converted_at="timestamp", conversions="integer", amount="decimal(18, 2)", origin_id="bigint",
            **dict.fromkeys(SHARES, "decimal(10, 9)"),
        ),
        mart(
            "attribution_summary", " ".join(CELL), grain="text", model="text", conversion_set="text", month="date",
            **TEXTS, conversions="decimal(18, 9)", amount="decimal(18, 2)",
        ),
        mart("customer_identity_map", "record_key", record_key="bigint", customer_id="bigint"),
        mart("customer_alias", "customer_id_old", customer_id_old="bigint", customer_id="bigint"),
        mart(
            "attribution_restatements", "publication_id " + " ".join(CELL) + " cause", publication_id="bigint",
            as_of="timestamp", previous_as_of="timestamp", grain="text", model="text", conversion_set="text",
            month="date", **TEXTS, cause="text", conversions_from="decimal(18, 9)", conversions_to="decimal(18, 9)",
            amount_from="decimal(18, 2)", amount_to="decimal(18, 2)", cost_from="decimal(18, 6)",
            cost_to="decimal(18, 6)",
        ),
        mart(
            "marketing_costs", "cost_date cost_kind " + " ".join(DIMENSIONS), cost_date="date", cost_kind="text",
            **TEXTS, cost="decimal(18, 6)",
        ),
        mart(
            "attribution_restated_conversions", "publication_id conversion_set conversion_key cause",
            publication_id="bigint", as_of="timestamp", conversion_set="text", conversion_key="bigint", cause="text",
            customer_id_from="bigint", customer_id_to="bigint", converted_at_from="timestamp",
            converted_at_to="timestamp", amount_from="decimal(18, 2)", amount_to="decimal(18, 2)", touch_id="bigint",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Touch:
    touch_id: int
    customer: int
    at: datetime
    origin: int


@dataclass(frozen=True)
class Conversion:
    key: int
    customer: int
    at: datetime
    amount: Decimal
    number: int = 1


@dataclass
class World:
    """What is known in a night. Every touch and conversion is also a record with its number."""

    touches: dict[int, Touch] = field(default_factory=dict)
    conversions: dict[int, Conversion] = field(default_factory=dict)
    aliases: dict[int, int] = field(default_factory=dict)
    costs: dict[tuple[date, str, int], Decimal] = field(default_factory=dict)  # by day, kind and origin
    lookback: timedelta = timedelta(days=60)
    is_doubled: bool = False  # a rule changed: the first touch counts twice under `linear`

    def touch(self, touch_id: int, customer: int, at: datetime, origin: int) -> None:
        self.touches[touch_id] = Touch(touch_id, customer, at, origin)

    def convert(self, key: int, customer: int, at: datetime, amount: str) -> None:
        self.conversions[key] = Conversion(key, customer, at, Decimal(amount))

    def rename(self, old: int, new: int) -> None:
        self.touches = {k: replace(t, customer=new) if t.customer == old else t for k, t in self.touches.items()}
        self.conversions = {
            k: replace(c, customer=new) if c.customer == old else c for k, c in self.conversions.items()
        }

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        credit = [row for key in self.conversions for row in self.credit(self.conversions[key])]
        records: dict[int, Touch | Conversion] = {**self.conversions, **self.touches}
        return {
            "attribution_origins": [
                {"origin_id": key, **dict(zip(DIMENSIONS, labels, strict=True))} for key, labels in ORIGINS.items()
            ],
            "attribution_touches": [
                {"touch_id": t.touch_id, "customer_id": t.customer, "touched_at": t.at, "origin_id": t.origin,
                 "consent": "granted"}
                for t in self.touches.values()
            ],
            "attribution_credit": credit,
            "attribution_summary": self.summary(credit),
            "customer_identity_map": [
                {"record_key": key, "customer_id": each.customer} for key, each in records.items()
            ],
            "marketing_costs": [
                {"cost_date": day, "cost_kind": kind, "cost": cost, **dict(zip(DIMENSIONS, ORIGINS[origin], strict=True))}
                for (day, kind, origin), cost in self.costs.items()
            ],
            "customer_alias": [{"customer_id_old": old, "customer_id": new} for old, new in self.aliases.items()],
        }  # fmt: skip

    def credit(self, c: Conversion) -> list[dict[str, Any]]:
        path = sorted(
            (t for t in self.touches.values() if t.customer == c.customer and c.at - self.lookback <= t.at <= c.at),
            key=lambda t: (t.at, t.touch_id),
        )
        whole = {"conversion_set": "order", "conversion_key": c.key, "customer_id": c.customer, "converted_at": c.at,
                 "conversions": c.number, "amount": c.amount}  # fmt: skip
        if not path:
            return [
                whole | {"touch_number": 0, "touch_id": None, "origin_id": None, **dict.fromkeys(SHARES, Decimal(1))}
            ]
        linear = split([2 if self.is_doubled and n == 0 else 1 for n in range(len(path))])
        rows = []
        for number, touch in enumerate(path):
            shares: dict[str, Any] = {"credit_first": Decimal(number == 0), "credit_linear": linear[number]}
            for name, places in (("", (0, 1)), ("_source", (2,)), ("_campaign", (0, 1, 3))):
                labels = [tuple(ORIGINS[t.origin][p] for p in places) for t in path]
                shares[f"credit_shapley{name}"] = split([Decimal(1) / labels.count(label) for label in labels])[number]
            rows.append(
                whole | {"touch_number": number + 1, "touch_id": touch.touch_id, "origin_id": touch.origin} | shares
            )
        return rows

    def summary(self, credit: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Cells of whole cents that keep each month's sum, and a model of the whole: shares of all journeys."""
        found: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
        for row in credit:
            labels = ORIGINS.get(row["origin_id"] or 0, NOTHING)
            month = row["converted_at"].date().replace(day=1)
            for grain, places in GRAINS.items():
                told = tuple(label if place in places else "(all)" for place, label in enumerate(labels))
                for model in ("first", "linear", "shapley"):
                    name = "credit_" + model + (f"_{grain}" if model == "shapley" and grain != "channel" else "")
                    cell = found[(grain, model, "order", month, *told)]
                    cell[0] += row[name] * row["conversions"]
                    cell[1] += row[name] * row["amount"]
        whole: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
        weight: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
        for key, (number, amount) in found.items():
            if key[1] == "linear":
                is_untold = "unattributed" in key
                whole[(key[0], key[3], is_untold)][0] += number
                whole[(key[0], key[3], is_untold)][1] += amount
                weight[(key[0], is_untold, *key[4:])] += number**2
        for (grain, month, is_untold), (number, amount) in whole.items():
            mine = {key: value for key, value in weight.items() if key[:2] == (grain, is_untold)}
            total = sum(mine.values())
            left = [number, amount]
            for place, (key, value) in enumerate(sorted(mine.items())):
                last = place == len(mine) - 1
                given = [
                    left[0] if last else (number * value / total).quantize(BILLION),
                    left[1] if last else amount * value / total,
                ]
                left = [left[0] - given[0], left[1] - given[1]]
                found[(grain, "markov", "order", month, *key[2:])] = given
        return list(cents(found))


def split(weights: list[Any]) -> list[Decimal]:
    total, done, shares = sum(weights), Decimal(0), []
    for n in range(len(weights)):
        upto = (
            (Decimal(sum(weights[: n + 1])) / Decimal(total)).quantize(BILLION, ROUND_FLOOR)
            if n < len(weights) - 1
            else Decimal(1)
        )
        shares.append(upto - done)
        done = upto
    return shares


def cents(found: dict[tuple[Any, ...], list[Decimal]]) -> Iterator[dict[str, Any]]:
    running: dict[tuple[Any, ...], tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
    for key in sorted(found):
        number, amount = found[key]
        exact, told = running[key[:4]]
        exact += amount
        upto = exact.quantize(Decimal("0.01"), ROUND_FLOOR)
        running[key[:4]] = (exact, upto)
        yield {**dict(zip(CELL, key, strict=True)), "conversions": number, "amount": upto - told}


@pytest.fixture(scope="module")
def database(cluster: Settings) -> Settings:
    """One database for all: each test publishes its own world first, and looks at what comes then."""
    return replace(cluster, serving_url=postgres.database_url(cluster, "restated"))


@pytest.fixture(scope="module")
def connection(database: Settings) -> Iterator[Any]:
    with postgres.connect(database, application_name="test") as made:
        migrate(made)
        ensure(made, list(MARTS.values()))
        yield made


def propose(connection: Any, world: World, night: int) -> int:
    run = open_run(connection, NIGHT + timedelta(days=night), "duckdb", "test")
    tables = [(MARTS[name], as_arrow(MARTS[name], rows)) for name, rows in world.tables().items()]
    made = load(connection, run, "duckdb", tables, appended=[m for m in MARTS.values() if m.is_appended])
    publication.record_gate(connection, run, made.publication_id, "pass", "")
    publication.publish(connection, run, made.publication_id)
    return made.publication_id


def as_arrow(mart: Mart, rows: list[dict[str, Any]]) -> pa.Table:
    schema = pa.schema([(c.name, arrow_type(c.data_type)) for c in mart.columns])
    fitted = [{k: v.replace(tzinfo=None) if isinstance(v, datetime) else v for k, v in row.items()} for row in rows]
    return pa.Table.from_pylist(fitted, schema)


def causes(connection: Any, publication_id: int) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for row in rows(
        connection,
        "select conversion_key, cause from serving.attribution_restated_conversions where publication_id = %s",
        publication_id,
    ):
        found[row["conversion_key"]].add(row["cause"])
    return dict(found)


def small() -> World:
    world = World()
    day = NIGHT - timedelta(days=40)
    for number, (customer, origin) in enumerate([(1, 11), (1, 13), (1, 12), (2, 14), (3, 13), (4, 11)]):
        world.touch(number + 1, customer, day + timedelta(days=2 * number), origin)
    for customer, amount in ((1, "100.01"), (2, "33.33"), (3, "7.00"), (4, "19.99"), (5, "1.00")):
        world.convert(100 + customer, customer, NIGHT - timedelta(days=20), amount)
    return world


def test_the_first_publication_restates_nothing(connection: Any) -> None:
    first = propose(connection, small(), 0)
    assert not moves(connection, first)
    assert not causes(connection, first)


def test_a_night_without_news_restates_nothing(connection: Any) -> None:
    propose(connection, small(), 0)
    second = propose(connection, small(), 1)
    assert not moves(connection, second)


def late_touch(world: World) -> None:
    world.touch(7, 1, NIGHT - timedelta(days=41), 14)


def touch_withdrawn(world: World) -> None:
    del world.touches[2]


def touch_corrected(world: World) -> None:
    world.touches[2] = replace(world.touches[2], origin=14)


def amount_corrected(world: World) -> None:
    world.conversions[101] = replace(world.conversions[101], amount=Decimal("90.00"))


def date_corrected(world: World) -> None:
    world.conversions[101] = replace(world.conversions[101], at=NIGHT - timedelta(days=1))


def refunded(world: World) -> None:
    world.conversions[101] = replace(world.conversions[101], number=0, amount=Decimal("-5.05"))


def cancelled(world: World) -> None:
    del world.conversions[101]


def late_conversion(world: World) -> None:
    world.convert(109, 1, NIGHT - timedelta(days=3), "12.34")


def new_conversion(world: World) -> None:
    world.convert(109, 1, NIGHT + timedelta(hours=3), "12.34")


def merge(world: World) -> None:
    world.rename(2, 1)
    world.aliases[2] = 1


def split_off(world: World) -> None:
    world.touches[2] = replace(world.touches[2], customer=9)


def shorter_lookback(world: World) -> None:
    world.lookback = timedelta(days=13)


def other_shares(world: World) -> None:
    world.is_doubled = True


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (late_touch, {101: {"late_touch"}}),
        (touch_withdrawn, {101: {"touch_withdrawn"}}),
        (touch_corrected, {101: {"touch_corrected"}}),
        (amount_corrected, {101: {"amount_corrected"}}),
        (date_corrected, {101: {"date_corrected"}}),
        (refunded, {101: {"amount_corrected"}}),
        (cancelled, {101: {"withdrawn_conversion"}}),
        (late_conversion, {109: {"late_conversion"}}),
        (new_conversion, {109: {"new_conversion"}}),
        (merge, {101: {"identity_merge"}, 102: {"identity_merge"}}),
        (split_off, {101: {"identity_split"}}),
        (shorter_lookback, {key: {"rule_changed"} for key in (101, 102)}),
        (other_shares, {101: {"rule_changed"}}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_change_is_told_by_its_cause_and_explains_the_difference(
    change: Any, expected: dict[int, set[str]], connection: Any
) -> None:
    world = small()
    propose(connection, world, 0)
    change(world)
    second = propose(connection, world, 1)
    assert not unexplained(connection, second)
    assert causes(connection, second) == expected
    found = moves(connection, second)
    assert {row["cause"] for row in found if row["model"] != "markov"} <= set().union(*expected.values()) | {"rounding"}
    assert all(
        abs(row["amount_to"] - row["amount_from"]) <= Decimal("0.02") for row in found if row["cause"] == "rounding"
    )
    assert {row["cause"] for row in found} >= set().union(*expected.values())


def test_from_and_to_are_what_the_cause_touched(connection: Any) -> None:
    world = small()
    propose(connection, world, 0)
    late_touch(world)
    second = propose(connection, world, 1)
    found = [row for row in moves(connection, second) if row["grain"] == "channel" and row["model"] == "first"]
    assert {(row["channel_group"], row["amount_from"], row["amount_to"], row["conversions_to"]) for row in found} == {
        ("Paid Search", Decimal("100.01"), Decimal("0.00"), Decimal(0)),
        ("Phone call", Decimal("0.00"), Decimal("100.01"), Decimal(1)),
    }
    assert {(row["as_of"], row["previous_as_of"]) for row in found} == {
        ((NIGHT + timedelta(days=1)).replace(tzinfo=None), NIGHT.replace(tzinfo=None))
    }


def test_what_happened_to_one_conversion_in_one_night_is_told_apart(connection: Any) -> None:
    world = small()
    propose(connection, world, 0)
    late_touch(world)
    amount_corrected(world)
    date_corrected(world)
    second = propose(connection, world, 1)
    assert not unexplained(connection, second)
    assert causes(connection, second) == {101: {"date_corrected", "amount_corrected", "late_touch"}}
    by_cause: dict[str, Decimal] = defaultdict(Decimal)
    for row in moves(connection, second):
        if (row["grain"], row["model"]) == ("channel", "linear"):
            by_cause[row["cause"]] += row["amount_to"] - row["amount_from"]
    assert by_cause == {"date_corrected": 0, "amount_corrected": Decimal("-10.01"), "late_touch": 0}


def test_the_terminal_shows_causes_figures_and_the_touches_of_a_conversion(
    connection: Any, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(database, monkeypatch)
    monkeypatch.setattr(cli_restatements.out, "width", 200)
    world = small()
    propose(connection, world, 0)
    late_touch(world)
    second = propose(connection, world, 1)
    shown = CliRunner().invoke(app, ["restatements", "--model", "first"])
    assert shown.exit_code == 0, shown.output
    assert "late_touch" in shown.output
    shown = CliRunner().invoke(app, ["restatements", str(second), "--model", "first", "--grain", "campaign"])
    assert "media / Paid Search / spring" in shown.output
    assert "100.01" in shown.output
    shown = CliRunner().invoke(app, ["restatements", str(second), "--conversion", "order:101"])
    assert [line for line in shown.output.splitlines() if "Phone call" in line and "0.250000000" in line]


def test_costs_that_move_are_told_by_day_kind_and_cause(connection: Any) -> None:
    world = small()
    first, second, third = (date(2026, 2, day) for day in (27, 28, 1))
    world.costs = {
        (first, "ad_spend", 11): Decimal("10.5"),
        (first, "fixed", 11): Decimal(2),
        (third, "ad_spend", 12): Decimal(1),
    }
    propose(connection, world, 0)
    world.costs[(first, "ad_spend", 11)] = Decimal("9.25")
    world.costs[(first, "ad_spend", 12)] = Decimal("0.000001")
    world.costs[(second, "ad_spend", 11)] = Decimal(7)
    del world.costs[(third, "ad_spend", 12)]
    told = propose(connection, world, 1)
    found = moves(connection, told)
    assert {(row["model"], row["conversion_set"], row["amount_to"]) for row in found} == {("(all)", "(all)", 0)}
    assert {
        (row["campaign"], row["cause"], row["cost_from"], row["cost_to"]) for row in found if row["grain"] == "campaign"
    } == {
        ("spring", "cost_corrected", Decimal("10.5"), Decimal("9.25")),
        ("(none)", "late_cost", Decimal(0), Decimal("0.000001")),
        ("spring", "new_cost", Decimal(0), Decimal(7)),
        ("(none)", "withdrawn_cost", Decimal(1), Decimal(0)),
    }
    for grain in GRAINS:
        assert sum(row["cost_to"] - row["cost_from"] for row in found if row["grain"] == grain) == Decimal("4.750001")


def test_an_earlier_night_has_not_heard_of_what_came_later(connection: Any) -> None:
    world = small()
    propose(connection, world, 0)
    new_conversion(world)
    propose(connection, world, 1)
    del world.conversions[109]
    third = propose(connection, world, 0)
    assert not unexplained(connection, third)
    assert causes(connection, third) == {109: {"earlier_night"}}


def test_restatements_go_back_with_their_publication_and_are_pruned_with_it(connection: Any) -> None:
    world = small()
    propose(connection, world, 0)
    late_touch(world)
    second = propose(connection, world, 1)
    cancelled(world)
    third = propose(connection, world, 2)
    assert moves(connection, second)
    assert moves(connection, third)
    publication.rollback(connection)
    assert moves(connection, second)
    assert not moves(connection, third)
    fourth = propose(connection, world, 3)  # explained against what is served, not against what was taken back
    assert not unexplained(connection, fourth)
    assert causes(connection, fourth) == {101: {"withdrawn_conversion"}}
    publication.prune(connection, keep=2)
    assert moves(connection, fourth)
    assert not moves(connection, second)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_causes_sum_to_the_difference(seed: int, connection: Any) -> None:
    chance = random.Random(seed)
    world = World()
    published: list[int] = []
    for night in range(5):
        now = NIGHT + timedelta(days=night)
        for _ in range(60 if night == 0 else 12):
            happen(world, chance, now)
        published.append(propose(connection, world, night))
    for publication_id in published[1:]:
        assert not unexplained(connection, publication_id)
        told = moves(connection, publication_id)
        assert told
        assert "unexplained" not in {row["cause"] for row in told}


def happen(world: World, chance: random.Random, now: datetime) -> None:
    """Anything, of the last weeks."""
    number = chance.randrange(10**6)
    at = now - timedelta(minutes=chance.randrange(60 * 24 * 50))
    customer = chance.choice([world.aliases.get(c, c) for c in (chance.randrange(1, 12),)])
    what = chance.randrange(12)
    if what < 5:
        world.touch(number, customer, at, chance.choice(list(ORIGINS)))
    elif what < 8:
        world.convert(number, customer, at, f"{chance.randrange(-500, 99_999) / 100:.2f}")
    elif what == 8 and world.touches:
        del world.touches[chance.choice(list(world.touches))]
    elif what == 9 and world.conversions:
        key = chance.choice(list(world.conversions))
        world.conversions[key] = replace(world.conversions[key], amount=Decimal("3.07"), at=at)
    elif what == 10 and world.touches:
        key = chance.choice(list(world.touches))
        world.touches[key] = replace(world.touches[key], origin=chance.choice(list(ORIGINS)))
    elif customer + 20 not in world.aliases and chance.random() < 0.3:
        world.rename(customer, customer + 20)
        world.aliases[customer] = customer + 20
