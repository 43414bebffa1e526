"""Customers whom only their profiles show to be one person, and those who are merely alike."""

from __future__ import annotations

import random
from datetime import date, timedelta

import duckdb
import pyarrow as pa
import pytest

from customer360.identity import alike
from customer360.sources import OwnIdentities
from unit.identity_case import NIGHT, RECORD_PROFILES, Rec, Registry, resolve
from unit.town import GIVEN, learned

BORN = date(1980, 5, 17)
Identifier = tuple[str, str]


def contact(
    name: str,
    given: str,
    mail: str,
    *,
    born: date | None = BORN,
    street: str | None = "Long Lane 7",
    family: str = "Hartfeld",
) -> Rec:
    postcode, city = ("10117", "Town") if street else (None, None)
    return Rec(
        name,
        "contact",
        [("email", mail)],
        f"{given} {family}",
        given,
        family,
        born,
        street=street,
        postcode=postcode,
        city=city,
    )


ANNA = contact("a", "Anna", "sun77@example.com")


def test_one_person_under_two_addresses_is_one_customer() -> None:
    found = resolve([ANNA, contact("b", "Anna", "work@example.org")], learned=learned())
    assert found.groups() == {frozenset({"a", "b"})}
    (link,) = found.tables["similarity"].to_pylist()
    assert (link["is_link"], link["is_vetoed"]) == (True, False)
    assert link["probability"] > alike.LIKELY


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(contact("b", "Otto", "work@example.org", born=None), id="of the household"),
        pytest.param(contact("b", "Otto", "work@example.org"), id="twin"),
        pytest.param(contact("b", "Anna", "work@example.org", born=date(1951, 2, 3)), id="mother of the same name"),
        pytest.param(contact("b", "Anna", "work@example.org", born=None, street=None), id="namesake"),
        pytest.param(contact("b", "Anna", "work@example.org", family="Hartfeld Jr", born=None), id="junior"),
    ],
)
def test_who_is_only_alike_stays_another_customer(other: Rec) -> None:
    found = resolve([ANNA, other], learned=learned())
    assert found.groups() == {frozenset({"a"}), frozenset({"b"})}


def test_a_rare_name_alone_unites_nobody_and_is_no_question() -> None:
    one, other = (
        contact(name, "Quirinius", mail, born=None, street=None, family="Hartfeldsteiner")
        for name, mail in (("a", "sun77@example.com"), ("b", "work@example.org"))
    )
    found = resolve([one, other], learned=learned())
    assert len(found.groups()) == 2
    assert not found.tables["similarity"].num_rows


def test_addresses_that_differ_altogether_do_not_speak_for_one_person() -> None:
    one, other = (
        Rec(name, "contact", [("email", mail)], "Anna Hartfeld", "Anna", "Hartfeld", street=street, postcode=code, city=city)
        for name, mail, street, code, city in (
            ("a", "sun77@example.com", "Long Lane 7", "10117", "Town"),
            ("b", "work@example.org", "Quirzweg 99", "83452", "Bergen"),
        )
    )  # fmt: skip
    assert not resolve([one, other], learned=learned()).tables["similarity"].num_rows


def test_one_word_is_no_name_to_unite_customers_by() -> None:
    one, other = (
        Rec(name, "contact", [("email", mail)], "Hartfeldsteiner", born=BORN, street="Long Lane 7", postcode="10117",
            city="Town")
        for name, mail in (("a", "sun77@example.com"), ("b", "work@example.org"))
    )  # fmt: skip
    assert len(resolve([one, other], learned=learned()).groups()) == 2


@pytest.mark.parametrize(("system", "customers"), [("shop", 2), ("forum", 1)])
def test_two_log_ins_of_one_system_are_never_united_by_likeness(system: str, customers: int) -> None:
    log_ins = [
        Rec("in_a", "interaction", [("email", "sun77@example.com"), ("user_id", "shop:u1")]),
        Rec("in_b", "interaction", [("email", "work@example.org"), ("user_id", f"{system}:u2")]),
    ]
    found = resolve([ANNA, contact("b", "Anna", "work@example.org"), *log_ins], learned=learned())
    assert len(found.groups()) == customers


def test_without_a_model_nobody_is_compared() -> None:
    found = resolve([ANNA, contact("b", "Anna", "work@example.org")])
    assert found.groups() == {frozenset({"a"}), frozenset({"b"})}
    assert not found.tables["similarity"].num_rows


