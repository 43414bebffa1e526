"""What people decided, put into effect: small companies, with and without the decision."""

from __future__ import annotations

import random
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer360.identity.cut import UNCUTTABLE, Apart, cut
from customer360.identity.decisions import STANDING
from unit.identity_case import NIGHT, Rec, Registry, resolve
from unit.town import learned

ANA, BEN, COOKIE = ("email", "ana@x.example.com"), ("email", "ben@x.example.com"), ("cookie", "c1")
LINE = ("phone", "+493011100001")
NEXT = NIGHT + timedelta(days=1)
MERGED = [
    Rec("ana", "contact", [ANA], "Ana Ruiz"),
    Rec("mail", "interaction", [ANA]),
    Rec("slip", "contact", [ANA, BEN], "Ana Ruiz"),
    Rec("visit", "interaction", [BEN, COOKIE]),
]


def decided(*rows: tuple[str, Rec, Rec], leaving: Rec | None = None, overruled: bool = False) -> pa.Table:
    found = []
    for number, (kind, record, other) in enumerate(rows, 1):
        a, b = sorted((record.key, other.key))
        row = {"decision_id": number, "kind": kind, "record_key_a": a, "record_key_b": b, "is_overruled": overruled}
        found.append(row | {"leaving": leaving.key if leaving else None})
    return pa.Table.from_pylist(found, STANDING)


def sets(*groups: str) -> set[frozenset[str]]:
    return {frozenset(group.split()) for group in groups}


def test_a_cannot_link_takes_the_record_out_and_leaves_the_identifier_to_the_others() -> None:
    assert resolve(MERGED).groups() == sets("ana mail slip visit")
    ana, _, slip, _ = MERGED
    answer = resolve(MERGED, decided=decided(("cannot_link", ana, slip), leaving=slip))
    assert answer.groups() == sets("ana mail", "slip visit")
    assert answer.verdict(ANA) == "private one_person"


def test_whoever_is_asked_to_leave_leaves() -> None:
    ana, _, slip, _ = MERGED
    answer = resolve(MERGED, decided=decided(("cannot_link", ana, slip), leaving=ana))
    assert answer.groups() == sets("ana", "mail slip visit")


def test_the_weakest_evidence_between_two_records_is_cut() -> None:
    records = [
        Rec("ana", "contact", [ANA], "Ana Ruiz"),
        Rec("visit", "interaction", [ANA, COOKIE]),
        Rec("other visit", "interaction", [COOKIE, BEN]),
        Rec("ben", "contact", [BEN], "Ana Ruiz"),
    ]
    answer = resolve(records, decided=decided(("cannot_link", records[0], records[3])))
    assert {frozenset({"ana", "visit"}), frozenset({"other visit", "ben"})} == answer.groups()


def test_a_decision_that_was_overruled_has_no_effect() -> None:
    ana, _, slip, _ = MERGED
    assert resolve(MERGED, decided=decided(("cannot_link", ana, slip), overruled=True)).groups() == sets(
        "ana mail slip visit"
    )


def test_a_must_link_joins_what_nothing_else_joins_whatever_the_names() -> None:
    records = [
        Rec("ana", "contact", [ANA], "Ana Ruiz"),
        Rec("ben", "contact", [BEN], "Benedikt Ott"),
        Rec("mail", "interaction", [BEN]),
        Rec("bare", "contact", [], "Bea Kurz"),
    ]
    assert resolve(records).groups() == sets("ana", "ben mail", "bare")
    must = decided(("must_link", records[0], records[1]), ("must_link", records[1], records[3]))
    assert resolve(records, decided=must).groups() == sets("ana ben mail bare")


def test_two_records_without_any_identifier_become_one_customer() -> None:
    records = [Rec("a", "contact", [], "Ana Ruiz"), Rec("b", "contact", [], "A. Ruiz-Ott")]
    before = resolve(records)
    registry = Registry().after(before.changes, NIGHT)
    answer = resolve(records, registry, NEXT, decided=decided(("must_link", *records)))
    assert len(answer.groups()) == 1
    assert answer.of["a"] in before.of.values()
    (event,) = answer.events()
    assert (event["kind"], event["reason"]) == ("merged", "must_link: decision 1")


def test_a_call_on_a_shared_line_goes_to_whom_people_say() -> None:
    records = [
        Rec("ana", "contact", [LINE, ANA], "Ana Ruiz"),
        Rec("ben", "contact", [LINE, BEN], "Ben Ott"),
        Rec("call", "interaction", [LINE]),
        Rec("hinted", "interaction", [LINE], "Ana Ruiz"),
    ]
    plain = resolve(records)
    assert frozenset({"ana", "hinted"}) in plain.groups()
    answer = resolve(
        records, decided=decided(("must_link", records[1], records[2]), ("cannot_link", records[0], records[3]))
    )
    assert answer.groups() == sets("ana", "ben call", "hinted")


def test_two_calls_that_are_linked_by_people_alone_are_a_customer() -> None:
    records = [Rec("a", "interaction", [LINE]), Rec("b", "interaction", [("phone", "+493011100002")])]
    shared = [
        Rec(f"{line}{name}", "contact", [("phone", line), ("email", f"{name}{line}@x.example.com")], name)
        for line in ("+493011100001", "+493011100002")
        for name in ("Ana Ruiz", "Ben Ott")
    ]
    everybody = [*records, *shared]
    assert resolve(everybody).of["a"] is None is resolve(everybody).of["b"]  # strangers' lines
    answer = resolve(everybody, decided=decided(("must_link", *records)))
    assert answer.of["a"] == answer.of["b"] is not None


