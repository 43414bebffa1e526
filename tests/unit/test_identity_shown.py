"""What lines and mailboxes show: a firm, where whoever works there may have called; a family, each of its members once."""

from __future__ import annotations

import pytest

from unit.identity_case import Rec, resolve

LINE = ("phone", "+494315550100")
AT_FIRM, AT_HOME = ("email", "ana@mail.meyer-24.example"), ("email", "ana@example.com")


def call(record: str, name: str | None = None, day: int = 20) -> Rec:
    return Rec(record, "interaction", [LINE], name, day=day)


def owner(address: tuple[str, str], organisation: str | None = None) -> Rec:
    return Rec("owner", "contact", [LINE, address], "Ana Ruiz", day=600, organisation=organisation)


@pytest.mark.parametrize("shown", ["Meyer24", "MEYER-24 GmbH"])
@pytest.mark.parametrize("held", [owner(AT_FIRM), owner(AT_HOME, "Meyer 24 GmbH & Co. KG")], ids=["domain", "stated"])
def test_calls_from_the_firms_line_are_theirs_whom_they_show(held: Rec, shown: str) -> None:
    found = resolve([held, call("firm", shown, 90), call("ana", "Ana Ruiz", 80), call("unnamed", day=10)])
    assert found.verdict(LINE) == "shared passing_names"
    assert found.of["ana"] == found.of["owner"]
    assert found.of["firm"] is found.of["unnamed"] is None


@pytest.mark.parametrize("shown", ["Mama", "Meyer", "Ruiz"])
def test_another_word_is_one_caller_at_most(shown: str) -> None:
    found = resolve([owner(AT_FIRM, "Meyer 24"), call("word", shown, 90), call("ana", "Ana Ruiz", 80), call("unnamed")])
    assert found.of["word"] == found.of["unnamed"] == found.of["owner"]


def test_a_family_with_a_domain_of_its_own_is_no_firm() -> None:
    found = resolve([owner(("email", "ana@ruiz.example")), call("family", "Ruiz", 90), call("unnamed")])
    assert found.verdict(LINE) == "private one_person"
    assert found.of["family"] == found.of["unnamed"] == found.of["owner"]


def test_nobody_holds_the_firms_line_in_turn() -> None:
    later = Rec("later", "contact", [LINE, ("email", "ben@meyer-24.example")], "Ben Ott", day=100)
    calls = [call(f"c{day}", day=day) for day in (650, 90)]
    in_turn = resolve([owner(AT_FIRM), later, *calls])
    assert (in_turn.of["c650"], in_turn.of["c90"]) == (in_turn.of["owner"], in_turn.of["later"])
    found = resolve([owner(AT_FIRM), later, *calls, call("firm", "Meyer24", 500)])
    assert found.of["c650"] is found.of["c90"] is None


def test_a_mailbox_with_three_senders_is_all_of_theirs() -> None:
    box = ("email", "familie.ruiz@example.com")
    holder = Rec("holder", "contact", [box, ("phone", "+494315550199")], "Ana Ruiz", day=600)
    mails = [Rec(name, "interaction", [box], f"{name} Ruiz", day=90) for name in ("Ana", "Ben", "Eva")]
    unnamed = Rec("unnamed", "interaction", [box], day=10)
    two = resolve([holder, *mails[:2], unnamed])
    assert two.verdict(box) == "private one_person"
    assert two.of["unnamed"] == two.of["holder"]
    three = resolve([holder, *mails, unnamed])
    assert three.verdict(box) == "shared passing_names"
    assert three.of["Ana"] == three.of["holder"]
    assert three.of["Ben"] == three.of["Eva"] == three.of["unnamed"] != three.of["holder"]
    assert three.kind("unnamed") == "shared"
