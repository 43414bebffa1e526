"""Salesforce exports: real warehouse copies to the row, Data Loader files and reports as the product writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deliveries import identifiers, one, read, reasons, rows

from customer360.connectors.base import UnreadableFile
from customer360.connectors.salesforce import id18

CONTACT = "0035500000AbCdE"  # 15 characters
LEAD = "00Q550000012345AAA"
ACCOUNT = "0015500000Xyy06AAB"  # from a real export, with its checksum


def csv(*lines: str) -> str:
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("name", "entity", "count"),
    [
        ("account", "contact_record", 10),
        ("contact", "contact_record", 4),
        ("lead", "contact_record", 1),
        ("opportunity", "opportunity", 10),
        ("opportunity_history", "opportunity_stage", 10),
        ("order", "sales_order", 10),
        ("event", "interaction", 10),
        ("task", "interaction", 10),
    ],
)
def test_real_warehouse_copies_are_accounted_for(samples: Path, name: str, entity: str, count: int) -> None:
    batches = read("salesforce", samples / "crm" / f"salesforce_{name}_data.csv", phone_region="US")
    assert len(rows(batches, entity)) == count
    assert reasons(batches) == []


def test_a_real_order_is_delivered_when_activated(samples: Path) -> None:
    order = rows(read("salesforce", samples / "crm" / "salesforce_order_data.csv", currency="USD"), "sales_order")[1]
    assert order["source_record_id"] == "8011G000000XFePQAW"
    assert order["account_ref"] == "salesforce:account:0011G00000gY0y4QAC"
    assert (order["amount"], order["currency"]) == (Decimal("27998.6"), "USD")
    assert order["delivered_at"] == datetime(2019, 11, 11, 17, 23, 34, tzinfo=UTC)


def test_ids_of_15_characters_get_their_checksum() -> None:
    given = pa.array([ACCOUNT[:15], ACCOUNT, "001500000000000", "no id at all", None])
    assert id18(given).to_pylist() == [ACCOUNT, ACCOUNT, "001500000000000AAA", "no id at all", None]


def test_data_loader_contact() -> None:
    batches = read(
        "salesforce",
        csv(
            "Id,IsDeleted,MasterRecordId,AccountId,LastName,FirstName,MailingCountryCode,MailingCountry,Phone,MobilePhone,"
            "Fax,Email,HasOptedOutOfEmail,DoNotCall,LeadSource,Birthdate,CreatedDate,LastModifiedDate",
            f"{CONTACT},false,,{ACCOUNT},Weber,Zoe,,Germany,(030) 23125 001,0152 28817386,030 23125002,Zoe@Example.com,"
            "true,false,Web,1990-02-28,2026-01-31T23:00:00.000Z,2026-02-01T00:00:00.000+0000",
        ),
        zone="Europe/Berlin",
        phone_region="DE",
    )
    record = one(batches, "contact_record")
    full = id18(pa.array([CONTACT]))[0].as_py()
    assert record["source_record_id"] == full
    assert record["record_kind"] == "contact"
    assert (record["given_name"], record["family_name"], record["country"]) == ("Zoe", "Weber", "Germany")
    assert record["account_ref"] == f"salesforce:account:{ACCOUNT}"
    assert record["consent"] == '{"email": false, "phone": true}'
    assert record["acquisition_source"] == "Web"
    assert record["birth_date"].isoformat() == "1990-02-28"
    assert record["created_at"] == datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert record["observed_at"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert identifiers(batches) == {
        ("account_ref", f"salesforce:contact:{full}", True),
        ("email", "zoe@example.com", True),
        ("phone", "+493023125001", True),
        ("phone", "+4915228817386", True),
        ("fax", "+493023125002", True),
    }


def test_order_case_extra_and_missing_columns_do_not_matter() -> None:
    batches = read("salesforce", csv("Custom__c,EMAIL,lastname,id", f"x,a@example.com,Weber,{CONTACT}"))
    assert one(batches, "contact_record")["family_name"] == "Weber"
    assert ("email", "a@example.com", True) in identifiers(batches)


def test_a_merged_contact_is_the_one_who_stayed() -> None:
    batches = read(
        "salesforce",
        csv("Id,IsDeleted,MasterRecordId,LastName,Email", "003550000000001AAA,true,003550000000002AAA,Weber,"),
    )
    assert one(batches, "contact_record")["merged_into"] == "003550000000002AAA"
    assert one(batches, "contact_record")["is_deleted"] is True
    assert ("account_ref", "salesforce:contact:003550000000002AAA", True) in identifiers(batches)


def test_a_converted_lead_carries_the_contact_it_became() -> None:
    batches = read(
        "salesforce",
        csv(
            "Id,LastName,Company,Status,IsConverted,ConvertedContactId,ConvertedAccountId,Email",
            f"{LEAD},Weber,Muster AG,Qualified,true,{CONTACT},{ACCOUNT},z@example.com",
        ),
        system="sf",
    )
    record = one(batches, "contact_record")
    assert (record["record_kind"], record["stated_stage"], record["organisation"]) == ("lead", "Qualified", "Muster AG")
    assert record["account_ref"] == f"sf:account:{ACCOUNT}"
    found = {value for kind, value, _ in identifiers(batches) if kind == "account_ref"}
    assert found == {f"sf:lead:{LEAD}", f"sf:contact:{id18(pa.array([CONTACT]))[0].as_py()}"}


def test_an_account_is_an_organisation_and_a_person_account_a_person() -> None:
    batches = read(
        "salesforce",
        csv(
            "Id,Name,IsPersonAccount,PersonContactId,PersonEmail,Phone,BillingCity",
            f"{ACCOUNT},Muster AG,false,,,(030) 23125 003,Berlin",
            "001550000000009AAA,Zoe Weber,true,003550000000007AAA,z@example.com,,Berlin",
        ),
        phone_region="DE",
    )
    organisation, person = rows(batches, "contact_record")
    assert (organisation["record_kind"], organisation["organisation"]) == ("account", "Muster AG")
    assert ("phone", "+493023125003", True) in identifiers(batches, 1)
    assert (person["record_kind"], person["full_name"], person["organisation"]) == ("contact", "Zoe Weber", None)
    assert identifiers(batches, 2) == {
        ("account_ref", "salesforce:account:001550000000009AAA", True),
        ("account_ref", "salesforce:contact:003550000000007AAA", True),
        ("email", "z@example.com", True),
    }


def test_a_report_with_labels_short_ids_and_footer_lines() -> None:
    batches = read(
        "salesforce",
        csv(
            '"Contact ID","First Name","Last Name","Account Name","Account ID","Email","Mobile","Created Date"',
            f'"{CONTACT}","Zoe","Weber","Muster AG","{ACCOUNT[:15]}","z@example.com","0152 28817386","31.01.2026"',
            "",
            '"Grand Totals (1 Record)"',
            '"Copyright (c) 2000-2026 salesforce.com, inc. All rights reserved."',
            '"Confidential Information - Do Not Distribute"',
        ),
        date_order="dmy",
        phone_region="DE",
    )
    record = one(batches, "contact_record")
    assert record["source_record_id"] == id18(pa.array([CONTACT]))[0].as_py()
    assert record["account_ref"] == f"salesforce:account:{ACCOUNT}"
    assert record["created_at"] == datetime(2026, 1, 31, tzinfo=UTC)
    assert ("phone", "+4915228817386", True) in identifiers(batches)
    assert reasons(batches) == [(2, "report_footer"), (3, "report_footer"), (4, "report_footer")]


def test_footers_as_wide_as_the_report_are_footers_too_and_a_cut_record_is_not() -> None:
    batches = read(
        "salesforce",
        csv("Contact ID,Last Name,Email", f"{CONTACT},Weber,z@example.com", "0035500000AbCdF", "Grand Totals,,"),
    )
    assert reasons(batches) == [(2, "bad_width"), (3, "report_footer")]


def test_a_report_without_ids_calls_its_records_by_their_content() -> None:
    report = csv("First Name,Last Name,Email,Account Name", "Zoe,Weber,z@example.com,Muster AG", "Al,Ott,,Muster AG")
    first, second = (rows(read("salesforce", report), "contact_record") for _ in range(2))
    assert [row["source_record_id"] for row in first] == [row["source_record_id"] for row in second]
    assert len({row["source_record_id"] for row in first}) == 2


def test_opportunity_names_its_contact() -> None:
    batches = read(
        "salesforce",
        csv(
            "Id,AccountId,ContactId,Name,StageName,Amount,Probability,IsClosed,IsWon,CloseDate,CreatedDate,LeadSource",
            f"006550000000001AAA,{ACCOUNT},003550000000002AAA,Deal,Negotiation,1200.5,60,false,false,2026-03-01,"
            "2026-01-01T00:00:00.000Z,Event",
        ),
        currency="EUR",
    )
    deal = one(batches, "opportunity")
    assert (deal["stage"], deal["amount"], deal["currency"]) == ("Negotiation", Decimal("1200.5"), "EUR")
    assert (deal["is_closed"], deal["is_won"], deal["probability"]) == (False, False, Decimal(60))
    assert deal["contact_ref"] == "salesforce:contact:003550000000002AAA"
    assert identifiers(batches) == {("account_ref", "salesforce:contact:003550000000002AAA", True)}


def test_an_opportunity_report_tells_won_by_the_stage() -> None:
    batches = read(
        "salesforce",
        csv(
            "Opportunity ID,Opportunity Name,Stage,Amount,Amount Currency,Probability (%),Close Date,Opportunity Owner",
            '006550000000001,A,Closed Won,"1.200,50",EUR,100%,2026-03-01,Al',
            "006550000000002,B,Closed Lost,2.000,EUR,0%,2026-03-01,Al",
            '006550000000003,C,Prospecting,"3,50",EUR,10%,2026-03-01,Al',
        ),
    )
    deals = rows(batches, "opportunity")
    assert [(deal["is_closed"], deal["is_won"]) for deal in deals] == [(True, True), (True, False), (False, False)]
    assert [deal["amount"] for deal in deals] == [Decimal("1200.5"), Decimal(2000), Decimal("3.5")]
    assert [deal["probability"] for deal in deals] == [100, 0, 10]


def test_both_histories_become_stages() -> None:
    history = one(
        read(
            "salesforce",
            csv("Id,OpportunityId,CreatedDate,StageName,Amount", "008x,006550000000001,2026-01-02T00:00:00Z,Won,5"),
        ),
        "opportunity_stage",
    )
    changes = read(
        "salesforce",
        csv(
            "Id,OpportunityId,Field,OldValue,NewValue,CreatedDate",
            "017a,006550000000001AAA,StageName,Open,Won,2026-01-02T00:00:00Z",
            "017b,006550000000001AAA,Amount,1,2,2026-01-02T00:00:00Z",
        ),
    )
    change = one(changes, "opportunity_stage")
    assert history["opportunity_ref"] == change["opportunity_ref"] == "006550000000001AAA"
    assert (history["stage"], change["stage"]) == ("Won", "Won")
    assert history["entered_at"] == change["entered_at"] == datetime(2026, 1, 2, tzinfo=UTC)
    assert reasons(changes) == [(2, "not_a_stage")]


def test_a_snapshot_enters_a_stage_only_when_it_changes() -> None:
    batches = read(
        "salesforce",
        csv(
            "_fivetran_start,_fivetran_active,id,stage_name,amount,name,close_date",
            "2026-01-05 00:00:00,true,o1,Won,3,Deal,2026-02-01",
            "2026-01-01 00:00:00,false,o1,Open,1,Deal,2026-02-01",
            "2026-01-03 00:00:00,false,o1,Open,2,Deal,2026-02-01",
            "2026-01-04 00:00:00,true,o2,Open,9,Other,2026-02-01",
        ),
    )
    entered = {
        (row["opportunity_ref"], row["stage"], row["entered_at"].day) for row in rows(batches, "opportunity_stage")
    }
    assert entered == {("o1", "Open", 1), ("o1", "Won", 5), ("o2", "Open", 4)}
    assert {2: 1} == {at: count for batch in batches for at, count in batch.collapsed.items()}
    assert [(row["source_record_id"], row["amount"]) for row in rows(batches, "opportunity")] == [("o1", 3), ("o2", 9)]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("Call,,Completed,true,Inbound,Talk", ("phone", "inbound", "person", True)),
        ("Call,,Completed,true,Outbound,Talk", ("phone", "outbound", "person", False)),
        ("Email,,Completed,true,,Offer", ("email", "outbound", "person", False)),
        (",Email,Completed,true,,Offer", ("email", "outbound", "person", False)),
        (",Task,Completed,true,,Email: your offer", ("email", "outbound", "person", False)),
        (",Task,Completed,true,,Write the offer", ("phone", "internal", "internal", False)),
        ("Meeting,,Completed,true,,Visit", ("in_person", "inbound", "person", True)),
        ("Call,,Not Started,false,Inbound,Talk", ("phone", "internal", "internal", False)),
    ],
)
def test_tasks_by_type(cells: str, expected: tuple[str, str, str, bool]) -> None:
    batches = read(
        "salesforce",
        csv(
            "Id,WhoId,ActivityDate,Type,TaskSubtype,Status,IsClosed,CallType,Subject",
            f"00T550000000001AAA,{CONTACT},2026-01-02,{cells}",
        ),
    )
    task = one(batches)
    assert (task["channel"], task["direction"], task["interaction_class"], task["is_touch"]) == expected


def test_events_are_meetings_with_a_contact_a_lead_or_an_account() -> None:
    batches = read(
        "salesforce",
        csv(
            "Id,WhoId,WhatId,Subject,StartDateTime,EndDateTime,DurationInMinutes",
            f"00U550000000001AAA,{CONTACT},,Demo,2026-01-02T10:00:00.000Z,2026-01-02T11:00:00.000Z,60",
            f"00U550000000002AAA,{LEAD},,Demo,2026-01-02T10:00:00.000Z,2026-01-02T11:00:00.000Z,60",
            f"00U550000000003AAA,,{ACCOUNT},Demo,2026-01-02T10:00:00.000Z,2026-01-02T11:00:00.000Z,60",
        ),
        zone="Europe/Berlin",
    )
    meeting = rows(batches)[0]
    assert (meeting["channel"], meeting["event_name"], meeting["duration_s"]) == ("in_person", "meeting", 3600)
    assert meeting["utc_offset_minutes"] == 60
    full = id18(pa.array([CONTACT]))[0].as_py()
    assert [value for at in (1, 2, 3) for _, value, _ in identifiers(batches, at)] == [
        f"salesforce:contact:{full}",
        f"salesforce:lead:{LEAD}",
        f"salesforce:account:{ACCOUNT}",
    ]


def test_ids_tell_the_object_where_the_columns_do_not() -> None:
    """A bare Id, Name and Email may be anybody's: the first characters of an id are the object's."""
    leads = read("salesforce", csv("Id,LastName,Email,Title", f"{LEAD},Weber,z@example.com,Boss"))
    assert one(leads, "contact_record")["record_kind"] == "lead"
    with pytest.raises(UnreadableFile, match=r"unknown_object: user"):
        read("salesforce", csv("Id,LastName,Email,Title", "005550000000001AAA,Weber,z@example.com,Boss"))


@pytest.mark.parametrize("header", ["Id,Name", "Id,Username,LastName,Email,AccountId", "a,b,c"])
def test_other_objects_are_unreadable(header: str) -> None:
    with pytest.raises(UnreadableFile, match="unknown_object"):
        read("salesforce", csv(header, ",".join("x" for _ in header.split(","))))


def test_values_that_do_not_fit_refuse_the_record_and_name_the_column() -> None:
    batches = read(
        "salesforce",
        csv(
            "Id,LastName,Email,Last Modified Date,AccountId",
            f"{CONTACT},Weber,z@example.com,soon,",
            ",Weber,z@example.com,2026-01-01,",
        ),
    )
    assert rows(batches, "contact_record") == rows(batches, "identifier") == []
    refused = sorted((each for batch in batches for each in batch.rejected), key=lambda each: each.row_number)
    assert [(each.reason, each.detail) for each in refused] == [
        ("bad_value", "Last Modified Date"),
        ("missing_id", None),
    ]
    assert refused[0].raw == f"{CONTACT},Weber,z@example.com,soon,".encode()
    assert refused[0].line == 2