def test_an_unmerge_gives_a_new_id_with_an_event_and_keeps_the_old_one() -> None:
    before = resolve(MERGED)
    registry = Registry().after(before.changes, NIGHT)
    ana, _, slip, _ = MERGED
    cannot = decided(("cannot_link", ana, slip), leaving=slip)
    answer = resolve(MERGED, registry, NEXT, decided=cannot)
    ids = set(answer.of.values())
    assert len(ids) == 2
    assert set(before.of.values()) < ids
    split = [event for event in answer.events() if event["kind"] == "split"]
    assert [event["reason"] for event in split] == ["cannot_link: decision 1"]
    registry = registry.after(answer.changes, NEXT)
    again = resolve(MERGED, registry, NEXT + timedelta(days=1), decided=cannot)
    assert again.of == answer.of
    assert not again.events()


def test_a_record_that_is_left_without_any_link_is_split_off_with_an_event() -> None:
    records = [Rec("ana", "contact", [ANA], "Ana Ruiz"), Rec("slip", "contact", [ANA], "Ana Ruiz"), MERGED[1]]
    before = resolve(records)
    cannot = decided(("cannot_link", records[0], records[1]), leaving=records[1])
    answer = resolve(records, Registry().after(before.changes, NIGHT), NEXT, decided=cannot)
    assert answer.groups() == sets("ana mail", "slip")
    assert answer.of["ana"] == before.of["ana"]
    kinds = {(event["kind"], event["reason"]) for event in answer.events()}
    assert ("split", "cannot_link: decision 1") in kinds


def test_late_data_does_not_undo_a_decision() -> None:
    ana, _, slip, _ = MERGED
    cannot = decided(("cannot_link", ana, slip), leaving=slip)
    late = [*MERGED, Rec("late", "contact", [ANA, BEN], "Ana Ruiz"), Rec("later", "interaction", [ANA, COOKIE])]
    answer = resolve(late, decided=cannot)
    assert answer.of["ana"] != answer.of["slip"]
    assert None not in answer.of.values()


def test_profiles_that_are_alike_do_not_join_what_people_parted() -> None:
    born, home = date(1980, 5, 17), {"street": "Long Lane 7", "postcode": "10117", "city": "Town"}
    anna = [
        Rec(name, "contact", [("email", mail)], "Anna Hartfeld", "Anna", "Hartfeld", born, **home)
        for name, mail in (("a", "sun77@example.com"), ("b", "work@example.org"), ("c", "third@example.net"))
    ]
    assert resolve(anna, learned=learned()).groups() == sets("a b c")
    answer = resolve(anna, learned=learned(), decided=decided(("cannot_link", anna[0], anna[1])))
    assert answer.of["a"] != answer.of["b"]
    assert len(answer.groups()) == 2
    one = decided(("cannot_link", anna[0], anna[2]), ("must_link", anna[0], anna[1]))
    assert resolve(anna, learned=learned(), decided=one).groups() == sets("a b", "c")


def test_a_decision_about_a_record_that_is_gone_changes_nothing() -> None:
    gone = Rec("gone", "contact", [], "Nobody Known")
    both = decided(("must_link", MERGED[0], gone), ("cannot_link", gone, MERGED[2]))
    assert resolve(MERGED, decided=both).of == resolve(MERGED).of


PEOPLE = st.lists(
    st.tuples(
        st.sampled_from(("contact", "interaction", "account", "form")),
        st.lists(st.sampled_from((ANA, BEN, COOKIE, LINE, ("account_ref", "crm:1"))), max_size=3, unique=True),
        st.sampled_from((None, "Ana Ruiz", "Ben Ott")),
    ),
    min_size=3,
    max_size=9,
)


@settings(max_examples=60, deadline=None)
@given(PEOPLE, st.integers(0, 2**30))
def test_pairs_end_as_decided_and_row_order_makes_no_difference(
    people: list[tuple[str, list[tuple[str, str]], str | None]], seed: int
) -> None:
    pick = random.Random(seed)
    records = [Rec(f"r{number}", *person) for number, person in enumerate(people)]
    a, b, c, d = (pick.choice(records) for _ in range(4))
    rows = [("cannot_link", a, b)] if a != b else []
    if c != d and {c.id, d.id} != {a.id, b.id}:
        rows.append(("must_link", c, d))
    known = {record.id for record in records if record.identifiers or record.name or record.kind != "interaction"}
    answer = resolve(records, decided=decided(*rows))
    for kind, record, other in rows:
        if {record.id, other.id} <= known:
            customer, others = answer.of[record.id], answer.of[other.id]
            if kind == "must_link":
                assert customer == others is not None
            else:
                assert customer != others or customer is None
    shuffled = pick.sample(records, len(records))
    assert resolve(shuffled, decided=decided(*rows[::-1])).of == answer.of


def test_the_cheapest_cut_is_cut() -> None:
    records = np.array([1, 2, 2, 3], np.int64)
    nodes = np.array([10, 10, 20, 20], np.int64)
    weights = np.array([8, 8, 8, 1], np.int32)
    assert cut(records, nodes, weights, [Apart(1, 3)]).tolist() == [False, False, False, True]
    with pytest.raises(ValueError, match="contradict"):
        cut(records, nodes, np.full(4, UNCUTTABLE, np.int32), [Apart(1, 3)])
