"""The demo company through the real connectors: every record accounted for and known to the truth.

What the phenomena promise is checked on the identifiers that come out, as identity resolution will see them.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from customer360.connectors import registry
from customer360.connectors.base import Batch, UnreadableFile
from customer360.demo.company import DemoPlan, deliver, write_company
from customer360.files import Landing, delivery
from customer360.sources import Source, SourcesConfig, load_sources

SOURCES = Path(__file__).resolve().parents[2] / "dags" / "sources.yml"
Key = tuple[str, str, str]
REJECTED = {
    "pbx": {"bad_timestamp": 1, "broken_quote": 1},
    "sms_phone": {"not_sent": 2},
    "web_snowplow": {"bad_width": 1},
    "web_segment": {"bad_json": 1, "bad_timestamp": 1},
    "ad_spend": {"total_row": 3},
}
NOT_OF_PEOPLE = {"identifier", "opportunity_stage", "ad_spend"}


@dataclass
class Found:
    """What the connectors make of everything that lies in the landing area."""

    read: Counter[str] = field(default_factory=Counter)
    accounted: Counter[str] = field(default_factory=Counter)
    rejected: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    records: set[Key] = field(default_factory=set)
    times: dict[Key, datetime] = field(default_factory=dict)
    classes: dict[Key, str] = field(default_factory=dict)
    identifiers: dict[Key, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))  # valid ones
    invalid: dict[Key, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))

    def add(self, source: Source, batch: Batch) -> None:
        rows: set[int] = set()
        for entity, table in batch.tables.items():
            if entity == "identifier":
                self._identify(source, table.to_pylist())
                continue
            rows |= set(table["row_number"].to_pylist())
            if entity not in NOT_OF_PEOPLE:
                kinds = table["record_kind"].to_pylist() if entity == "contact_record" else [entity] * len(table)
                keys = [(source.name, *pair) for pair in zip(kinds, table["source_record_id"].to_pylist(), strict=True)]
                self.records |= set(keys)
                if entity == "interaction":
                    self.times |= zip(keys, table["occurred_at"].to_pylist(), strict=True)
                    self.classes |= zip(keys, table["interaction_class"].to_pylist(), strict=True)
        self.read[source.name] += batch.rows_read
        self.accounted[source.name] += len(rows) + sum(batch.collapsed.values()) + len(batch.rejected)
        self.rejected[source.name].update(each.reason for each in batch.rejected)

    def _identify(self, source: Source, rows: list[dict[str, object]]) -> None:
        for row in rows:
            key = (source.name, str(row["record_kind"]), str(row["source_record_id"]))
            into = self.identifiers if row["is_valid"] else self.invalid
            into[key].add((str(row["identifier_type"]), str(row["identifier_value"])))


@dataclass
class Nights:
    plan: DemoPlan
    config: SourcesConfig
    after: list[Found]  # after each night

    def truth(self, name: str) -> list[dict[str, str]]:
        with (self.plan.truth_folder / f"{name}.csv").open(encoding="utf-8", newline="") as rows:
            return list(csv.DictReader(rows))

    def phenomenon(self, name: str) -> list[Key]:
        return [key_of(row) for row in self.truth("phenomena") if row["phenomenon"] == name]


def key_of(row: dict[str, str]) -> Key:
    return row["source"], row["record_kind"], row["source_record_id"]


def read_all(landing: Landing, config: SourcesConfig) -> Found:
    found = Found()
    for source in config.sources.values():
        for path in landing.find(source.location):
            members = landing.members(path) if landing.is_folder(path) else None
            try:
                for batch in registry.get(source.connector).read(delivery(landing, path, members), source, config.own):
                    found.add(source, batch)
            except UnreadableFile as error:
                found.unreadable.append((path, error.reason))
    return found


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    folder = tmp_path_factory.mktemp("records")
    config = load_sources(SOURCES)
    plan = write_company(folder / "landing", folder / "truth", customers=600, first_night=date(2026, 3, 2))
    after = []
    for index in range(3):
        deliver(plan, index)
        after.append(read_all(Landing(str(plan.landing)), config))
    return Nights(plan, config, after)


# Every record -------------------------------------------------------------------------------------


def test_every_record_is_accounted_for(nights: Nights) -> None:
    found = nights.after[2]
    assert set(found.read) == set(nights.config.sources)
    assert found.accounted == found.read
    assert {source: dict(counts) for source, counts in found.rejected.items() if counts} == REJECTED


def test_the_truth_knows_every_record_and_no_other(nights: Nights) -> None:
    records = [key_of(row) for row in nights.truth("records")]
    assert len(records) == len(set(records)) > 20_000
    assert nights.after[2].records == set(records)


def test_a_cut_archive_is_said_and_comes_whole_later(nights: Nights) -> None:
    path = "web/access/access-2026-03-02.log.gz"
    assert [night.unreadable for night in nights.after] == [[], [(path, "truncated_archive")], []]


def test_the_company_itself_is_nobodys_identifier(nights: Nights) -> None:
    """Own numbers and addresses only stand where an agent typed them into the CRM."""
    own, found = nights.config.own, nights.after[2]
    carrying = {
        key
        for key, identifiers in found.identifiers.items()
        for kind, value in identifiers
        if (kind == "email" and own.owns_email(value)) or (kind == "phone" and own.owns_phone(value))
    }
    assert carrying == {*nights.phenomenon("own_number_typed"), *nights.phenomenon("agent_address_typed")}


# What the phenomena promise -----------------------------------------------------------------------


def test_two_identities_are_tied_only_by_the_third_night(nights: Nights) -> None:
    twofold = {person.person_id: person for person in nights.plan.people if person.second}
    assert len(twofold) >= 2
    records: dict[int, list[Key]] = defaultdict(list)
    for row in nights.truth("records"):
        if row["person_id"] and int(row["person_id"]) in twofold:
            records[int(row["person_id"])].append(key_of(row))
    for number, person in twofold.items():
        assert person.second
        one, other = ("email", person.email), ("email", person.second.email)
        for night, together in zip(nights.after, (False, False, True), strict=True):
            groups = components(night, records[number])
            assert any(one in group for group in groups)
            assert any({one, other} <= group for group in groups) == together
            assert any(other in group for group in groups)


def components(found: Found, keys: list[Key]) -> list[set[tuple[str, str]]]:
    """Groups of identifiers that the records `keys` tie together."""
    groups: list[set[tuple[str, str]]] = []
    for key in keys:
        identifiers = {each for each in found.identifiers.get(key, set()) if each[0] != "account_ref"}
        joined = [group for group in groups if group & identifiers]
        for group in joined:
            groups.remove(group)
            identifiers |= group
        if identifiers:
            groups.append(identifiers)
    return groups


def test_recycled_numbers_rest_for_half_a_year(nights: Nights) -> None:
    found, people = nights.after[2], {person.person_id: person for person in nights.plan.people}
    owners = {key_of(row): people[int(row["person_id"])] for row in nights.truth("records") if row["person_id"]}
    holders = sorted((p for p in people.values() if "recycled_number" in p.notes), key=lambda p: (p.mobile, p.arrives))
    for old, new in zip(holders[::2], holders[1::2], strict=True):
        assert old.mobile == new.mobile
        assert old.leaves
        assert new.arrives - old.leaves > timedelta(days=180)
    used: dict[str, dict[int, list[datetime]]] = defaultdict(lambda: defaultdict(list))
    for key, at in found.times.items():
        person = owners.get(key)
        if person and "recycled_number" in person.notes and ("phone", person.mobile) in found.identifiers[key]:
            used[person.mobile][person.person_id].append(at)
    twice = [sorted(by.values(), key=min) for by in used.values() if len(by) == 2]
    assert twice
    for earlier, later in twice:
        assert min(later) - max(earlier) > timedelta(days=180)


@pytest.mark.parametrize(
    ("phenomenon", "interaction_class"),
    [
        ("bot", "bot"),
        ("newsletter", "bulk"),
        ("mailing_list", "bulk"),
        ("auto_reply", "auto_reply"),
        ("bounce", "bounce"),
        ("role_mail", "person"),
    ],
)
def test_classes_of_interactions(nights: Nights, phenomenon: str, interaction_class: str) -> None:
    keys = nights.phenomenon(phenomenon)
    assert keys
    assert {nights.after[2].classes[key] for key in keys} == {interaction_class}


def test_a_line_or_mailbox_shared_names_several_people(nights: Nights) -> None:
    found = nights.after[2]
    owners = {key_of(row): row["person_id"] for row in nights.truth("records") if row["person_id"]}
    for phenomenon, kind in (("household_line", "phone"), ("couple_mailbox", "email"), ("switchboard", "phone"),
                             ("family_device", "cookie"), ("kiosk", "cookie")):  # fmt: skip
        people: dict[str, set[str]] = defaultdict(set)
        for key in nights.phenomenon(phenomenon):
            for _, value in (each for each in found.identifiers[key] if each[0] == kind and key in owners):
                people[value].add(owners[key])
        assert max(map(len, people.values())) >= 2, phenomenon


def test_the_form_bot_carries_many_addresses_with_one_cookie(nights: Nights) -> None:
    found = nights.after[2]
    keys = nights.phenomenon("form_bot")
    carried = {each for key in keys for each in found.identifiers.get(key, set()) | found.invalid.get(key, set())}
    assert len({value for kind, value in carried if kind == "cookie"}) == 1
    assert len({value for kind, value in carried if kind == "email"}) > 30


def test_a_group_message_and_withheld_callers_link_nobody(nights: Nights) -> None:
    found = nights.after[2]
    groups = nights.phenomenon("group_message")
    assert groups
    assert not [key for key in groups if found.identifiers.get(key)]
    assert all(len(found.invalid[key]) == 3 for key in groups)
    bare = [key for key in found.records if key[0] == "pbx" and not found.identifiers.get(key)]
    assert len(bare) > 50


def test_the_hour_that_comes_twice_is_where_it_belongs(nights: Nights) -> None:
    found, calls = nights.after[2], nights.phenomenon("dst_hour")
    hours = {found.times[key].astimezone(UTC).strftime("%m-%d %H") for key in calls}
    assert hours <= {"10-26 00", "10-26 01", "10-27 00", "10-27 01"}
    started = {key: datetime.fromtimestamp(int(key[2].split(".")[0]), UTC) for key in calls}
    assert {at.hour for at in started.values()} == {0, 1}


def visits(found: Found) -> Iterator[tuple[Key, str]]:
    for key, identifiers in found.identifiers.items():
        for kind, value in identifiers:
            if key[0] == "web_snowplow" and kind == "cookie":
                yield key, value


def test_anonymous_visitors_later_say_who_they_are(nights: Nights) -> None:
    """Some browsers are known by a log-in or address later on; some never are."""
    found = nights.after[2]
    named, browsers = set(), set()
    for key, cookie in visits(found):
        browsers.add(cookie)
        if any(kind in {"user_id", "email"} for kind, _ in found.identifiers[key]):
            named.add(cookie)
    assert 0.5 < len(named) / len(browsers) < 0.95
    first = {
        cookie: min(found.times[key] for key, of in visits(found) if of == cookie) for cookie in sorted(named)[:40]
    }
    signed = {
        cookie: min(found.times[key] for key, of in visits(found) if of == cookie and len(found.identifiers[key]) > 1)
        for cookie in first
    }
    assert sum(first[cookie] < signed[cookie] for cookie in first) > 20
