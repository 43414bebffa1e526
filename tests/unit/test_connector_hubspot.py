"""HubSpot exports: real warehouse copies to the row, and the app's files with their labels."""

from __future__ import annotations

import csv as csv_module
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from deliveries import identifiers, one, read, reasons, rows

from customer360.connectors.base import UnreadableFile


def csv(*lines: str) -> str:
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("path", "entity", "count"),
    [
        ("crm/hubspot_company_data.csv", "contact_record", 24),
        ("crm/hubspot_contact_data.csv", "contact_record", 22),
        ("crm/hubspot_contact_merge_audit_data.csv", "contact_record", 4),
        ("crm/hubspot_contact_form_submission_data.csv", "interaction", 5),
        ("crm/hubspot_deal_data.csv", "opportunity", 44),
        ("crm/hubspot_deal_stage_data.csv", "opportunity_stage", 14),
        ("meetings/hubspot_engagement_meeting_data.csv", "interaction", 100),
        ("meetings/hubspot_engagement_call_data.csv", "interaction", 1),
        ("email/hubspot_email_event_data.csv", "interaction", 100),
    ],
)
def test_real_warehouse_copies_are_accounted_for(samples: Path, path: str, entity: str, count: int) -> None:
    batches = read("hubspot", samples / path, phone_region="US")
    assert len(rows(batches, entity)) == count
    assert reasons(batches) == []


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("crm/hubspot_form_data.csv", 5),
        ("email/hubspot_email_campaign_data.csv", 100),
        ("email/hubspot_email_event_bounce_data.csv", 100),
        ("email/hubspot_email_event_click_data.csv", 100),
        ("email/hubspot_email_event_open_data.csv", 100),
    ],
)
def test_real_files_that_only_describe_hold_nobody(samples: Path, path: str, count: int) -> None:
    batches = read("hubspot", samples / path)
    assert [reason for _, reason in reasons(batches)] == ["not_a_contact"] * count


def test_a_real_contact_keeps_the_references_of_those_merged_into_it(samples: Path) -> None:
    batches = read("hubspot", samples / "crm" / "hubspot_contact_data.csv")
    references = {value for kind, value, _ in identifiers(batches, 1) if kind == "account_ref"}
    assert references == {f"hubspot:contact:{each}" for each in ("78971951", "76340251", "46897301", "76226001")}


def test_real_email_events_by_type(samples: Path) -> None:
    path = samples / "email" / "hubspot_email_event_data.csv"
    with path.open(newline="") as stream:
        given = Counter(row["type"] for row in csv_module.DictReader(stream))
    found = Counter(row["outcome"] for row in rows(read("hubspot", path)))
    assert found["opened"] == given["OPEN"] > 0
    assert found["clicked"] == given["CLICK"]
    assert found.total() == given.total()


def test_contacts_as_the_app_exports_them() -> None:
    batches = read(
        "hubspot",
        csv(
            "Record ID,First Name,Last Name,Email,Phone Number,Mobile Phone Number,Lifecycle Stage,Original Source,"
            "Create Date,Associated Company IDs,Additional email addresses,Unsubscribed from all email,Merged object IDs",
            "501,Zoe,Weber,Zoe@Example.com,030 23125001,0152 28817386,Customer,Organic Search,2026-01-31 14:05,"
            '"77;78",z@example.org;w@example.net,true,401;402',
        ),
        zone="Europe/Berlin",
        phone_region="DE",
    )
    record = one(batches, "contact_record")
    assert (record["source_record_id"], record["record_kind"]) == ("501", "contact")
    assert (record["stated_stage"], record["acquisition_source"]) == ("Customer", "Organic Search")
    assert record["account_ref"] == "hubspot:company:77"
    assert record["consent"] == '{"email": false}'
    assert record["created_at"] == datetime(2026, 1, 31, 13, 5, tzinfo=UTC)
    assert identifiers(batches) == {
        ("account_ref", "hubspot:contact:501", True),
        ("account_ref", "hubspot:contact:401", True),
        ("account_ref", "hubspot:contact:402", True),
        ("email", "zoe@example.com", True),
        ("email", "z@example.org", True),
        ("email", "w@example.net", True),
        ("phone", "+493023125001", True),
        ("phone", "+4915228817386", True),
    }


