"""Linkage of made-up people: who becomes one cluster, who never does, and that order makes no difference."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest
from population import LAYOUT, Person, crowd, people, row_of, table, written_again

from customer360.linkage.kinds import Kind, Layout, Veto
from customer360.linkage.link import Linked, deduplicate, match

PERSON = Person("amara", "wexlamrud", "1971-05-23", "barcor lane 5", "duntamton", "1377")


@pytest.fixture(scope="module")
def background() -> list[dict[str, Any]]:
    return crowd()[0]


def clusters(linked: Linked) -> dict[str, str]:
    return dict(zip(linked.clusters["key"].to_pylist(), linked.clusters["cluster"].to_pylist(), strict=True))


def together(rows: list[dict[str, Any]], background: list[dict[str, Any]], layout: Layout = LAYOUT) -> bool:
    """Whether the two `rows` share a cluster among the background."""
    named = [row | {"id": name} for row, name in zip(rows, ("one", "two"), strict=True)]
    found = clusters(deduplicate(table([*background, *named]), layout))
    return found["one"] == found["two"]


def changed(**values: str | None) -> dict[str, Any]:
    return row_of(PERSON) | values


def test_records_of_one_person_become_one_cluster() -> None:
    rows, owners = crowd()
    profiles = table(rows)
    found = clusters(deduplicate(profiles, LAYOUT))
    of_key = dict(zip(profiles["id"].to_pylist(), owners, strict=True))
    keys = sorted(found)
    same_owner = {(a, b) for a in keys for b in keys if a < b and of_key[a] == of_key[b]}
    same_cluster = {(a, b) for a in keys for b in keys if a < b and found[a] == found[b]}
    assert len(same_owner & same_cluster) > 0.97 * len(same_owner)
    assert len(same_owner & same_cluster) > 0.99 * len(same_cluster)


def test_order_of_rows_makes_no_difference(background: list[dict[str, Any]]) -> None:
    profiles = table(background)
    order = list(range(len(profiles)))
    random.Random(9).shuffle(order)
    first, second = deduplicate(profiles, LAYOUT), deduplicate(profiles.take(order), LAYOUT)
    assert first.clusters == second.clusters
    assert first.pairs == second.pairs
    assert first.pairs == deduplicate(profiles, LAYOUT).pairs


@pytest.mark.parametrize(
    "other",
    [
        changed(given="amraa"),
        changed(given="wexlamrud", family="amara"),
        changed(given="Ámárà", family="WEXLAMRUD"),
        changed(born="1971-05-32"),
        changed(born="1917-05-23"),
        changed(born="1971-01-01"),
        changed(born=None, street=None),
    ],
    ids=["slip", "swapped", "diacritics", "impossible date", "digits swapped", "year only", "missing"],
)
def test_what_a_slip_explains_is_one_person(other: dict[str, Any], background: list[dict[str, Any]]) -> None:
    assert together([row_of(PERSON), other], background)


def test_day_and_month_swapped_is_one_person(background: list[dict[str, Any]]) -> None:
    assert together([changed(born="1971-05-11"), changed(born="1971-11-05")], background)


def test_nickname_is_one_person(background: list[dict[str, Any]]) -> None:
    assert together([changed(given="Katherine"), changed(given="Kate")], background)


VETOES = {
    Veto.BIRTH_DATE: (changed(), changed(born="1948-11-30")),
    Veto.TWINS: (changed(), changed(given="orla")),
    Veto.GENERATION: (changed(family="wexlamrud jr"), changed(family="wexlamrud sr")),
    Veto.ACCOUNT_REF: (changed(account="A-1"), changed(account="A-2")),
}


@pytest.mark.parametrize("veto", list(VETOES))
def test_likeness_does_not_merge_across_a_veto(veto: Veto, background: list[dict[str, Any]]) -> None:
    pair = list(VETOES[veto])
    assert not together(pair, background)
    undeclared = Layout(LAYOUT.unique_id, LAYOUT.columns, LAYOUT.vetoes - {veto})
    assert together(pair, background, undeclared)


def test_no_third_record_bridges_a_veto(background: list[dict[str, Any]]) -> None:
    named = [
        changed(account="A-1") | {"id": "one"},
        changed(account="A-2") | {"id": "two"},
        *(changed() | {"id": f"bridge{number}"} for number in range(4)),
    ]
    found = clusters(deduplicate(table([*background, *named]), LAYOUT))
    assert found["one"] != found["two"]


def numbered(rows: list[dict[str, Any]], background: list[dict[str, Any]]) -> dict[str, str]:
    """Clusters where each of `rows` may have a national id in `number`, as all of the background have."""
    layout = Layout("id", {**LAYOUT.columns, "number": Kind.NATIONAL_ID})
    numbers = [f"{5_000_000 + 7919 * at}" for at in range(len(background))] + [row.pop("number") for row in rows]
    profiles = table([*background, *rows])
    return clusters(deduplicate(profiles.append_column("number", pa.array(numbers)), layout))


def test_an_identifier_outweighs_a_wrong_birth_date(background: list[dict[str, Any]]) -> None:
    right, wrong = VETOES[Veto.BIRTH_DATE]
    same = [right | {"id": "one", "number": "4410921"}, wrong | {"id": "two", "number": "4410921"}]
    other = [right | {"id": "one", "number": "4410921"}, wrong | {"id": "two", "number": "9083365"}]
    found = numbered(same, background)
    assert found["one"] == found["two"]
    found = numbered(other, background)
    assert found["one"] != found["two"]


def test_a_contested_birth_date_parts_nobody(background: list[dict[str, Any]]) -> None:
    right, wrong = VETOES[Veto.BIRTH_DATE]
    rows = [
        right | {"id": "one", "number": "4410921"},
        wrong | {"id": "two", "number": "4410921"},
        right | {"id": "three", "number": None},
    ]
    found = numbered(rows, background)
    assert found["one"] == found["two"] == found["three"]


def test_match_links_each_profile_once() -> None:
    rng = random.Random(5)
    persons = people(300, seed=5)
    left = [written_again(person, rng) for person in persons]
    right = [written_again(person, rng) for person in persons]
    # A stranger of the same name, town and birth year as somebody in the other table.
    right.append(row_of(persons[0]) | {"street": None, "born": persons[0].born[:4] + "-02-02"})
    profiles = table([*left, *right])
    sources = pa.array(["crm"] * len(left) + ["shop"] * len(right))
    linked = match(profiles.append_column("source", sources), LAYOUT, "source")
    sizes: dict[str, list[str]] = {}
    for source, cluster in zip(
        linked.clusters["source"].to_pylist(), linked.clusters["cluster"].to_pylist(), strict=True
    ):
        sizes.setdefault(cluster, []).append(source)
    assert {tuple(each) for each in sizes.values()} <= {("crm",), ("shop",), ("crm", "shop")}
    assert sum(len(each) == 2 for each in sizes.values()) > 285


def test_match_wants_two_sources() -> None:
    profiles = table(crowd(20)[0])
    one = pa.array(["crm"] * len(profiles))
    with pytest.raises(ValueError, match="two sources"):
        match(profiles.append_column("source", one), LAYOUT, "source")


def test_a_key_comes_once() -> None:
    rows = [row | {"id": "same"} for row in crowd(5)[0]]
    with pytest.raises(ValueError, match="a key is that of two profiles"):
        deduplicate(table(rows), LAYOUT)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_profiles(count: int) -> None:
    linked = deduplicate(table([row_of(PERSON)] * count), LAYOUT)
    assert len(linked.clusters) == count


def test_layout_has_one_column_of_a_type() -> None:
    with pytest.raises(ValueError, match="two columns of one type"):
        Layout("id", {"a": Kind.EMAIL, "b": Kind.EMAIL})


def test_unknown_values_are_no_evidence() -> None:
    empty: Iterable[dict[str, Any]] = [dict.fromkeys(LAYOUT.columns) for _ in range(30)]
    found = clusters(deduplicate(table([*crowd(50)[0], *empty]), LAYOUT))
    sizes = [list(found.values()).count(name) for name in set(found.values())]
    assert max(sizes) <= 3
