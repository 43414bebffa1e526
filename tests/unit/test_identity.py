"""Who is the same customer: the phenomena that glue or split people, each as a small table with its truth."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_case import RECORD_PROFILES

from customer360.identity import names
from customer360.identity.registry import ALIASES, ASSIGNMENTS, CUSTOMERS
from customer360.identity.resolve import resolve_tables
from customer360.keys import identifier_key, record_key
from customer360.sources import OwnIdentities

NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
OWN = OwnIdentities(domains=frozenset({"us.example.com"}), phones=frozenset({"+4930123456"}))
Record = tuple[str, str, str | None, list[tuple[str, str]]]  # id, kind, name, identifiers


def inputs(records: list[Record]) -> dict[str, pa.Table]:
    """The three inputs of the identity step, as dbt would make them."""
    uses, listed = [], []
    known: dict[int, list] = {}  # type: ignore[type-arg]
    for number, (record, kind, name, identifiers) in enumerate(records):
        seen, key = NIGHT - timedelta(days=100 - number % 90), record_key("s", kind, record)
        for identifier_type, value in identifiers:
            one = identifier_key(identifier_type, value)
            uses.append((key, one, kind, "s", seen))
            known.setdefault(one, [identifier_type, value, []])[2].append((kind, seen))
        if kind != "interaction" or name:
            hint = name if kind == "interaction" else None
            full = None if kind == "interaction" else name
            listed.append((key, kind, "s", None, None, full, None, hint, None, None, seen))
    stamp = pa.timestamp("us")
    facts = [
        (one, kind, value, "@bad" not in value, len(seen),
         sum(k in {"contact", "lead", "user", "form"} for k, _ in seen), sum(k == "account" for k, _ in seen),
         min(at for _, at in seen), max(at for _, at in seen))
        for one, (kind, value, seen) in known.items()
    ]  # fmt: skip
    text, number64 = pa.string(), pa.int64()
    schemas = {
        "identifiers": [("identifier_key", number64), ("identifier_type", text), ("identifier_value", text), ("is_valid", pa.bool_()),
                        ("record_count", number64), ("person_record_count", number64), ("account_record_count", number64),
                        ("first_seen_at", stamp), ("last_seen_at", stamp)],
        "record_identifiers": [("record_key", number64), ("identifier_key", number64), ("record_kind", text), ("source", text), ("seen_at", stamp)],
        "record_names": [("record_key", number64), ("record_kind", text), ("source", text), ("given_name", text), ("family_name", text),
                         ("full_name", text), ("organisation", text), ("name_hint", text), ("birth_date", pa.date32()),
                         ("account_ref", text), ("seen_at", stamp)],
        "record_references": [("record_key", number64), ("reference", text)],
        "record_profiles": RECORD_PROFILES,
    }  # fmt: skip
    made = {}
    for name_, rows in (
        ("identifiers", facts),
        ("record_identifiers", uses),
        ("record_names", listed),
        ("record_references", []),
        ("record_profiles", []),
    ):
        schema = pa.schema(schemas[name_])
        columns = list(zip(*rows, strict=True)) if rows else [[] for _ in schema]
        arrays = [
            pa.array([v.replace(tzinfo=None) if isinstance(v, datetime) else v for v in column], field.type)
            for column, field in zip(columns, schema, strict=True)
        ]
        made[name_] = pa.Table.from_arrays(arrays, schema=schema)
    return made


def resolve(records: list[Record], before: dict[str, pa.Table] | None = None, night: datetime = NIGHT):  # type: ignore[no-untyped-def]
    """(customer by record id, tables, changes)."""
    state = before or {
        "assignments": ASSIGNMENTS.empty_table(),
        "customers": CUSTOMERS.empty_table(),
        "aliases": ALIASES.empty_table(),
    }
    tables, changes = resolve_tables(
        inputs(records), state["assignments"], state["customers"], state["aliases"], night, OWN
    )
    customers = dict(
        zip(*(tables["customer_record"].column(n).to_pylist() for n in ("record_key", "customer_id")), strict=True)
    )
    return {r: customers.get(record_key("s", kind, r)) for r, kind, *_ in records}, tables, changes


def after(changes: dict[str, pa.Table], night: datetime = NIGHT) -> dict[str, pa.Table]:
    """The registry as the next night finds it, after a first night."""
    stamp = pa.array([night] * changes["created"].num_rows, CUSTOMERS.field("created_as_of").type)
    created = changes["created"].append_column("created_as_of", stamp).select(CUSTOMERS.names)
    return {"assignments": changes["opened"], "customers": created, "aliases": ALIASES.empty_table()}


def test_a_shared_private_identifier_makes_one_customer() -> None:
    found, *_ = resolve([
        ("a", "contact", "Ana Ruiz", [("email", "ana@example.com"), ("phone", "+4915128817386")]),
        ("b", "interaction", None, [("phone", "+4915128817386")]),
        ("c", "interaction", None, [("cookie", "x1"), ("email", "ana@example.com")]),
        ("d", "interaction", None, [("cookie", "x1")]),
        ("e", "contact", "Ben Ott", [("email", "ben@example.com")]),
    ])  # fmt: skip
    assert found["a"] == found["b"] == found["c"] == found["d"] is not None
    assert found["e"] != found["a"]


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        (("email", "info@firm.example.com"), "generic"),
        (("email", "someone@us.example.com"), "blocked"),
        (("phone", "+4930123456"), "blocked"),
        (("email", "x@bad"), "blocked"),
        (("email", "noreply@shop.example.com"), "generic"),
        (("cookie", "null"), "blocked"),
    ],
)
def test_what_is_nobodys_glues_nobody(identifier: tuple[str, str], expected: str) -> None:
    found, tables, _ = resolve([
        ("a", "contact", "Ana Ruiz", [("email", "ana@example.com"), identifier]),
        ("b", "contact", "Ben Ott", [("email", "ben@example.com"), identifier]),
        ("c", "interaction", None, [identifier]),
    ])  # fmt: skip
    assert found["a"] != found["b"]
    assert found["c"] is None
    classes = dict(
        zip(
            *(tables["identifier_class"].column(n).to_pylist() for n in ("identifier_key", "identifier_class")),
            strict=True,
        )
    )
    assert classes[identifier_key(*identifier)] == expected


def test_a_switchboard_and_a_household_line_glue_nobody() -> None:
    people = ("Ana Ruiz", "Ben Ott", "Cem Kaya", "Dora Lang", "Eva Holm")
    line, board = ("phone", "+49431555001"), ("phone", "+49431555002")
    records: list[Record] = [("f", "account", None, [("account_ref", "s:account:f"), board])]
    records += [(f"p{n}", "contact", who, [("email", f"p{n}@example.com"), board]) for n, who in enumerate(people)]
    records += [
        (f"h{n}", "contact", who, [("email", f"h{n}@example.com"), line])
        for n, who in enumerate(("Jo Meier", "Kim Meier"))
    ]
    records.append(("call", "interaction", None, [line]))
    found, tables, _ = resolve(records)
    assert len({found[f"p{n}"] for n in range(5)} | {found["h0"], found["h1"], found["f"], found["call"]}) == 9
    kinds = dict(
        zip(*(tables["customer"].column(n).to_pylist() for n in ("customer_id", "customer_kind")), strict=True)
    )
    assert kinds[found["call"]] == "shared"
    assert kinds[found["f"]] == "organisation"


def test_a_poisoned_identifier_merges_none_of_ten_thousand() -> None:
    records: list[Record] = [
        (f"r{n}", "contact", f"Given{n} Family{n}", [("email", f"r{n}@example.com"), ("cookie", "kiosk")])
        for n in range(10_000)
    ]
    found, *_ = resolve(records)
    assert len(set(found.values())) == 10_000


def test_typos_initials_and_nicknames_are_one_person() -> None:
    spelled = ["Jürgen Müller", "Juergen Mueller", "J. Müller", "Müller, Jürgen", "Jürgen Mülller", "Dr. Jürgen Müller"]
    assert names.persons(map(names.fold, spelled)) == 1
    assert names.persons(map(names.fold, ["Ana Ruiz", "Ben Ruiz"])) == 2
    assert names.persons(map(names.fold, ["", "GmbH"])) == 0


def test_ids_stay_and_a_merge_keeps_the_older_with_an_alias() -> None:
    first: list[Record] = [
        ("a", "contact", "Ana Ruiz", [("email", "ana@example.com")]),
        ("v", "interaction", None, [("cookie", "x1")]),
    ]
    found, _, changes = resolve(first)
    again, _, same = resolve(first, after(changes), NIGHT + timedelta(days=1))
    assert again == found
    assert all(same[name].num_rows == 0 for name in ("closed", "opened", "created", "aliases", "events"))
    second = [*first, ("w", "interaction", None, [("cookie", "x1"), ("email", "ana@example.com")])]
    merged, tables, moved = resolve(second, after(changes), NIGHT + timedelta(days=1))
    assert merged["a"] == merged["v"] == merged["w"]
    assert merged["a"] in {found["a"], found["v"]}
    (alias,) = tables["customer_alias"].to_pylist()
    assert {alias["customer_id_old"], alias["customer_id"]} == {found["a"], found["v"]}
    assert moved["events"].column("kind").to_pylist() == ["merged"]


def test_a_split_keeps_the_id_with_the_founding_identifier() -> None:
    joined: list[Record] = [
        ("a", "contact", "Ana Ruiz", [("email", "ana@example.com")]),
        ("w", "interaction", None, [("cookie", "x1"), ("email", "ana@example.com")]),
    ]
    found, _, changes = resolve(joined)
    parted: list[Record] = [joined[0], ("w", "interaction", None, [("cookie", "x1")])]
    now, _, moved = resolve(parted, after(changes), NIGHT + timedelta(days=1))
    assert now["a"] == found["a"]
    assert now["w"] != found["a"]
    assert sorted(moved["events"].column("kind").to_pylist()) == ["created", "split"]


RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["contact", "interaction"]),
        st.sampled_from([None, "Ana Ruiz", "Ben Ott", "Cem Kaya"]),
        st.lists(
            st.tuples(st.sampled_from(["email", "cookie", "phone", "user_id"]), st.sampled_from("abcd")),
            max_size=3,
            unique=True,
        ),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(RECORDS, st.integers(0, 10**6))
def test_the_order_of_rows_does_not_matter(drawn, seed: int) -> None:  # type: ignore[no-untyped-def]
    records = [
        (f"r{n}", kind, name, [(t, f"{v}@example.com") for t, v in ids]) for n, (kind, name, ids) in enumerate(drawn)
    ]
    found, tables, _ = resolve(records)
    made = inputs(records)
    shuffled = {}
    for name, rows in made.items():
        order = list(range(rows.num_rows))
        random.Random(seed).shuffle(order)
        shuffled[name] = rows.take(pa.array(order, pa.int64()))
    again, _ = resolve_tables(
        shuffled, ASSIGNMENTS.empty_table(), CUSTOMERS.empty_table(), ALIASES.empty_table(), NIGHT, OWN
    )
    assert again["customer_record"].sort_by("record_key").equals(tables["customer_record"].sort_by("record_key"))
    assert all(found[r] is not None for r, kind, *_ in records if kind == "contact")
