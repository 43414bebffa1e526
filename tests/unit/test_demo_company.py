"""The demo company: the same bytes for the same seed, files that other readers read, and what each night brings."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import mailbox
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from customer360 import normalise
from customer360.demo.campaigns import CAMPAIGNS
from customer360.demo.company import LATE, Delivery, DemoPlan, deliver, write_company

FIRST_NIGHT = date(2026, 3, 2)
CUSTOMERS = 600


@dataclass
class Company:
    plan: DemoPlan
    told: list[list[Delivery]]  # what `deliver` said, night by night
    landing: list[dict[str, bytes]]  # path → content, as it lay there after each night

    def night(self, index: int, pattern: str) -> dict[str, bytes]:
        """Files that night `index` wrote or changed, of those whose path matches."""
        before = self.landing[index - 1] if index else {}
        return {
            path: content
            for path, content in self.landing[index].items()
            if re.search(pattern, path) and before.get(path) != content
        }

    def truth(self, name: str) -> list[dict[str, str]]:
        with (self.plan.truth_folder / f"{name}.csv").open(encoding="utf-8", newline="") as rows:
            return list(csv.DictReader(rows))


def make(folder: Path, *, seed: int = 7, customers: int = CUSTOMERS) -> Company:
    plan = write_company(folder / "landing", folder / "truth", seed=seed, customers=customers, first_night=FIRST_NIGHT)
    company = Company(plan, [], [])
    for index in range(3):
        company.told.append(deliver(plan, index))
        company.landing.append(read_all(plan.landing))
    return company


def read_all(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return make(tmp_path_factory.mktemp("company"))


def fingerprints(folder: Path, **options: int) -> dict[str, str]:
    company = make(folder, customers=60, **options)
    files = company.landing[-1] | read_all(company.plan.truth_folder)
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first = fingerprints(tmp_path / "one")
    assert fingerprints(tmp_path / "two") == first
    packed = [path.read_bytes() for path in (tmp_path / "one").rglob("*.gz")]
    assert packed
    assert {content[4:8] for content in packed} == {bytes(4)}  # gzip's own time stamp is left out
    other = fingerprints(tmp_path / "three", seed=8)
    assert other["persons.csv"] != first["persons.csv"]


def test_a_company_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 50"):
        write_company(tmp_path, tmp_path, customers=49, first_night=FIRST_NIGHT)


# Other readers ------------------------------------------------------------------------------------


def test_every_csv_has_rows_of_one_width(company: Company) -> None:
    widths = {
        path: {len(row) for row in rows_of(path, content)}
        for path, content in company.landing[0].items()
        if path.endswith(".csv") and "google_ads" not in path
    }
    assert len(widths) > 12
    assert {path: found for path, found in widths.items() if len(found) != 1} == {}
    assert {found.pop() for path, found in widths.items() if "pbx" in path} == {21, 19}


def rows_of(path: str, content: bytes) -> Iterator[list[str]]:
    encoding, delimiter = ("cp1252", ";") if "in_person" in path else ("utf-8", ",")
    return csv.reader(io.StringIO(content.decode(encoding)), delimiter=delimiter)


def test_call_and_message_pages_are_json_and_overlap(company: Company) -> None:
    for kind, pattern in (("calls", "twilio_calls/"), ("messages", "sms/twilio/")):
        pages = [json.loads(content)[kind] for _, content in sorted(company.night(0, pattern).items())]
        sids = [[record["sid"] for record in page] for page in pages]
        assert len(sids) > 1
        assert sids[0][-10:] == sids[1][:10]
        delivered = {sid for page in sids for sid in page}
        assert len(delivered) == sum(map(len, sids)) - 10 * (len(sids) - 1)


def test_mailboxes_hold_as_many_letters_as_the_truth(company: Company) -> None:
    records = company.truth("records")
    files = company.plan.landing / "email/mailbox"
    letters = [letter for path in sorted(files.glob("*.mbox")) for letter in mailbox.mbox(path)]
    assert len(letters) == sum(record["source"] == "mailbox" for record in records)
    assert all(letter["Message-ID"] for letter in letters)
    support = mailbox.Maildir(company.plan.landing / "email/support")
    assert len(support) == sum(record["source"] == "support_maildir" for record in records)
    assert {letter.get_subdir() for letter in support} == {"cur", "new"}


def test_the_handset_writes_halves_of_emoji_that_no_xml_reader_takes(company: Company) -> None:
    (content,) = company.night(0, "handset").values()
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(content)  # noqa: S314  (our own bytes)
    root = ElementTree.fromstring(content.replace(b"&#55357;&#56842;", b"&#128522;"))  # noqa: S314  (our own bytes)
    kinds = [message.get("type") for message in root]
    assert root.get("count") == str(len(kinds))
    assert set(kinds) == {"1", "2", "3"}
    assert any("~" in str(message.get("address")) for message in root)


def test_web_events_are_131_columns_and_logs_a_fifth_bots(company: Company) -> None:
    (events,) = (gzip.decompress(content).decode() for content in company.night(0, "snowplow").values())
    assert {line.count("\t") for line in events.splitlines()} == {130}
    (log,) = (gzip.decompress(content).decode() for content in company.night(0, "access").values())
    bots = [line for line in log.splitlines() if re.search(r"bot\.htm|python-requests|HeadlessChrome", line)]
    assert len(bots) / len(log.splitlines()) == pytest.approx(0.2, abs=0.02)
    (messages,) = company.night(0, "segment").values()
    assert {json.loads(line)["type"] for line in messages.splitlines()} == {"identify", "page", "track"}


def test_the_ad_download_adds_up_to_the_true_spend(company: Company) -> None:
    true = {row["campaign"]: Decimal(row["spend"]) for row in company.truth("sources") if Decimal(row["spend"])}
    found = dict.fromkeys(true, Decimal(0))
    for path, content in company.landing[2].items():
        if "google_ads" in path:
            rows = list(rows_of(path, content))[3:]
            assert money(rows[-1][6]) == sum(money(row[6]) for row in rows[:-1])
            for row in rows[:-1]:
                found[row[1]] += money(row[6])
        elif "media/meta_" in path:
            for record in csv.DictReader(io.StringIO(content.decode())):
                found[record["Campaign name"]] += money(record["Amount spent (EUR)"])
    assert found == true


def money(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


# Nobody real --------------------------------------------------------------------------------------


def test_all_addresses_are_below_domains_kept_for_examples(company: Company) -> None:
    text = b"\n".join(gzip.decompress(c) if p.endswith(".gz") else c for p, c in company.landing[0].items()).decode(
        "latin-1"
    )
    domains = {found.lower() for found in re.findall(r"[\w.+-]+@((?:[\w-]+\.)+[a-z]{2,})\b", text)}
    assert len(domains) > 10
    assert {domain for domain in domains if not re.search(r"(?:^|\.)example\.(?:com|net|org)$", domain)} == set()


def test_every_person_can_be_reached(company: Company) -> None:
    for person in company.plan.people:
        assert normalise.email(person.email) == (person.email, True, "ok")
        for number in filter(None, (person.mobile, person.landline)):
            assert normalise.phone(number, "DE") == (number, True, "ok")
    assert {normalise.phone(account.switchboard, "DE").is_valid for account in company.plan.accounts} == {True}


# Nights -------------------------------------------------------------------------------------------


def specials(company: Company, index: int) -> Iterator[str]:
    return (what for _, what in company.told[index] if what)


def test_what_is_said_to_be_delivered_lies_there(company: Company) -> None:
    for told, landing in zip(company.told, company.landing, strict=True):
        paths = [path for path, _ in told]
        assert len(paths) == len(set(paths))
        assert all(path in landing or any(each.startswith(f"{path}/") for each in landing) for path in paths)
        assert not [path for path in landing if path.endswith(".part")]
    assert list(specials(company, 0)) == []


def test_the_second_night_brings_what_goes_wrong_between_systems(company: Company) -> None:
    night = company.night(1, "")
    (again,) = (path for path in night if path.endswith("_again.json"))
    assert night[again] == company.landing[0][again.replace("_again", "")]
    (corrected,) = (path for path in night if path in company.landing[0])
    before, after = company.landing[0][corrected].splitlines(), night[corrected].splitlines()
    differing = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(differing) == 1
    assert differing[0][0].replace(b"x@", b"@", 1) == differing[0][1]
    (log,) = (content for path, content in night.items() if "access" in path)
    with pytest.raises(EOFError):
        gzip.decompress(log)
    assert len(list(specials(company, 1))) == 8
    wrong = []
    for line in company.night(1, "segment")[f"web/segment/{FIRST_NIGHT}.jsonl"].splitlines():
        try:
            json.loads(line)
        except ValueError:
            wrong.append(line)
    assert len(wrong) == 1


def test_late_files_tell_of_a_day_a_month_ago(company: Company) -> None:
    night = company.night(1, "_late_")
    day = (FIRST_NIGHT - LATE).isoformat()
    calls = next(content for path, content in night.items() if "pbx" in path).decode()
    visits = gzip.decompress(next(content for path, content in night.items() if "snowplow" in path)).decode()
    assert {row[9][:10] for row in csv.reader(io.StringIO(calls))} == {day}
    on_time = gzip.decompress(next(iter(company.night(0, "snowplow").values()))).decode()
    earlier = (FIRST_NIGHT - LATE - timedelta(days=1)).isoformat()
    stamps = {line.split("\t")[3][:10] for line in visits.splitlines()}
    assert stamps <= {day, earlier}
    assert day in stamps
    assert earlier in on_time  # the days around it came on time


def test_the_third_night_brings_the_archive_whole_and_new_orders(company: Company) -> None:
    night = company.night(2, "")
    log = night[f"web/access/access-{FIRST_NIGHT}.log.gz"]
    cut = company.landing[1][f"web/access/access-{FIRST_NIGHT}.log.gz"]
    assert log.startswith(cut)
    assert len(gzip.decompress(log).splitlines()) > 10
    events = next(content for path, content in night.items() if "segment" in path)
    assert b"Order Completed" in events
    assert any(record["night"] == "2" and record["record_kind"] == "sales_order" for record in company.truth("records"))


def test_ordinary_nights_stay_ordinary(company: Company) -> None:
    """A day of data is small beside two years, and tells of that day alone."""
    (events,) = (gzip.decompress(content).decode() for content in company.night(2, "snowplow").values())
    assert {line.split("\t")[3][:10] for line in events.splitlines()} <= {"2026-03-02", "2026-03-03"}


# Truth --------------------------------------------------------------------------------------------


def test_the_true_sources_add_up(company: Company) -> None:
    sources, persons = company.truth("sources"), company.truth("persons")
    orders = [order for order in company.truth("orders") if order["status"] != "Cancelled"]
    assert [row["campaign"] for row in sources] == [campaign.name for campaign in CAMPAIGNS]
    assert sum(int(row["persons"]) for row in sources) == len(persons) == CUSTOMERS
    assert sum(int(row["orders"]) for row in sources) == len(orders) > 100
    assert sum(Decimal(row["revenue"]) for row in sources) == sum(Decimal(order["amount"]) for order in orders)
    assert {row["acquisition_source"] for row in sources} == {"media", "website", "referral", "event", "sales_rep"}


def test_true_orders_are_those_delivered(company: Company) -> None:
    orders = {row["source_record_id"]: row for row in company.truth("orders") if row["source"] == "salesforce"}
    last: dict[str, dict[str, str]] = {}
    for content in (content for index in range(3) for content in company.night(index, "salesforce/Order_").values()):
        last |= {row["Id"]: row for row in csv.DictReader(io.StringIO(content.decode()))}
    assert set(last) == set(orders)
    for identifier, row in last.items():
        assert Decimal(row["TotalAmount"]) == Decimal(orders[identifier]["amount"])
        assert (row["Status"], row["ActivatedDate"][:10]) == (
            orders[identifier]["status"], orders[identifier]["delivered_at"][:10],
        )  # fmt: skip


PHENOMENA = {
    *("agent_address_typed", "auto_reply", "bot", "bounce", "changed_surname", "clock_ahead", "couple_mailbox"),
    *("delivered_twice", "diacritics", "dst_hour", "family_device", "form_bot", "group_message", "household_line"),
    *("in_both_crms", "initial", "kiosk", "mailing_list", "many_legs", "merged_by_form", "newsletter", "nickname"),
    *("no_message_id", "nul_byte", "opt_out", "own_number_typed", "placeholder_email", "placeholder_phone"),
    *("recycled_number", "role_mail", "short_code_or_name", "sole_trader", "swapped_names", "switchboard"),
    *("switchboard_call", "two_identities", "typo"),
}


def test_every_phenomenon_is_there_and_points_at_records(company: Company) -> None:
    found = company.truth("phenomena")
    assert {row["phenomenon"] for row in found} == PHENOMENA
    records = {(row["source"], row["record_kind"], row["source_record_id"]) for row in company.truth("records")}
    assert {(row["source"], row["record_kind"], row["source_record_id"]) for row in found} <= records
    people = {phenomenon for row in company.truth("persons") for phenomenon in row["phenomena"].split()}
    assert people == {
        *("household", "couple_mailbox", "family_device", "senior_junior", "twins", "recycled_number"),
        *("two_identities", "namesake", "changed_surname"),
    }  # fmt: skip
