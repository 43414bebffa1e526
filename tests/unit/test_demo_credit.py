"""The demo's table of truth: what truly brought conversions, what models credit, and by how much they are off."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from customer360.demo.credit import CreditTruth, hits, true_identified, true_orders

TABLES = {
    "persons": "person_id,acquisition_source\n1,media\n2,media\n3,event\n4,website\n",
    "records": "source,record_kind,source_record_id,person_id\n"
    "crm,contact,a,1\ncrm,contact,b,1\nweb,form,c,3\nweb,interaction,d,4\nweb,user,e,2\nfair,form,f,\n",
    "orders": "source,record_kind,source_record_id,person_id,status\n"
    "crm,sales_order,x,1,Activated\ncrm,sales_order,y,1,Cancelled\nshop,sales_order,x,3,completed\n",
}


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    for name, text in TABLES.items():
        (tmp_path / f"{name}.csv").write_text(text, "utf-8")
    return tmp_path


def test_true_conversions_are_counted_under_what_first_brought_the_person(truth: Path) -> None:
    # Once each, however many records tell of it; an order that was called off is none.
    assert true_identified(truth) == {"media": 2, "event": 1}
    orders = {("crm", "sales_order", "x"): "media", ("shop", "sales_order", "x"): "event"}
    assert true_orders(truth) == orders


def test_a_hit_is_credit_that_went_to_the_true_source_of_that_very_order() -> None:
    one, other, nobodys = ("crm", "sales_order", "x"), ("shop", "sales_order", "x"), ("crm", "sales_order", "z")
    shares = [
        (one, "media", {"first": Decimal(1), "linear": Decimal("0.25")}),
        (one, "event", {"first": Decimal(0), "linear": Decimal("0.75")}),
        (other, "media", {"first": Decimal(1), "linear": Decimal("0.5")}),
        (other, "event", {"first": Decimal(0), "linear": Decimal("0.5")}),
        (nobodys, None, {"first": Decimal(1), "linear": Decimal(1)}),
    ]
    assert hits({one: "media", other: "event"}, shares) == {"first": 1, "linear": Decimal("0.75")}


def test_errors_count_too_many_and_too_few_and_what_nobody_got() -> None:
    found = CreditTruth(
        "order",
        Counter(media=6, event=1, referral=1),  # of the last no model knows
        {
            "first": {"media": Decimal(6), "event": Decimal(2), "unattributed": Decimal(0)},
            "last": {"media": Decimal(1), "website": Decimal(4), "unattributed": Decimal(3)},
            "markov": {"media": Decimal("8.5"), "event": Decimal("0.5"), "unattributed": Decimal(1)},
        },
        {"first": Decimal(4), "last": Decimal(1)},
    )
    assert found.sources == ["media", "event", "referral", "website", "unattributed"]
    assert [found.error(model) for model in found.credited] == [
        1 + 1,
        5 + 1 + 1 + 4 + 3,
        Decimal("2.5") + Decimal("0.5") + 1 + 1,
    ]
    # Of eight, seven stand wrong; where ten were credited, half the error of eighteen.
    assert found.misplaced("first") == Decimal(1) / 8
    assert found.misplaced("last") == Decimal(7) / 8
    assert found.misplaced("markov") == Decimal(5) / 18
    assert (found.hit("first"), found.hit("last"), found.hit("markov")) == (Decimal("0.5"), Decimal("0.125"), None)


def test_no_conversions_are_no_error() -> None:
    found = CreditTruth("order", {}, {"first": {"unattributed": Decimal()}}, {})
    assert (found.sources, found.conversions, found.misplaced("first"), found.hit("first")) == (
        ["unattributed"],
        0,
        0,
        None,
    )
