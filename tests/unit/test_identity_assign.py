"""Ids that stay: who keeps an id when customers merge, split or lose what they were known by."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from customer360.identity.assign import MASK, new_ids
from customer360.identity.path import shortest
from customer360.keys import identifier_key
from unit.identity_case import NIGHT, Rec, Registry, resolve

ANA, BEN = ("email", "ana@example.com"), ("email", "ben@example.com")
COOKIE, PHONE = ("cookie", "c1"), ("phone", "+494315550101")
NIGHTS = [NIGHT + timedelta(days=n) for n in range(5)]


def test_an_id_is_the_anchors_last_53_bits_or_the_next_free_number() -> None:
    ids = new_ids(np.array([5, -1, 5 + (1 << 53), 0, 9, 6], np.int64), np.array([9], np.int64))
    assert ids.tolist() == [5, MASK, 7, 1, 10, 6]
    assert new_ids(np.array([MASK], np.int64), np.array([MASK], np.int64)).tolist() == [1]


def test_the_customer_of_longer_standing_survives_and_the_event_names_the_identifier() -> None:
    first = resolve([Rec("a", "contact", [ANA], "Ana Ruiz")], night=NIGHTS[0])
    registry = Registry().after(first.changes, NIGHTS[0])
    visitor = [Rec("a", "contact", [ANA], "Ana Ruiz"), Rec("v", "interaction", [COOKIE])]
    second = resolve(visitor, registry, NIGHTS[1])
    registry = registry.after(second.changes, NIGHTS[1])
    third = resolve([*visitor, Rec("w", "interaction", [COOKIE, ANA])], registry, NIGHTS[2])
    assert third.of["v"] == third.of["w"] == first.of["a"]
    (event,) = third.events()
    assert (event["kind"], event["customer_id"], event["other_customer_id"]) == (
        "merged",
        first.of["a"],
        second.of["v"],
    )
    assert (event["evidence"], event["reason"]) == (identifier_key(*COOKIE), "on one record")


def test_aliases_of_aliases_lead_to_whoever_lives() -> None:
    def three(*links: Rec) -> list[Rec]:
        return [
            Rec("a", "contact", [ANA], "Ana Ruiz"),
            Rec("v", "interaction", [COOKIE]),
            Rec("p", "interaction", [PHONE]),
            *links,
        ]

    first = resolve(three(), night=NIGHTS[0])
    registry = Registry().after(first.changes, NIGHTS[0])
    by_age = sorted((first.of[name], name) for name in ("a", "v", "p"))  # of one night: the smaller id survives
    carries = {"a": ANA, "v": COOKIE, "p": PHONE}
    (low, one), (middle, two), (high, three_) = by_age
    younger = Rec("x", "interaction", [carries[two], carries[three_]])
    second = resolve(three(younger), registry, NIGHTS[1])
    registry = registry.after(second.changes, NIGHTS[1])
    assert second.of[three_] == middle
    third = resolve(three(younger, Rec("y", "interaction", [carries[one], carries[two]])), registry, NIGHTS[2])
    aliases = {row["customer_id_old"]: row["customer_id"] for row in third.tables["customer_alias"].to_pylist()}
    assert aliases == {high: low, middle: low}
    assert set(third.of.values()) == {low}


def test_a_split_keeps_the_id_at_its_founding_identifier_and_says_what_turned() -> None:
    def records(*more: Rec) -> list[Rec]:
        return [
            Rec("a", "contact", [ANA, PHONE], "Ana Ruiz", day=90),
            Rec("b", "interaction", [PHONE, COOKIE], day=80),
            Rec("c", "interaction", [COOKIE], day=70),
            *more,
        ]

    first = resolve(records(), night=NIGHTS[0])
    assert len(first.groups()) == 1
    registry = Registry().after(first.changes, NIGHTS[0])
    second = resolve(records(Rec("d", "contact", [PHONE, BEN], "Ben Ott", day=60)), registry, NIGHTS[1])
    assert second.of["a"] == first.of["a"]
    assert second.of["b"] == second.of["c"] != first.of["a"]
    split = [event for event in second.events() if event["kind"] == "split"]
    assert [(e["customer_id"], e["other_customer_id"], e["evidence"], e["reason"]) for e in split] == [
        (second.of["b"], first.of["a"], identifier_key(*PHONE), "shared: several_persons")
    ]


def test_a_person_keeps_the_id_when_the_founding_number_turns_out_to_be_the_households() -> None:
    first = resolve([Rec("jo", "contact", [PHONE], "Jo Meier", day=90)], night=NIGHTS[0])
    registry = Registry().after(first.changes, NIGHTS[0])
    grown = [
        Rec("jo", "contact", [PHONE], "Jo Meier", day=90),
        Rec("shop", "user", [PHONE, ANA], "Jo Meier", day=80),
    ]
    second = resolve(grown, registry, NIGHTS[1])
    registry = registry.after(second.changes, NIGHTS[1])
    kim = [*grown, Rec("kim", "contact", [PHONE], "Kim Meier", day=60), Rec("call", "interaction", [PHONE])]
    third = resolve(kim, registry, NIGHTS[2])
    assert third.of["jo"] == third.of["shop"] == first.of["jo"]
    assert len({third.of["jo"], third.of["kim"], third.of["call"]}) == 3


@pytest.mark.parametrize("kind", ["contact", "account"])
def test_a_record_that_stood_for_itself_keeps_its_id_when_it_gains_an_identifier(kind: str) -> None:
    role = ("email", "info@firm.example.com")
    first = resolve([Rec("a", kind, [role], "Ana Ruiz")], night=NIGHTS[0])
    registry = Registry().after(first.changes, NIGHTS[0])
    gained = [Rec("a", kind, [role, ("account_ref", "s:1")], "Ana Ruiz")]
    second = resolve(gained, registry, NIGHTS[1])
    assert second.of["a"] == first.of["a"] is not None
    registry = registry.after(second.changes, NIGHTS[1])
    third = resolve(gained, registry, NIGHTS[2])
    assert all(rows.num_rows == 0 for rows in third.changes.values())


def test_a_customer_that_nothing_carries_any_more_is_retired() -> None:
    both = [Rec("a", "contact", [ANA], "Ana Ruiz"), Rec("v", "interaction", [COOKIE])]
    first = resolve(both, night=NIGHTS[0])
    second = resolve(both[:1], Registry().after(first.changes, NIGHTS[0]), NIGHTS[1])
    assert [(event["kind"], event["customer_id"]) for event in second.events()] == [("retired", first.of["v"])]
    assert second.changes["closed"].column("anchor").to_pylist() == [identifier_key(*COOKIE)]


def test_the_shortest_chain_prefers_cheap_links_and_is_the_same_whatever_the_order() -> None:
    pairs = [(1, 10), (2, 10), (2, 11), (3, 11), (1, 99), (3, 99), (4, 12)]
    costs = {10: 1, 11: 1, 99: 1000, 12: 1}
    assert shortest(pairs, costs, 1, 3) == [(1, 10, 2), (2, 11, 3)]
    assert shortest(pairs[::-1], costs, 1, 3) == [(1, 10, 2), (2, 11, 3)]
    assert shortest(pairs, costs | {99: 1}, 1, 3) == [(1, 99, 3)]
    assert shortest(pairs, costs, 1, 1) == []
    assert shortest(pairs, costs, 1, 4) == []