def test_a_buying_role_is_kept_as_an_attribute() -> None:
    text = csv(
        "Record ID,First Name,Email,Buying Role",
        "1,Ann,ann@example.com,DECISION_MAKER;BUDGET_HOLDER",
        "2,Bo,bo@example.com,",
        '3,Cy,cy@example.com,"so-called ""Champion"" \\"',
    )
    found = rows(read("hubspot", text), "contact_record")
    assert [row["attributes"] for row in found] == [
        '{"buying_role": "DECISION_MAKER;BUDGET_HOLDER"}',
        None,
        '{"buying_role": "so-called Champion "}',
    ]


def test_a_merge_ties_the_contact_that_is_gone_to_the_one_that_stays() -> None:
    batches = read(
        "hubspot", csv("canonical_vid,contact_id,vid_to_merge,timestamp", "55,55,11,2019-10-08 15:50:57"), system="hs"
    )
    record = one(batches, "contact_record")
    assert (record["merged_into"], record["is_deleted"]) == ("55", True)
    assert identifiers(batches) == {("account_ref", "hs:contact:11", True), ("account_ref", "hs:contact:55", True)}


def test_a_company_is_an_account_and_a_list_of_contacts_is_none() -> None:
    batches = read(
        "hubspot",
        csv("Record ID,Company name,Phone Number,City", "77,Muster AG,030 23125003,Berlin"),
        phone_region="DE",
    )
    record = one(batches, "contact_record")
    assert (record["record_kind"], record["organisation"], record["city"]) == ("account", "Muster AG", "Berlin")
    assert identifiers(batches) == {("account_ref", "hubspot:company:77", True), ("phone", "+493023125003", True)}
    with pytest.raises(UnreadableFile, match="unknown_object"):
        read("hubspot", csv("id,name,dynamic,deleteable,createdate", "1,Everybody,true,true,2026-01-01"))


def test_a_deal_is_its_primary_contacts() -> None:
    batches = read(
        "hubspot",
        csv(
            "Record ID,Deal Name,Deal Stage,Amount,Currency,Close Date,Create Date,Associated Contact IDs,"
            "Associated Company IDs,Deal probability",
            '9,Deal,Closed Won,"1,200.50",USD,2026-02-01,2026-01-01,501;502,77,0.2',
            "10,Deal,Wonderful talks,,,,2026-01-01,,,",
        ),
        currency="EUR",
    )
    won, open_ = rows(batches, "opportunity")
    assert (won["is_won"], won["is_closed"], won["amount"], won["currency"]) == (True, True, Decimal("1200.5"), "USD")
    assert won["probability"] == Decimal(20)
    assert (won["contact_ref"], won["account_ref"]) == ("hubspot:contact:501", "hubspot:company:77")
    assert (open_["is_won"], open_["is_closed"], open_["currency"]) == (False, False, "EUR")
    assert identifiers(batches) == {("account_ref", "hubspot:contact:501", True)}


def test_deal_stages_have_a_deal_a_stage_and_a_time() -> None:
    batches = read(
        "hubspot",
        csv("deal_id,value,date_entered", "9,won,2026-01-01 10:00:00", "9,,2026-01-01 10:00:00", "9,won,"),
    )
    assert one(batches, "opportunity_stage")["opportunity_ref"] == "9"
    assert reasons(batches) == [(2, "missing_value"), (3, "missing_value")]


def test_a_form_brings_its_campaign() -> None:
    batches = read(
        "hubspot",
        csv(
            "timestamp,form_id,contact_id,conversion_id,page_url,title",
            "2026-01-01 10:00:00,f1,501,c1,https://example.com/guide?utm_source=News&utm_medium=email&gclid=1,Guide",
        ),
    )
    form = one(batches)
    assert (form["page_path"], form["utm_source"], form["utm_medium"]) == ("/guide", "news", "email")
    assert (form["click_id_type"], form["event_name"], form["is_touch"]) == ("gclid", "form", True)
    assert identifiers(batches) == {("account_ref", "hubspot:contact:501", True)}


