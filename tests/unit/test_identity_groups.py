"""Groups: which records have to be looked at together."""

from __future__ import annotations

import pyarrow as pa
from identity_case import NIGHT, OWN, RECORD_REFERENCES, Rec, Registry, inputs

from customer360.identity.resolve import resolve_tables
from customer360.keys import identifier_key

HOUSE = ("phone", "+493011100001")
FIRM = ("email", "info@firm.example.com")


def groups(records: list[Rec], references: dict[str, str] | None = None) -> tuple[dict[str, int], dict[int, int]]:
    """(group of each record that has one, group of each node)."""
    keys = {record.id: record.key for record in records}
    refers = [{"record_key": keys[name], "reference": text} for name, text in (references or {}).items()]
    given = inputs(records) | {"record_references": pa.Table.from_pylist(refers, RECORD_REFERENCES)}
    empty = Registry()
    tables, _ = resolve_tables(given, empty.assignments, empty.customers, empty.aliases, NIGHT, OWN)
    of = {row["record_key"]: row["group_key"] for row in tables["record_group"].to_pylist()}
    nodes = {row["node"]: row["group_key"] for row in tables["node_group"].to_pylist()}
    assert len(of) == tables["record_group"].num_rows, "a record has one group"
    assert len(nodes) == tables["node_group"].num_rows, "a node has one group"
    return {name: of[key] for name, key in keys.items() if key in of}, nodes


def test_what_one_identifier_links_is_one_group() -> None:
    of, nodes = groups(
        [
            Rec("a", "contact", [("email", "a@x.example.com"), ("cookie", "c1")], "Anna Meyer"),
            Rec("b", "interaction", [("cookie", "c1")]),
            Rec("c", "interaction", [("cookie", "c2")]),
        ]
    )
    assert of["a"] == of["b"] != of["c"]
    assert nodes[identifier_key("email", "a@x.example.com")] == nodes[identifier_key("cookie", "c1")] == of["a"]


def test_two_customers_of_one_line_are_one_group() -> None:
    records = [
        Rec("anna", "contact", [HOUSE, ("email", "anna@x.example.com")], "Anna Meyer"),
        Rec("ben", "contact", [HOUSE, ("email", "ben@x.example.com")], "Ben Meyer"),
        Rec("call", "interaction", [HOUSE]),
        Rec("visit", "interaction", [("email", "ben@x.example.com")]),
    ]
    of, nodes = groups(records)
    assert len(set(of.values())) == 1
    assert nodes[identifier_key(*HOUSE)] == of["anna"]


def test_a_mailbox_of_everybody_ties_nobody() -> None:
    of, nodes = groups(
        [
            Rec("anna", "contact", [FIRM, ("cookie", "c1")], "Anna Meyer"),
            Rec("ben", "contact", [FIRM, ("cookie", "c2")], "Ben Weber"),
            Rec("mail", "interaction", [FIRM]),
        ]
    )
    assert of["anna"] != of["ben"]
    assert "mail" not in of
    assert identifier_key(*FIRM) not in nodes


def test_an_account_ties_its_people_and_its_deals() -> None:
    records = [
        Rec("anna", "contact", [("email", "anna@x.example.com")], "Anna Meyer"),
        Rec("ben", "contact", [("email", "ben@x.example.com")], "Ben Weber"),
        Rec("deal", "opportunity", []),
        Rec("other", "contact", [("email", "other@x.example.com")], "Clara Schmidt"),
    ]
    of, _ = groups(records, {"anna": "account a1", "ben": "account a1", "deal": "account a1", "other": "account a2"})
    assert of["anna"] == of["ben"] == of["deal"] != of["other"]


def test_an_organisations_record_is_tied_to_whoever_has_its_number() -> None:
    number = ("phone", "+493022200009")
    of, _ = groups(
        [
            Rec("firm", "account", [("account_ref", "crm:account:1"), number], "Firm Ltd"),
            Rec("anna", "contact", [number, ("email", "anna@x.example.com")], "Anna Meyer"),
        ]
    )
    assert of["firm"] == of["anna"]