def test_what_is_possible_is_left_to_a_reviewer() -> None:
    found = resolve([ANNA, contact("b", "Anna", "work@example.org", born=None)], learned=learned())
    (pair,) = found.tables["similarity"].to_pylist()
    assert alike.POSSIBLE < pair["probability"] < alike.LIKELY
    assert not pair["is_link"]
    assert found.groups() == {frozenset({"a"}), frozenset({"b"})}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(contact("b", "Otto", "sun77@example.org"), id="twins"),
        pytest.param(contact("b", "Anna", "sun77@example.org", born=None, family="Hartfeld Jr"), id="generation"),
    ],
)
def test_what_parts_two_persons_does_so_however_alike_they_are(other: Rec) -> None:
    one = contact("a", "Anna", "sun77@example.com", family="Hartfeld Sr") if "Jr" in str(other.family) else ANNA
    found = resolve([one, other], learned=learned())
    assert found.groups() == {frozenset({"a"}), frozenset({"b"})}
    assert not found.tables["similarity"].num_rows, "nobody has to be asked"


def test_names_written_the_other_way_round_say_no_more_than_the_same_names() -> None:
    def probability(given: str, family: str) -> float:
        other = contact("b", given, "work@example.org", born=None, family=family)
        (pair,) = resolve([ANNA, other], learned=learned()).tables["similarity"].to_pylist()
        return float(pair["probability"])

    assert probability("Hartfeld", "Anna") <= probability("Anna", "Hartfeld")


def test_who_is_alike_to_two_that_contradict_each_other_joins_one_of_them() -> None:
    elder = contact("e", "Anna", "sun77@example.org", born=date(1951, 2, 3))
    younger = contact("y", "Anna", "sun77@example.net", born=date(1990, 11, 30))
    undated = contact("u", "Anna", "sun77@example.com", born=None)
    found = resolve([elder, younger, undated], learned=learned())
    assert found.of["e"] != found.of["y"]
    assert found.of["u"] in (found.of["e"], found.of["y"])


def test_the_order_of_records_makes_no_difference() -> None:
    records = [contact(f"r{n}", GIVEN[n % 5], f"m{n}@example.org", born=BORN if n % 3 else None) for n in range(20)]
    one = resolve(records, learned=learned())
    for seed in range(3):
        again = resolve(random.Random(seed).sample(records, len(records)), learned=learned())
        assert again.of == one.of


def test_customers_who_turn_out_alike_are_merged_for_that_reason() -> None:
    before = resolve([ANNA, contact("b", "Anna", "work@example.org", born=None, street=None)], learned=learned())
    registry = Registry().after(before.changes, NIGHT)
    after = resolve(
        [ANNA, contact("b", "Anna", "work@example.org")], registry, NIGHT + timedelta(days=1), learned=learned()
    )
    assert [event["reason"] for event in after.events() if event["kind"] == "merged"] == ["alike"]
    assert after.of["a"] == after.of["b"]


@pytest.mark.parametrize(
    ("mail", "handle"),
    [
        ("sun77@example.com", "sun77"),
        ("anna.hartfeld@example.com", None),
        ("hartfeld2@example.com", None),
        ("info@example.com", None),
    ],
)
def test_a_handle_is_what_is_not_made_from_the_name(mail: str, handle: str | None) -> None:
    with duckdb.connect() as engine:
        row = {"record_key": 1, "given_name": "Anna", "family_name": "Hartfeld", "email": mail}
        engine.register("given", pa.Table.from_pylist([row], RECORD_PROFILES))
        alike.fold(engine, OwnIdentities(), "given")
        assert engine.sql("select handle from folded_profile").fetchall() == [(handle,)]


@pytest.mark.parametrize("whole", ["Anna Maria Köhler", "Köhler, Anna"])
def test_a_name_known_only_as_a_whole_is_taken_apart(whole: str) -> None:
    with duckdb.connect() as engine:
        row = {"record_key": 1, "full_name": whole}
        engine.register("given", pa.Table.from_pylist([row], RECORD_PROFILES))
        alike.fold(engine, OwnIdentities(), "given")
        assert engine.sql("select given_name, family_name from folded_profile").fetchall() == [("anna", "kohler")]


def test_too_few_known_pairs_teach_nothing() -> None:
    with duckdb.connect() as engine:
        rows = [{"record_key": key, "given_name": GIVEN[key % 16], "family_name": "Berg"} for key in range(300)]
        engine.register("given", pa.Table.from_pylist(rows, RECORD_PROFILES))
        engine.register("known", pa.table({"record_key": range(300), "label": range(300)}))
        alike.fold(engine, OwnIdentities(), "given")
        alike.population(engine)
        assert alike.teach(engine, "known") is None
