"""Asterisk call records in each layout, and what becomes of legs, directions, zones and withheld callers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from deliveries import identifiers, one, read, reasons, rows

from customer360.connectors import text
from customer360.connectors.asterisk_calls import seconds
from customer360.connectors.base import UnreadableFile
from customer360.sources import OwnIdentities

BERLIN = ZoneInfo("Europe/Berlin")
DE: dict[str, Any] = {"phone_region": "DE", "zone": "Europe/Berlin"}
OWN = OwnIdentities(phones=frozenset({"+493023125100"}))
CUSTOMER, DESK = "03023125999", "03023125100"
E164 = ("phone", "+493023125999", True)

CDR = "accountcode src dst dcontext clid channel dstchannel lastapp lastdata start answer end duration billsec disposition amaflags uniqueid userfield peeraccount linkedid sequence".split()
CUSTOM = "clid src dst dcontext channel dstchannel lastapp lastdata start answer end duration billsec disposition amaflags accountcode uniqueid userfield sequence".split()
FREEPBX = "start clid src dst dcontext channel dstchannel lastapp lastdata duration billsec disposition amaflags accountcode uniqueid userfield did recordingfile cnum cnam outbound_cnum outbound_cnam dst_cnam linkedid peeraccount sequence".split()


def leg(
    number: int = 0, at: datetime = datetime(2024, 1, 27, 14, 7, 24, tzinfo=UTC), **cells: object
) -> dict[str, object]:
    """One row; `at` is when the leg began."""
    unique = f"{int(at.timestamp())}.{number}"
    local = at.astimezone(ZoneInfo(str(cells.pop("written_in", "Europe/Berlin"))))
    form = str(cells.pop("form", "%Y-%m-%d %H:%M:%S"))
    return {
        "src": CUSTOMER,
        "dst": DESK,
        "dcontext": "from-trunk",
        "clid": f'"A. Caller" <{CUSTOMER}>',
        "channel": "SIP/trunk-0000001a",
        "lastapp": "Dial",
        "start": local.strftime(form),
        "end": local.strftime(form),
        "duration": 40,
        "billsec": 32,
        "disposition": "ANSWERED",
        "amaflags": "DOCUMENTATION",
        "uniqueid": unique,
        "linkedid": unique,
        "sequence": number,
    } | cells


def written(layout: Sequence[str], *legs: dict[str, object], header: bool = False, width: int | None = None) -> str:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC)
    names = layout[:width]
    if header:
        writer.writerow(names)
    for each in legs:
        writer.writerow([each.get(name, "") for name in names])
    return out.getvalue()


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize(
    ("layout", "width"), [(CDR, 21), (CDR, 19), (CDR, 17), (CDR, 16), (CUSTOM, 19), (FREEPBX, 26), (FREEPBX, 16)]
)
def test_every_layout_with_and_without_header(layout: list[str], width: int, header: bool) -> None:
    batches = read("asterisk_cdr", written(layout, leg(1), header=header, width=width), own=OWN, **DE)
    row = one(batches)
    assert (
        row
        | {
            "row_number": 1,
            "channel": "phone",
            "direction": "inbound",
            "occurred_at": datetime(2024, 1, 27, 14, 7, 24, tzinfo=UTC),
            "utc_offset_minutes": 60,
            "event_name": "call",
            "company_side": DESK,
            "duration_s": 32,
            "outcome": "answered",
            "interaction_class": "person",
            "is_touch": True,
            "name_hint": "A. Caller",
            "flags": None,
        }
        == row
    )
    if width > 16 or layout is FREEPBX:
        assert row["source_record_id"] == "1706364444.1"
    assert identifiers(batches) == {E164}


def test_columns_of_a_header_may_stand_in_any_order_and_case() -> None:
    content = written([name.upper() for name in reversed(CDR)], {k.upper(): v for k, v in leg().items()}, header=True)
    assert one(read("asterisk_cdr", content, own=OWN, **DE))["duration_s"] == 32


def test_ucm_export() -> None:
    content = (
        "Account Code,Caller Number,Callee Number,Context,CallerID Number,Source Channel,Dest. Channel,Last app.,Last date,"
        "Start Time,Answer Time,End Time,Call Time,Talk Time,Disposition,AMA Flags,Unique ID,Log Userfield,"
        "Dest Channel Extension,Caller Name,Answered by,Session,Premier Caller,Action Type,Source Trunk Name,Destination Trunk Name\r\n"
        f",{CUSTOMER},6500,from-did,,PJSIP/trunk-1,PJSIP/1001-2,Queue,,2024-01-27 15:07:24,,2024-01-27 15:08:04,0:00:40,0:00:32,ANSWERED,DOCUMENTATION,1706364444.10,Inbound,1001,A. Caller,1001,1706364444-1,,QUEUE[6500],t,\r\n"
        f",1001,{CUSTOMER},from-internal,,PJSIP/1001-3,PJSIP/trunk-4,Dial,,2024-01-27 16:07:24,,2024-01-27 16:07:34,0:00:10,0:00:00,NO ANSWER,DOCUMENTATION,1706368044.11,Outbound,,,,1706368044-2,,DIAL,,t\r\n"
        ",1001,1002,from-internal,,PJSIP/1001-3,PJSIP/1002-4,Dial,,2024-01-27 16:07:24,,2024-01-27 16:07:34,0:00:10,0:00:00,NO ANSWER,DOCUMENTATION,1706368044.12,Internal,,,,1706368044-3,,DIAL,,t\r\n"
    )
    batches = read("asterisk_cdr", content, **DE)
    first, second, third = rows(batches)
    assert (first["direction"], first["duration_s"], first["name_hint"]) == ("inbound", 32, "A. Caller")
    assert (second["direction"], second["outcome"], second["is_touch"]) == ("outbound", "no_answer", False)
    assert (third["direction"], third["interaction_class"]) == ("internal", "internal")
    assert identifiers(batches, 3) == set()
    assert identifiers(batches) == {E164}


def test_mysql_dump_with_null_words_and_wrong_quotes() -> None:
    content = (
        "AcctId,tenant,clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,calldate,duration,billsec,billamount,"
        "disposition,amaflags,accountcode,uniqueid,userfield,linkedid,sequence,agiuniqueid,trunk,did,sipcallid,inboundsipcallid\n"
        f'7,NULL,""A. Caller" <{CUSTOMER}>",{CUSTOMER},{DESK},from-trunk,SIP/t-1,NULL,Dial,NULL,2024-01-27 15:07:24,40,32,NULL,ANSWERED,3,NULL,1706364444.1,NULL,NULL,NULL,NULL,NULL,{DESK},NULL,NULL\n'
    )
    batches = read("asterisk_cdr", content, own=OWN, **DE)
    row = one(batches)
    assert (row["name_hint"], row["source_record_id"], row["company_side"]) == ("A. Caller", "1706364444.1", DESK)
    assert identifiers(batches) == {E164}


def test_legs_are_one_call_led_by_the_channel_that_began_it() -> None:
    start = datetime(2024, 1, 27, 14, 7, 24, tzinfo=UTC)
    first = leg(1, start, billsec=0, duration=15, disposition="NO ANSWER")
    linked = first["linkedid"]
    # Written first because it ended first; the two answered legs run side by side for 20 of 32 seconds.
    second = leg(2, start + timedelta(seconds=15), linkedid=linked, duration=32, billsec=32, dst="201", src="202")
    third = leg(3, start + timedelta(seconds=27), linkedid=linked, duration=30, billsec=30, dst="203")
    batches = read(
        "asterisk_cdr", written(CDR, second, leg(9, start + timedelta(hours=1)), first, third), own=OWN, **DE
    )
    call, other = rows(batches)[1], rows(batches)[0]
    assert (call["source_record_id"], call["row_number"], call["occurred_at"]) == (linked, 3, start)
    assert (call["outcome"], call["duration_s"], call["direction"]) == ("answered", 42, "inbound")
    assert other["row_number"] == 2
    assert batches[0].collapsed == {3: 2}
    assert identifiers(batches, 3) == {E164}


def test_of_legs_that_begin_together_the_one_that_names_the_call_leads() -> None:
    local = leg(2, linkedid="1706364444.1", src="201", dst="202", channel="Local/202@queue-1")
    batches = read("asterisk_cdr", written(CDR, local, leg(1)), own=OWN, **DE)
    assert one(batches)["row_number"] == 2
    assert identifiers(batches) == {E164}


def test_database_export_without_header_knows_its_linkedid_and_the_number_dialled() -> None:
    first = leg(1, did=DESK, dst="600")
    legs = [first, leg(2, linkedid=first["linkedid"], did=DESK, dst="201")]
    batches = read("asterisk_cdr", written(FREEPBX, *legs), own=OWN, **DE)
    assert one(batches)["company_side"] == DESK
    assert batches[0].collapsed == {1: 1}


def test_unanswered_legs_end_as_the_most_telling_of_them() -> None:
    ends = ("FAILED", "BUSY", "NO ANSWER")
    legs = [leg(n, disposition=end, billsec=0, linkedid="1706364444.0") for n, end in enumerate(ends)]
    row = one(read("asterisk_cdr", written(CDR, *legs), own=OWN, **DE))
    assert (row["outcome"], row["duration_s"]) == ("busy", 0)


@pytest.mark.parametrize("said", ["ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION", ""])
def test_outcomes(said: str) -> None:
    row = one(read("asterisk_cdr", written(CDR, leg(disposition=said)), own=OWN, **DE))
    assert row["outcome"] == (said.lower().replace(" ", "_") or None)


def test_legs_in_a_later_stretch_belong_to_the_call_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = text.CsvFile.chunks.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "rows", 2)
    legs = [
        leg(1),
        leg(2, linkedid="1706364444.1"),
        leg(3, linkedid="1706364444.1"),
        leg(4),
        leg(5, linkedid="1706364444.1"),
    ]
    batches = read("asterisk_cdr", written(CDR, *legs), own=OWN, **DE)
    assert len(batches) == 3
    assert [row["row_number"] for row in rows(batches)] == [1, 4]
    assert [batch.collapsed for batch in batches] == [{1: 1}, {1: 1}, {1: 1}]


def test_without_any_id_every_row_is_a_call() -> None:
    legs = [leg(uniqueid="0", linkedid="0"), leg(uniqueid="0", linkedid="0")]
    assert len(rows(read("asterisk_cdr", written(CDR, *legs), own=OWN, **DE))) == 2


@pytest.mark.parametrize(
    ("cells", "direction", "company", "customer"),
    [
        ({}, "inbound", DESK, {E164}),
        ({"src": "201", "dst": CUSTOMER, "dcontext": "from-internal"}, "outbound", "201", {E164}),
        ({"src": DESK, "dst": CUSTOMER, "dcontext": "from-internal"}, "outbound", DESK, {E164}),
        ({"src": "201", "dst": "202", "dcontext": "from-internal"}, "internal", "201", set()),
        ({"src": "201", "dst": "*97", "dcontext": "from-internal"}, "internal", "201", set()),
        ({"dst": "s"}, "inbound", "s", {E164}),
        ({"dst": "211474"}, "inbound", "211474", {E164}),
        # Neither end is known to be the company's: the context tells.
        ({"src": "03023125888", "dst": CUSTOMER, "dcontext": "from-internal"}, "outbound", "03023125888", {E164}),
        # The device on its own channel is inside, however long its number.
        ({"src": "7001234", "dst": CUSTOMER, "channel": "PJSIP/7001234-0000a1"}, "outbound", "7001234", {E164}),
    ],
)
def test_direction_and_customers_side(
    cells: dict[str, object], direction: str, company: str, customer: set[tuple[str, str, bool]]
) -> None:
    batches = read("asterisk_cdr", written(CDR, leg(**cells)), own=OWN, **DE)
    row = one(batches)
    assert (row["direction"], row["company_side"]) == (direction, company)
    assert row["is_touch"] == (direction == "inbound")
    assert row["interaction_class"] == ("internal" if direction == "internal" else "person")
    assert (row["name_hint"] is not None) == (direction == "inbound")
    assert identifiers(batches) == customer


@pytest.mark.parametrize("src", ["anonymous", "Restricted", "unknown", "", "0", "Unavailable"])
def test_withheld_caller_is_kept_without_identifier(src: str) -> None:
    batches = read("asterisk_cdr", written(CDR, leg(src=src, clid=f'"{src}" <{src}>')), own=OWN, **DE)
    row = one(batches)
    assert (row["direction"], row["interaction_class"]) == ("inbound", "person")
    assert identifiers(batches) == set()


def test_caller_known_only_by_the_caller_id() -> None:
    batches = read("asterisk_cdr", written(CDR, leg(src="")), own=OWN, **DE)
    assert identifiers(batches) == {E164}


@pytest.mark.parametrize(
    ("clid", "hint"),
    [
        ('"A. Caller" <1>', "A. Caller"),
        ("A. Caller", "A. Caller"),
        ('"+4930" <+4930>', None),
        ('"" <1>', None),
        ("<1>", None),
    ],
)
def test_caller_id_name(clid: str, hint: str | None) -> None:
    assert one(read("asterisk_cdr", written(CDR, leg(clid=clid)), own=OWN, **DE))["name_hint"] == hint


def test_options_for_long_extensions_and_the_outside_line() -> None:
    content = written(CDR, leg(src="123456", dst="9" + CUSTOMER))
    batches = read("asterisk_cdr", content, own=OWN, options={"extension_digits": 6, "outside_line": "9"}, **DE)
    assert one(batches)["direction"] == "outbound"
    assert identifiers(batches) == {E164}


def hourly(
    count: int, begin: datetime = datetime(2024, 3, 1, 6, tzinfo=UTC), step: int = 13, **cells: Any
) -> list[dict[str, object]]:
    return [leg(n, begin + timedelta(hours=step * n), **cells) for n in range(count)]


def test_zone_that_the_unique_ids_contradict_is_flagged() -> None:
    content = written(CDR, *hourly(80, written_in="America/New_York"))  # over the change to summer time
    flags = [row["flags"] for row in rows(read("asterisk_cdr", content, own=OWN, **DE))]
    assert set(flags) == {"zone_mismatch"}
    right = read("asterisk_cdr", content, own=OWN, phone_region="DE", zone="America/New_York")
    assert {row["flags"] for row in rows(right)} == {None}


def test_late_legs_are_no_sign_of_a_wrong_zone() -> None:
    calls = hourly(10)
    calls[3]["uniqueid"] = calls[3]["linkedid"] = "1709265600.77"
    assert {row["flags"] for row in rows(read("asterisk_cdr", written(CDR, *calls), own=OWN, **DE))} == {None}


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"])
def test_unique_ids_prove_the_order_of_day_and_month(form: str) -> None:
    calls = hourly(30, form=form)
    begun = [datetime.fromtimestamp(float(str(call["uniqueid"]).split(".")[0]), UTC) for call in calls]
    batches = read("asterisk_cdr", written(FREEPBX, *calls), own=OWN, **DE)
    assert [row["occurred_at"] for row in rows(batches)] == begun
    right, wrong = ("dmy", "mdy") if form.startswith("%d") else ("mdy", "dmy")
    assert len(rows(read("asterisk_cdr", written(FREEPBX, *calls), own=OWN, date_order=right, **DE))) == 30
    with pytest.raises(UnreadableFile) as error:
        read("asterisk_cdr", written(FREEPBX, *calls), own=OWN, date_order=wrong, **DE)
    assert error.value.reason == "wrong_date_order"


def test_open_date_order_without_proof_is_refused() -> None:
    batches = read("asterisk_cdr", written(FREEPBX, leg(form="%d/%m/%Y %H:%M:%S", uniqueid="x")), own=OWN, **DE)
    assert reasons(batches) == [(1, "bad_timestamp")]


def test_hour_that_occurs_twice_is_flagged() -> None:
    at = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    row = one(read("asterisk_cdr", written(CDR, leg(at=at)), own=OWN, **DE))
    assert (row["flags"], row["occurred_at"]) == ("dst_ambiguous", at)


def test_bad_records_are_refused_and_the_rest_goes_on() -> None:
    good = written(CDR, leg(1), leg(2), leg(3)).splitlines()
    broken = written(CDR, leg(4, start="2024-02-30 10:00:00"), leg(5, start="")).splitlines()
    content = "\n".join(
        [good[0], '"cut', broken[0], good[1], broken[1], '"","1","2"', good[2].replace("Dial", "Di\0al"), good[2]]
    )
    batches = read("asterisk_cdr", content, own=OWN, **DE)
    assert [row["row_number"] for row in rows(batches)] == [1, 4, 8]
    assert reasons(batches) == [
        (2, "broken_quote"), (3, "bad_timestamp"), (5, "missing_timestamp"), (6, "bad_width"), (7, "nul_byte"),
    ]  # fmt: skip
    (stamp,) = [each for each in batches[0].rejected if each.row_number == 3]
    assert (stamp.line, stamp.raw) == (3, broken[0].encode())


@pytest.mark.parametrize("layout", [CDR, CUSTOM, FREEPBX])
def test_layout_is_known_from_one_good_cell_among_broken_records(layout: list[str]) -> None:
    """A small file may hold little but trouble."""
    no_start = written(layout, leg(1, start="27 Jan at seven")).strip()
    batches = read("asterisk_cdr", f'{no_start}\n"","030\n', own=OWN, **DE)
    assert reasons(batches) == [(1, "bad_timestamp"), (2, "broken_quote")]


@pytest.mark.parametrize("content", ["a,b,c\n1,2,3\n", "just text\n"])
def test_something_else_is_unknown(content: str) -> None:
    with pytest.raises(UnreadableFile) as error:
        read("asterisk_cdr", content, **DE)
    assert error.value.reason == "unknown_format"


def test_lengths_of_time() -> None:
    import pyarrow as pa

    assert seconds(pa.array(["27", "0:01:05", None, "1:00:00", "x", "3.7"])).tolist() == [27, 65, 0, 3600, 0, 3]
