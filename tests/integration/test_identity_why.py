"""Why two records are one customer or not, and what would be without an identifier: on a real night of a real engine."""

from __future__ import annotations

import io
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree
from rich.console import Console
from typer.testing import CliRunner

from customer360.cli import app
from customer360.engines.base import Engine
from customer360.identity import linkage_model
from customer360.identity.explain import record
from customer360.identity.why import explain_pair, render, render_without, without
from customer360.settings import Settings
from integration.test_identity_registry import connection, engine, night
from unit.identity_case import NIGHT, Rec
from unit.town import learned

__all__ = ["connection", "engine"]  # fixtures
SUN = ("email", "sun77@example.com")
BORN = date(1980, 5, 17)


def contact(name: str, given: str, *identifiers: tuple[str, str], born: date | None = BORN) -> Rec:
    full = f"{given} Hartfeld"
    return Rec(name, "contact", identifiers, full, given, "Hartfeld", born, street="Long Lane 7", postcode="10117")


RECORDS = [
    contact("a", "Anna", SUN, ("email", "info@firm.example.com")),
    contact("b", "Anna", ("email", "work@example.org")),
    contact("o", "Otto", ("email", "otto@example.org"), ("email", "info@firm.example.com"), born=date(1982, 7, 1)),
    Rec("visit", "interaction", [("cookie", "c1"), SUN]),
    Rec("later", "interaction", [("cookie", "c1")]),
]


@pytest.fixture
def resolved(engine: Engine, connection: Any) -> Engine:
    with connection.cursor() as cursor:
        linkage_model.store(cursor, learned(), NIGHT - timedelta(days=1))
    connection.commit()
    night(engine, connection, RECORDS)
    return engine


def text(renderable: Any) -> str:
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(renderable)
    return console.export_text()


def test_records_that_are_only_alike_are_led_to_by_their_profiles(resolved: Engine, connection: Any) -> None:
    found = explain_pair(resolved, connection, ("s", "interaction", "later"), ("s", "contact", "b"))
    assert found.customers[0] == found.customers[1]
    assert [step.identifier_class for step in found.chain] == ["private", "private", "alike"]
    assert float(found.chain[-1].reason) > 0.98
    assert found.likeness is None  # an interaction has no profile


def test_the_weights_say_what_speaks_for_one_person_and_what_against(resolved: Engine, connection: Any) -> None:
    one = explain_pair(resolved, connection, ("s", "contact", "a"), ("s", "contact", "b"), reveal=True)
    assert one.likeness is not None
    weights = {name: weight for name, _, _, weight in one.likeness.fields}
    assert min(weights["given name"], weights["birth date"], weights["address line"]) > 0
    assert ("given name", "anna", "anna") in [field[:3] for field in one.likeness.fields]
    assert one.likeness.probability > 0.98
    two = explain_pair(resolved, connection, ("s", "contact", "a"), ("s", "contact", "o"))
    assert two.customers[0] != two.customers[1]
    assert two.chain == []
    assert [(kind, *why) for kind, _, *why in two.common] == [("email", "generic", "role_mailbox")]
    assert two.likeness is not None
    assert {name: weight for name, _, _, weight in two.likeness.fields}["given name"] < 0
    assert two.likeness.relations["household"] > two.likeness.relations["person"]


def test_what_is_printed_is_masked_and_has_bars(resolved: Engine, connection: Any) -> None:
    shown = text(render(explain_pair(resolved, connection, ("s", "contact", "a"), ("s", "contact", "b"))))
    assert "one customer" in shown
    assert "█" in shown
    assert "hartfeld" not in shown.lower()
    assert "1980-05-17" not in shown
    shown = text(render(explain_pair(resolved, connection, ("s", "contact", "a"), ("s", "contact", "o"))))
    assert "two customers" in shown
    assert "role_mailbox" in shown


def test_an_identifier_that_holds_a_customer_together_is_missed(resolved: Engine, connection: Any) -> None:
    parts = without(resolved, connection, *SUN)
    assert [len(part.records) for part in parts] == [2, 2]  # the visits of a cookie; the two contact records
    assert len({part.customer_id for part in parts}) == 1
    assert parts[0].has_founder >= parts[1].has_founder
    shown = text(render_without(parts))
    assert "1 customers would fall into 2" in shown
    assert shown.count("a new customer") == 1
    assert without(resolved, connection, "email", "work@example.org") == []
    with pytest.raises(ValueError, match="no customer's record"):
        without(resolved, connection, "email", "nobody@example.org")


def test_the_command_answers_pairs_and_what_ifs(resolved: Engine, settings: Settings) -> None:
    resolved.release()
    run = CliRunner().invoke
    assert "one customer" in run(app, ["explain", "s/contact/a", "s/contact/b"]).output
    assert "would fall into 2" in run(app, ["explain", "--without", *SUN]).output
    assert "Nobody" in run(app, ["explain", "--without", "email", "work@example.org"]).output
    wrong = run(app, ["explain", "s/contact/a", "nonsense"])
    assert isinstance(wrong.exception, ValueError)
    assert "source/kind/id" in str(wrong.exception)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("s/interaction/later", "s/contact/b", ["One customer", "cookie", "their profiles"]),
        ("s/contact/a", "s/contact/b", ["One customer", "given name", "household"]),
        ("s/contact/a", "s/contact/o", ["Two customers", "does not link them", "role_mailbox", "given name"]),
    ],
)
def test_a_chart_shows_chain_weights_and_no_values(
    resolved: Engine, tmp_path: Path, one: str, other: str, said: list[str]
) -> None:
    resolved.release()
    for name in ("chart.svg", "chart.html"):
        done = CliRunner().invoke(app, ["explain", one, other, "--chart", str(tmp_path / name)])
        assert done.exception is None
    drawn = (tmp_path / "chart.svg").read_text("utf-8")
    words = [node.text or "" for node in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    for each in said:
        assert any(each in word for word in words), each
    bars = [node for node in ElementTree.fromstring(drawn).iter() if node.get("class") in ("for", "against")]
    assert bool(bars) == ("given name" in said)
    assert "hartfeld" not in drawn.lower()
    assert "example.com" not in drawn
    assert drawn in (tmp_path / "chart.html").read_text("utf-8")


def test_what_is_no_pair_and_no_picture_is_not_drawn(resolved: Engine, tmp_path: Path) -> None:
    resolved.release()
    for arguments, message in (
        (["s/contact/a", "s/contact/b", "--chart", str(tmp_path / "chart.png")], "an .svg or an .html"),
        (["--without", *SUN, "--chart", str(tmp_path / "chart.svg")], "two records"),
    ):
        wrong = CliRunner().invoke(app, ["explain", *arguments])
        assert isinstance(wrong.exception, ValueError)
        assert message in str(wrong.exception)


def test_a_records_id_may_contain_slashes() -> None:
    assert record("s/contact/a/b") == ("s", "contact", "a/b")
