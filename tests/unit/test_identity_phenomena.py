"""What glues people who are not one, and parts people who are: each phenomenon with its truth."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer360.identity.resolve import resolve_tables
from customer360.keys import identifier_key
from unit.identity_case import NIGHT, OWN, Rec, Registry, inputs, resolve

ANA, BEN = ("email", "ana@example.com"), ("email", "ben@example.com")
BOX, LINE = ("email", "familie.meier@example.com"), ("phone", "+494315550100")


def contact(record: str, name: str, *identifiers: tuple[str, str], **more: object) -> Rec:
    return Rec(record, "contact", identifiers, name, **more)  # type: ignore[arg-type]


def call(record: str, *identifiers: tuple[str, str], name: str | None = None, day: int = 20) -> Rec:
    return Rec(record, "interaction", identifiers, name, day=day)


def test_a_couples_mailbox_parts_them_and_the_senders_name_says_whose_mail_it_is() -> None:
    found = resolve([
        contact("jo", "Jo Meier", BOX, ("phone", "+494315550101")),
        contact("kim", "Kim Meier", BOX, ("phone", "+494315550102")),
        call("from_jo", BOX, name="Meier, Jo"),
        call("from_kim", BOX, name="K. Meier"),
        call("from_both", BOX, name="Familie Meier"),
        call("unnamed", BOX),
    ])  # fmt: skip
    assert found.verdict(BOX) == "shared household"
    assert found.groups() == {
        frozenset({"jo", "from_jo"}),
        frozenset({"kim", "from_kim"}),
        frozenset({"from_both", "unnamed"}),
    }
    assert found.kind("unnamed") == "shared"


def test_a_shared_mailbox_links_the_contact_records_of_one_name() -> None:
    found = resolve([
        contact("crm", "Jo Meier", BOX, ("account_ref", "a:1")),
        contact("shop", "Joe Meier", BOX, ("account_ref", "b:1"), source="shop"),
        contact("kim", "Kim Meier", BOX, ("account_ref", "a:2")),
        contact("nobody", "Meier", BOX),
    ])  # fmt: skip
    assert found.groups() == {frozenset({"crm", "shop"}), frozenset({"kim"}), frozenset({"nobody"})}


def test_a_recycled_number_belongs_to_each_holder_in_their_time() -> None:
    found = resolve([
        contact("old", "Ana Ruiz", LINE, ANA, day=700),
        call("then", LINE, day=690),
        call("now", LINE, day=20),
        contact("new", "Ben Ott", LINE, BEN, day=30),
    ])  # fmt: skip
    assert found.verdict(LINE) == "shared recycled"
    assert found.groups() == {frozenset({"old", "then"}), frozenset({"new", "now"})}


def test_colleagues_each_known_by_one_call_share_a_line_and_nobody_holds_it() -> None:
    names = ("Ana Ruiz", "Ben Ott", "Cem Kaya", "Dora Lang", "Eva Holm")
    staff = [contact(f"p{n}", name, ("account_ref", f"crm:contact:{n + 1}")) for n, name in enumerate(names)]
    typed = [call(f"typed{n}", LINE, ("account_ref", f"crm:contact:{n + 1}"), day=500 - 90 * n) for n in range(5)]
    between = [call(f"call{n}", LINE, day=480 - 90 * n) for n in range(5)]
    twice = call("again", LINE, ("account_ref", "crm:contact:3"), day=310)
    found = resolve([*staff, *typed, twice, *between])
    assert found.verdict(LINE) == "shared several_identities"
    assert [found.of[f"typed{n}"] for n in range(5)] == [found.of[f"p{n}"] for n in range(5)], "nothing was a slip"
    assert {found.of[f"call{n}"] for n in range(5)} == {None}


def test_two_customer_numbers_typed_once_each_are_colleagues_not_slips_unless_the_owner_calls_more() -> None:
    owner = contact("owner", "Ana Ruiz", LINE, ANA, ("account_ref", "crm:contact:9"), day=600)
    others = [contact(f"p{n}", "", ("email", f"p{n}@example.com"), ("account_ref", f"crm:contact:{n}")) for n in (1, 2)]
    typed = [call(f"typed{n}", LINE, ("account_ref", f"crm:contact:{n}"), day=100 - n) for n in (1, 2)]
    mine = [call(f"mine{n}", LINE, ("account_ref", "crm:contact:9"), day=300 - n) for n in range(4)]
    colleagues = resolve([owner, *others, *typed])
    assert [colleagues.of[f"typed{n}"] for n in (1, 2)] == [colleagues.of[f"p{n}"] for n in (1, 2)]
    slips = resolve([owner, *others, *typed, *mine])
    assert {slips.of[f"typed{n}"] for n in (1, 2)} == {slips.of["owner"]}


def test_a_line_from_which_three_names_call_is_not_its_owners_alone() -> None:
    owner = contact("owner", "Ana Ruiz", LINE, ANA, day=600)
    callers = [call(f"c{n}", LINE, name=name, day=90 - n) for n, name in enumerate(("Ana Ruiz", "Ben Ott", "Eva Lang"))]
    two = resolve([owner, *callers[:2], call("unnamed", LINE, day=10)])
    assert two.of["unnamed"] == two.of["owner"]
    shop = contact("shop", "Ana Ruiz", LINE, ("user_id", "shop:u1"), day=500)
    three = resolve([owner, shop, *callers, call("unnamed", LINE, day=10)])
    assert three.verdict(LINE) == "shared passing_names"
    assert three.of["shop"] == three.of["owner"], "one name at one line"
    assert three.of["c0"] == three.of["owner"], "whom the caller's name means"
    assert three.of["unnamed"] is None


@pytest.mark.parametrize(
    "shown",
    ["WIRELESS CALLER", "Unbekannter Anrufer", "Cell Phone NY", "Name unavailable", "Numéro masqué", "Out of area"],
)
def test_what_a_telephone_shows_where_it_knows_no_name_is_nobodys(shown: str) -> None:
    owner = contact("owner", "Ana Ruiz", LINE, ANA, day=600)
    shown_twice = [call(f"shown{n}", LINE, name=shown, day=90 - n) for n in range(2)]
    found = resolve([owner, *shown_twice])
    assert found.verdict(LINE) == "private one_person"
    assert found.of["shown0"] == found.of["shown1"] == found.of["owner"]
    somebody = [call(f"shown{n}", LINE, name="Willy Caller", day=90 - n) for n in range(2)]
    assert resolve([owner, *somebody]).verdict(LINE).startswith("shared ")


@pytest.mark.parametrize(
    "written",
    [
        "Unknown",
        "[not provided]",
        "N/A",
        "n.n.",
        "Test Test",
        "Website Visitor",
        "Gast",
        "Неизвестный",
        "未知",
        "???",
        "xxx",
    ],
)
def test_what_people_write_who_know_no_name_is_nobodys(written: str) -> None:
    found = resolve([contact("crm", "Ana Ruiz", ANA, LINE, day=600), contact("shop", written, ANA, day=50)])
    assert found.verdict(ANA) == "private one_person"
    assert len(found.groups()) == 1


@pytest.mark.parametrize("written", ["Eva Gast", "Guest, Al", "Mark Call"])
def test_a_name_with_such_a_word_is_a_name(written: str) -> None:
    assert (
        resolve([contact("crm", "Ana Ruiz", ANA, LINE), contact("shop", written, ANA)])
        .verdict(ANA)
        .startswith("shared ")
    )


def test_a_firms_name_that_a_line_shows_is_one_caller_more() -> None:
    owner = contact("owner", "Ana Ruiz", LINE, ANA, day=600)
    firm, ana, ben = (call(name, LINE, name=name, day=90) for name in ("Meyer24", "Ana Ruiz", "Ben Ott"))
    unnamed = call("unnamed", LINE, day=10)
    direct = resolve([owner, firm, ana, unnamed])
    assert direct.verdict(LINE) == "private one_person"
    assert direct.of["unnamed"] == direct.of["owner"]
    switchboard = resolve([owner, firm, ana, ben, unnamed])
    assert switchboard.verdict(LINE) == "shared passing_names"
    assert switchboard.of["unnamed"] is None
    surname = resolve([owner, call("ruiz", LINE, name="Ruiz", day=90), ana, ben, unnamed])
    assert surname.of["unnamed"] == surname.of["owner"], "part of a caller's name is nobody else's"


def test_a_number_that_shows_two_others_but_never_its_holder_is_nobodys() -> None:
    owner = contact("owner", "Ana Ruiz", LINE, ANA, day=600)
    ben = [call(f"ben{n}", LINE, name="Ben Ott", day=90 - n) for n in range(2)]
    eva, unnamed = call("eva", LINE, name="Eva Lang", day=80), call("unnamed", LINE, day=10)
    assert resolve([owner, *ben, eva, unnamed]).of["unnamed"] is None
    account = ("account_ref", "crm:contact:1")
    elsewhere = contact("owner", "Ana Ruiz", account, ANA, day=600)
    typed, firm = call("typed", LINE, account, day=70), call("firm", LINE, name="Meyer24", day=60)
    found = resolve([elsewhere, typed, ben[0], eva, unnamed])
    assert (
        found.verdict(LINE)
        == resolve([elsewhere, typed, ben[0], firm, unnamed]).verdict(LINE)
        == "shared passing_names"
    )
    assert found.of["unnamed"] is None
    assert resolve([elsewhere, typed, ben[0], unnamed]).of["unnamed"] == found.of["owner"]
    shown = call("ana", LINE, ANA, name="Ana Ruiz", day=70)
    one = resolve([owner, *ben, shown, unnamed])
    assert one.of["unnamed"] == one.of["owner"]


def test_one_stranger_among_the_callers_does_not_end_anybodys_time() -> None:
    holders = [contact("old", "Ana Ruiz", LINE, ANA, day=700), contact("new", "Ben Ott", LINE, BEN, day=100)]
    named = [call("ana", LINE, name="Ana Ruiz", day=650), call("ben", LINE, name="Ben Ott", day=90)]
    stranger = call("stranger", LINE, name="Eva Lang", day=80)
    found = resolve([*holders, *named, stranger, call("unnamed", LINE, day=10)])
    assert found.of["unnamed"] == found.of["new"] != found.of["old"]


def test_log_ins_of_two_systems_in_one_file_are_one_persons() -> None:
    both = [call("shop", COMPUTER, ("user_id", "shop:u1")), call("forum", COMPUTER, ("user_id", "forum:7"))]
    assert len(resolve(both).groups()) == 1


def test_two_strangers_on_one_number_at_one_time_are_no_recycling() -> None:
    found = resolve([
        contact("a", "Ana Ruiz", LINE, ANA, day=40),
        contact("b", "Ben Ott", LINE, BEN, day=30),
        call("c", LINE, day=20),
    ])  # fmt: skip
    assert found.verdict(LINE) == "shared several_persons"
    assert len({found.of["a"], found.of["b"], found.of["c"]}) == 3


def test_a_familys_line_is_not_recycled_however_long_it_was_silent() -> None:
    found = resolve([
        contact("jo", "Jo Meier", LINE, day=700),
        contact("kim", "Kim Meier", LINE, day=30),
        call("c", LINE, day=20),
    ])  # fmt: skip
    assert found.verdict(LINE) == "shared household"
    assert found.of["c"] not in {found.of["jo"], found.of["kim"]}


def test_a_companys_line_is_the_companys_until_two_of_its_people_use_it() -> None:
    firm = Rec("firm", "account", [("account_ref", "s:account:1"), LINE])
    found = resolve([firm, call("c", LINE)])
    assert found.of["c"] == found.of["firm"] is not None
    assert found.kind("c") == "organisation"
    found = resolve([firm, call("c", LINE), contact("trader", "Ana Ruiz", LINE, ANA)])
    assert found.of["c"] == found.of["trader"] != found.of["firm"]
    found = resolve([firm, call("c", LINE), contact("a", "Ana Ruiz", LINE, ANA), contact("b", "Ben Ott", LINE, BEN)])
    assert found.verdict(LINE) == "generic switchboard"
    assert found.of["c"] is None
    assert len({found.of["firm"], found.of["a"], found.of["b"]}) == 3
    other = Rec("other", "account", [("account_ref", "s:account:2"), LINE])
    assert resolve([firm, other, call("c", LINE)]).of["c"] is None


def test_a_family_computer_with_two_log_ins_is_nobodys_alone() -> None:
    computer = ("cookie", "c1")
    found = resolve([
        call("ana_in", computer, ("user_id", "u1")),
        call("ben_in", computer, ("user_id", "u2")),
        call("who", computer),
    ])  # fmt: skip
    assert found.verdict(computer) == "shared several_logins"
    assert len(set(found.of.values())) == 3
    assert found.kind("who") == "shared"


def test_log_ins_of_two_systems_are_one_persons() -> None:
    records = [
        Rec("shop", "interaction", [("cookie", "c1"), ("user_id", "u1")], source="shop"),
        Rec("forum", "interaction", [("cookie", "c1"), ("user_id", "f-77")], source="forum"),
    ]
    assert len(resolve(records).groups()) == 1


def test_a_computer_on_which_two_named_persons_filled_in_forms_is_cut() -> None:
    found = resolve([
        contact("ana", "Ana Ruiz", ANA, ("phone", "+494315550101")),
        contact("ben", "Ben Ott", BEN),
        call("visit_a", ("cookie", "c1"), ANA),
        call("visit_b", ("cookie", "c1"), BEN),
        call("own", ("cookie", "c2"), ANA),
        call("own_again", ("cookie", "c2")),
        call("who", ("cookie", "c1")),
    ])  # fmt: skip
    assert found.verdict(("cookie", "c1")) == "shared several_identities"
    assert found.verdict(("cookie", "c2")) == "private one_person"
    assert found.groups() == {
        frozenset({"ana", "visit_a", "own", "own_again"}),
        frozenset({"ben", "visit_b"}),
        frozenset({"who"}),
    }


def test_a_wrong_number_on_one_record_does_not_merge_its_owner() -> None:
    phone = ("phone", "+494315550101")
    found = resolve([
        contact("ana", "Ana Ruiz", ANA, phone),
        contact("ben", "Ben Ott", BEN),
        call("noted", phone, BEN),
    ])  # fmt: skip
    assert found.of["ana"] != found.of["ben"] == found.of["noted"]


def test_a_bot_that_types_in_other_peoples_addresses_merges_none_of_them() -> None:
    people = [contact(f"p{n}", f"Given{n} Family{n}", ("email", f"p{n}@example.com")) for n in range(4)]
    typed = [call(f"t{n}", ("cookie", "bot"), ("email", f"p{n}@example.com")) for n in range(4)]
    found = resolve([*people, *typed, call("bare", ("cookie", "bot"))])
    assert found.verdict(("cookie", "bot")) == "generic crowd"
    assert [found.of[f"t{n}"] for n in range(4)] == [found.of[f"p{n}"] for n in range(4)]
    assert len({found.of[f"p{n}"] for n in range(4)}) == 4
    assert found.of["bare"] is None


def test_a_number_typed_beside_many_unnamed_addresses_merges_none_of_them() -> None:
    records = [call(f"t{n}", LINE, ("email", f"p{n}@example.com")) for n in range(10_000)]
    found = resolve(records)
    assert found.verdict(LINE) == "generic many_addresses"
    assert len(set(found.of.values())) == 10_000


def test_many_callers_names_make_a_number_generic() -> None:
    hints = ("Ana Ruiz", "Ben Ott", "Cem Kaya", "Dora Lang", "Eva Holm")
    found = resolve([call(f"c{n}", LINE, name=hint) for n, hint in enumerate(hints)])
    assert found.verdict(LINE) == "generic many_names"
    assert set(found.of.values()) == {None}


def test_one_place_name_among_the_hints_changes_nothing() -> None:
    found = resolve([contact("a", "Ana Ruiz", LINE), call("b", LINE, name="KIEL DE"), call("c", LINE, name="A Ruiz")])
    assert found.verdict(LINE) == "private one_person"
    assert len(found.groups()) == 1


def test_father_and_son_of_one_name_on_one_line_are_two() -> None:
    found = resolve([
        contact("father", "Karl Berg", LINE, ANA, born=date(1951, 4, 7)),
        contact("son", "Karl Berg", LINE, BEN, born=date(1978, 4, 7)),
    ])  # fmt: skip
    assert found.of["father"] != found.of["son"]
    found = resolve([contact("father", "Karl Berg sen.", LINE, ANA), contact("son", "Karl Berg jun.", LINE, BEN)])
    assert found.of["father"] != found.of["son"]


def test_a_changed_family_name_stays_one_customer_through_the_mailbox() -> None:
    found = resolve([
        Rec("before", "contact", [ANA, ("account_ref", "a:1")], given="Ana", family="Ruiz", day=600),
        Rec("after", "contact", [ANA, ("account_ref", "b:1")], given="Ana", family="Ott", day=20),
    ])  # fmt: skip
    assert found.of["before"] == found.of["after"]


def test_an_unknown_nickname_is_believed_of_a_log_in() -> None:
    user = ("user_id", "u1")
    found = resolve([contact("crm", "Quirina Vogt", user, ANA), Rec("shop", "user", [user, BEN], "Mausi Vogt")])
    assert found.of["crm"] == found.of["shop"]
    found = resolve([contact("crm", "Ana Ruiz", user, ANA), Rec("shop", "user", [user, BEN], "Ben Ott")])
    assert found.of["crm"] != found.of["shop"]


def test_an_anonymous_visitor_is_a_customer_of_its_own() -> None:
    found = resolve([call("a", ("cookie", "c1")), call("b", ("cookie", "c1")), call("c", ("cookie", "c2"))])
    assert found.groups() == {frozenset({"a", "b"}), frozenset({"c"})}


@pytest.mark.parametrize(
    ("identifier", "verdict"),
    [
        (("email", "info@firm.example.com"), "generic role_mailbox"),
        (("email", "info2@firm.example.com"), "generic role_mailbox"),
        (("email", "sales.berlin@firm.example.com"), "generic role_mailbox"),
        (("email", "vertrieb+messe@firm.example.com"), "generic role_mailbox"),
        (("email", "ventas@firm.example.com"), "generic role_mailbox"),
        (("email", "mailer-daemon@mx.example.com"), "generic role_mailbox"),
        (("email", "informa@example.com"), "private one_person"),
        (("email", "sally.berlin@example.com"), "private one_person"),
        (("email", "test@firm.example.com"), "blocked placeholder"),
        (("email", "none@firm.example.com"), "blocked placeholder"),
        (("email", "x.y@test.com"), "blocked placeholder"),
        (("phone", "+491111111111"), "blocked placeholder"),
        (("phone", "+49301234567"), "blocked placeholder"),
        (("phone", "+4930231250"), "private one_person"),
        (("phone", "+493023125000"), "blocked own_number"),
        (("phone", "+4930231251234"), "blocked own_number"),
        (("email", "kai@us.example.com"), "blocked own_address"),
        (("email", "kai@notus.example.com"), "private one_person"),
        (("email", "x@bad"), "blocked invalid"),
        (("cookie", "undefined"), "blocked placeholder"),
        (("cookie", "ga:0"), "blocked placeholder"),
        (("cookie", "ga:10"), "private one_person"),
        (("device", "00000000-0000-0000-0000-000000000000"), "blocked placeholder"),
        (("user_id", "guest"), "blocked placeholder"),
        (("user_id", "shop:Anonymous User"), "blocked placeholder"),
        (("handle", "social:guest"), "blocked placeholder"),
        (("account_ref", "erp:contact:Laufkunde"), "blocked placeholder"),
        (("account_ref", "erp:contact:999999"), "blocked placeholder"),
        (("account_ref", "erp:contact:12345"), "private one_person"),
        (("loyalty", "card:000000"), "blocked placeholder"),
        (("handle", "@demokratia"), "private one_person"),
    ],
)
def test_values_that_are_nobodys(identifier: tuple[str, str], verdict: str) -> None:
    assert resolve([call("a", identifier)]).verdict(identifier) == verdict


KINDS = st.sampled_from(["contact", "form", "interaction", "account"])
NAMES = st.sampled_from([None, "Ana Ruiz", "Ben Ruiz", "B. Ruiz", "Cem Kaya", "Dora Lang", "Eva Holm"])
VALUES = st.tuples(st.sampled_from(["email", "cookie", "phone", "user_id", "account_ref"]), st.sampled_from("abc"))
DRAWN = st.lists(
    st.tuples(KINDS, NAMES, st.lists(VALUES, max_size=3, unique=True), st.integers(0, 800)), min_size=1, max_size=12
)


def made(drawn: list) -> list[Rec]:  # type: ignore[type-arg]
    return [
        Rec(f"r{n}", kind, [(t, f"{v}@x.example") for t, v in ids], name, day=day)
        for n, (kind, name, ids, day) in enumerate(drawn)
    ]


def in_order(table: pa.Table) -> pa.Table:
    """The rows of a table in an order of their own."""
    return table.sort_by([(name, "ascending") for name in table.column_names]).combine_chunks()


@settings(max_examples=20, deadline=None)
@given(DRAWN, st.integers())
def test_neither_the_order_of_rows_nor_of_columns_matters(drawn: list, seed: int) -> None:  # type: ignore[type-arg]
    records, empty = made(drawn), Registry()
    found = resolve(records)
    shuffled = {}
    for name, rows in inputs(records).items():
        order = list(range(rows.num_rows))
        random.Random(seed).shuffle(order)
        shuffled[name] = rows.take(pa.array(order, pa.int64()))
    tables, changes = resolve_tables(shuffled, empty.assignments, empty.customers, empty.aliases, NIGHT, OWN)
    assert {name: in_order(rows) for name, rows in tables.items()} == {
        name: in_order(rows) for name, rows in found.tables.items()
    }
    assert changes == found.changes


@settings(max_examples=20, deadline=None)
@given(DRAWN)
def test_every_contact_has_a_customer_and_only_private_values_or_names_link(drawn: list) -> None:  # type: ignore[type-arg]
    records = made(drawn)
    found = resolve(records)
    linking = {
        row["identifier_key"]
        for row in found.tables["identifier_class"].to_pylist()
        if row["identifier_class"] in {"private", "shared"}
    }
    keys = {record.key: set(_keys(record)) for record in records}
    for record in records:
        if record.kind != "interaction":
            assert found.of[record.id] is not None
        if found.of[record.id] is None:
            assert not keys[record.key] & linking
    for group in found.groups():
        members = [record for record in records if record.id in group]
        if len(members) > 1:
            for member in members:
                others = set().union(*(keys[other.key] for other in members if other is not member))
                assert keys[member.key] & others & linking


@settings(max_examples=20, deadline=None)
@given(DRAWN)
def test_a_night_without_news_changes_nothing(drawn: list) -> None:  # type: ignore[type-arg]
    records = made(drawn)
    first = resolve(records)
    again = resolve(records, Registry().after(first.changes, NIGHT), NIGHT.replace(day=3))
    assert again.of == first.of
    assert all(rows.num_rows == 0 for rows in again.changes.values())


@settings(max_examples=20, deadline=None)
@given(DRAWN, DRAWN)
def test_no_id_changes_without_an_event(one: list, other: list) -> None:  # type: ignore[type-arg]
    first = resolve(made(one))
    records = made([*one, *other])
    second = resolve(records, Registry().after(first.changes, NIGHT), NIGHT.replace(day=3))
    told = {event["customer_id"] for event in second.events()}
    told |= {event["other_customer_id"] for event in second.events()}
    before = set(first.tables["customer"].column("customer_id").to_pylist())
    after = set(second.tables["customer"].column("customer_id").to_pylist())
    assert before ^ after <= told
    aliases = second.tables["customer_alias"].to_pylist()
    assert {alias["customer_id"] for alias in aliases} <= set(
        second.changes["opened"].column("customer_id").to_pylist()
    ) | before
    assert not {alias["customer_id_old"] for alias in aliases} & after


@settings(max_examples=8, deadline=None)
@given(DRAWN, st.integers())
def test_who_is_one_customer_does_not_depend_on_the_order_of_arrival(drawn: list, seed: int) -> None:  # type: ignore[type-arg]
    records = made(drawn)
    arriving = random.Random(seed).sample(records, len(records))
    registry, here = Registry(), []
    for number in range(3):
        here += arriving[number::3]
        night = NIGHT.replace(day=2 + number)
        found = resolve(here, registry, night)
        registry = registry.after(found.changes, night)
    assert found.groups() == resolve(records).groups()


def test_a_merge_is_taken_back_when_its_identifier_turns_out_to_be_nobodys() -> None:
    first = [call("a", LINE, ("email", "sunny@example.com")), call("b", LINE, ("email", "moon@example.com"))]
    before = resolve(first)
    assert before.of["a"] == before.of["b"]
    more = [call(f"t{n}", LINE, ("email", f"x{n}@example.com"), day=10) for n in range(8)]
    after = resolve([*first, *more], Registry().after(before.changes, NIGHT), NIGHT.replace(day=3))
    assert after.verdict(LINE) == "generic many_addresses"
    assert after.of["a"] != after.of["b"]
    assert before.of["a"] in {after.of["a"], after.of["b"]}
    (split,) = (event for event in after.events() if event["kind"] == "split" and event["customer_id"] in after.of.values()
                and event["other_customer_id"] == before.of["a"])  # fmt: skip
    assert split["reason"] == "generic: many_addresses"
    assert split["evidence"] == identifier_key(*LINE)


def _keys(record: Rec) -> list[int]:
    return [identifier_key(*identifier) for identifier in record.identifiers]


COMPUTER, TABLET = ("cookie", "c1"), ("device", "d1")
ANAS, BENS = ("user_id", "shop:u1"), ("user_id", "shop:u2")


def minutes(record: Rec, after: float) -> Rec:
    """`record`, so many minutes later on its day."""
    return replace(record, day=record.day - after / 1440)


def test_on_a_family_computer_the_session_tells_who_is_there() -> None:
    found = resolve([
        call("ana_in", COMPUTER, ANAS),
        minutes(call("ana_looks", COMPUTER), 10),
        minutes(call("ben_in", COMPUTER, BENS), 300),
        minutes(call("ben_looks", COMPUTER), 310),
        call("who", COMPUTER, day=5),
        call("ana_again", COMPUTER, ANAS, day=2),
    ])  # fmt: skip
    assert found.groups() == {
        frozenset({"ana_in", "ana_looks", "ana_again"}),
        frozenset({"ben_in", "ben_looks"}),
        frozenset({"who"}),
    }


def test_a_device_that_was_passed_on_is_the_first_ones_until_the_second_logs_in() -> None:
    found = resolve([
        call("ana_in", TABLET, ANAS, day=90),
        call("ana_looks", TABLET, day=31),
        call("ben_in", TABLET, BENS, day=30),
        call("ben_looks", TABLET, day=1),
    ])  # fmt: skip
    assert found.groups() == {frozenset({"ana_in", "ana_looks"}), frozenset({"ben_in", "ben_looks"})}


def test_a_number_without_names_changes_hands_after_a_rest() -> None:
    found = resolve([
        call("ana", LINE, ANA, day=400),
        call("ana_calls", LINE, day=200),
        call("ben_calls", LINE, day=90),
        call("ben", LINE, BEN, day=80),
        call("ben_later", LINE, day=2),
    ])  # fmt: skip
    assert found.verdict(LINE) == "shared recycled"
    assert found.groups() == {frozenset({"ana", "ana_calls"}), frozenset({"ben_calls", "ben", "ben_later"})}


def test_two_addresses_of_one_name_on_a_number_are_one_persons_however_long_it_rested() -> None:
    old, new = ("email", "ana.ruiz@example.com"), ("email", "ruiz77@example.net")
    found = resolve([call("old", LINE, old, day=400), call("new", LINE, new, day=20)])
    assert found.verdict(LINE) == "private one_person"
    assert len(found.groups()) == 1


@pytest.mark.parametrize(("name", "author"), [("Ana Ruiz", "ana"), (None, "ana"), ("Ben Ott", "ben")])
def test_a_customer_number_typed_wrong_during_a_call_is_a_slip_unless_the_caller_says_so(
    name: str | None, author: str
) -> None:
    mobile = ("phone", "+4915155550101")
    found = resolve([
        contact("ana", "Ana Ruiz", ("account_ref", "crm:contact:1"), mobile),
        contact("ben", "Ben Ott", ("account_ref", "crm:contact:2"), BEN),
        call("first", mobile, name="Ana Ruiz", day=30),
        call("noted", mobile, ("account_ref", "crm:contact:2"), name=name),
        call("later", mobile, day=3),
    ])  # fmt: skip
    assert found.of["ana"] != found.of["ben"]
    assert found.of["noted"] == found.of[author]
    assert found.of["first"] == found.of["later"] == found.of["ana"]


def test_hints_seen_twice_name_a_person_and_one_does_not() -> None:
    boxes = (("sunny", "Ana Ruiz"), ("bike", "Ben Ott"))
    mails = [
        call(f"{box}{n}", ("email", f"{box}@example.com"), name=name, day=9 - n) for box, name in boxes for n in (0, 1)
    ]
    tied = [call(f"form_{box}", COMPUTER, ("email", f"{box}@example.com")) for box, _ in boxes]
    found = resolve([*mails, *tied])
    assert found.of["sunny0"] == found.of["form_sunny"] != found.of["bike0"] == found.of["form_bike"]
    assert len(resolve([mails[0], mails[2], *tied]).groups()) == 1


def test_two_log_ins_of_one_system_are_two_persons_unless_their_names_are_one() -> None:
    def chain(*names: str) -> list[Rec]:
        return [
            Rec("a", "user", [ANAS, ("email", "sunny@example.com")], names[0] or None),
            call("form", ("email", "sunny@example.com"), ("cookie", "c1")),
            call("other_form", ("email", "bike@example.com"), ("cookie", "c1")),
            Rec("b", "user", [BENS, ("email", "bike@example.com")], names[1] or None),
        ]

    apart = resolve(chain("", ""))
    assert apart.of["a"] == apart.of["form"] != apart.of["b"] == apart.of["other_form"]
    assert len(resolve(chain("Ana Ruiz", "A. Ruiz")).groups()) == 1
    by_address = [
        replace(
            each, identifiers=[(kind, value.replace("shop:u2", "bike@example.com")) for kind, value in each.identifiers]
        )
        for each in chain("", "")
    ]
    assert len(resolve(by_address).groups()) == 1
    said_so = Rec("merge", "user", [ANAS, BENS])
    assert len(resolve([*chain("", ""), said_so]).groups()) == 1


def test_a_name_that_a_bot_types_beside_an_address_says_nothing_of_its_owner() -> None:
    bot = ("cookie", "bot")
    people = [contact(f"p{n}", f"Given{n} Family{n}", ("email", f"p{n}@example.com")) for n in range(5)]
    typed = [Rec(f"t{n}", "form", [bot, ("email", f"p{n}@example.com")], "Ben Ott") for n in range(5)]
    found = resolve([*people, *typed, call("mail", ("email", "p1@example.com"))])
    assert found.verdict(bot) == "generic crowd"
    assert found.verdict(("email", "p1@example.com")) == "private one_person"
    assert found.of["mail"] == found.of["p1"]
    assert len({found.of[f"p{n}"] for n in range(5)}) == 5


def test_a_family_of_five_on_one_tablet_is_no_crowd() -> None:
    log_ins = [call(f"in{n}", TABLET, ("user_id", f"shop:u{n}"), day=40 - n) for n in range(5)]
    looks = [minutes(call(f"looks{n}", TABLET, day=40 - n), 5) for n in range(5)]
    found = resolve([*log_ins, *looks])
    assert [found.of[f"looks{n}"] for n in range(5)] == [found.of[f"in{n}"] for n in range(5)]
    assert len(found.groups()) == 5


def test_a_callers_name_is_sought_among_all_who_use_the_line() -> None:
    found = resolve([
        contact("jo", "Jo Meier", ("account_ref", "crm:contact:1"), ("phone", "+4915155550101")),
        contact("kim", "Kim Meier", ("account_ref", "crm:contact:2"), ("phone", "+4915155550102")),
        call("jo_called", LINE, ("account_ref", "crm:contact:1"), day=30),
        call("kim_called", LINE, ("account_ref", "crm:contact:2"), day=29),
        call("hinted", LINE, name="Meier, Kim"),
        Rec("form", "form", [LINE, ("account_ref", "crm:form:9")], "Jo Meier", day=20),
    ])  # fmt: skip
    assert found.of["hinted"] == found.of["kim"] != found.of["jo"] == found.of["form"]


def test_a_line_that_strangers_share_is_nobodys() -> None:
    found = resolve([
        contact("a", "Ana Ruiz", LINE, ANA),
        contact("b", "Ben Ott", LINE, BEN),
        call("c", LINE),
    ])  # fmt: skip
    assert found.of["c"] is None


@pytest.mark.parametrize("married", ["Inès Weber", "Weber, Inès"])
def test_a_new_surname_keeps_the_mailbox(married: str) -> None:
    found = resolve([
        contact("then", "Inès Peron", ANA, day=300),
        call("mail", ANA, day=200),
        contact("now", married, ANA, day=20),
    ])  # fmt: skip
    assert len(found.groups()) == 1


@pytest.mark.parametrize(
    "poison",
    [LINE, COMPUTER, TABLET, ("email", "x@example.com"), ANAS, ("account_ref", "crm:contact:1"), ("loyalty", "1")],
)
def test_a_poisoned_identifier_on_ten_thousand_people_merges_none(poison: tuple[str, str]) -> None:
    people = [
        contact(f"p{n}", f"Given{n} Family{n}", ("email", f"p{n}@example.com"), ("phone", f"+4915100{n:06}"), poison)
        for n in range(10_000)
    ]
    assert len(set(resolve(people).of.values())) == 10_000