def test_form_submissions_as_the_app_exports_them() -> None:
    batches = read(
        "hubspot",
        csv(
            "Conversion Date,Conversion Page,First Name,Last Name,Email",
            "2026-01-01 10:00,https://example.com/guide,Zoe,Weber,zoe@example.com",
        ),
    )
    assert one(batches)["name_hint"] == "Zoe Weber"
    assert identifiers(batches) == {("email", "zoe@example.com", True)}


@pytest.mark.parametrize(
    ("cells", "kind", "touch", "flags"),
    [
        ("OPEN,false,2026-01-01 10:00:00,Mozilla/5.0 (Windows NT 10.0) Gecko Thunderbird/128.0", "person", False, None),
        ("OPEN,false,2026-01-01 10:00:00,Mozilla/5.0", "bot", False, "machine_open"),
        ("OPEN,false,2026-01-01 10:00:00,via ggpht.com GoogleImageProxy", "bot", False, "machine_open"),
        ("OPEN,false,2026-01-01 09:00:01,Thunderbird", "bot", False, "machine_open"),
        ("OPEN,true,2026-01-01 10:00:00,Thunderbird", "bot", False, None),
        ("CLICK,false,2026-01-01 10:00:00,Thunderbird", "person", True, None),
        ("CLICK,true,2026-01-01 10:00:00,Thunderbird", "bot", False, None),
        ("SENT,false,2026-01-01 09:00:00,", "bulk", False, None),
        ("BOUNCE,false,2026-01-01 09:00:00,", "bounce", False, None),
    ],
)
def test_email_events_by_type_and_program(cells: str, kind: str, touch: bool, flags: str | None) -> None:
    event_type, filtered, created, agent = cells.split(",")
    batches = read(
        "hubspot",
        csv(
            "id,recipient,type,filtered_event,created,sent_by_created,user_agent,email_campaign_id",
            f"e1,z@example.com,{event_type},{filtered},{created},2026-01-01 09:00:00,{agent},42",
        ),
    )
    event = one(batches)
    assert (event["interaction_class"], event["is_touch"], event["flags"]) == (kind, touch, flags)
    assert event["direction"] == ("outbound" if event_type == "SENT" else "inbound")
    assert event["utm_campaign"] == "42"
    assert identifiers(batches) == {("email", "z@example.com", True)}


def test_engagements_by_kind() -> None:
    batches = read(
        "hubspot",
        csv(
            "engagement_id,type,property_hs_timestamp,property_hs_call_direction,property_hs_call_duration,"
            "property_hs_call_from_number,property_hs_call_to_number",
            "1,CALL,2026-01-01 10:00:00,INBOUND,61500,+493023125001,+493023125099",
            "2,CALL,2026-01-01 10:00:00,OUTBOUND,,+493023125099,+493023125001",
            "3,NOTE,2026-01-01 10:00:00,,,,",
            "4,INCOMING_EMAIL,2026-01-01 10:00:00,,,,",
        ),
    )
    calls = rows(batches)
    assert [(row["channel"], row["direction"], row["duration_s"]) for row in calls] == [
        ("phone", "inbound", 61),
        ("phone", "outbound", None),
        ("email", "inbound", None),
    ]
    assert identifiers(batches) == {("phone", "+493023125001", True)}
    assert reasons(batches) == [(3, "not_a_contact")]


def test_a_meeting_that_was_not_held_is_no_touch() -> None:
    batches = read(
        "hubspot",
        csv(
            "engagement_id,start_time,end_time,meeting_outcome,title",
            "1,2026-01-01 10:00:00,2026-01-01 10:30:00,COMPLETED,a",
            "2,2026-01-01 10:00:00,2026-01-01 10:30:00,NO_SHOW,b",
            "3,2026-01-01 10:00:00,2026-01-01 09:30:00,,c",
        ),
    )
    found = [(row["is_touch"], row["interaction_class"], row["duration_s"]) for row in rows(batches)]
    assert found == [(True, "person", 1800), (False, "internal", 1800), (True, "person", None)]
