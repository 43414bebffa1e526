"""attribution.yml: what it says, and what is said of mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from customer360.attribution.config import AttributionError, Conversion, load
from customer360.settings import project_root

GOOD = """\
version: 1
paths: {transform: unique, grain: source}
conversions:
  order: {when: order, lookback_days: 365}
  won_back:
    when: stage
    from_stage: opportunity
    to_stage: order_customer
    lookback_days: 30
    amount: 12.5
  webinar: {when: event, events: [track webinar, "demo > call"], lookback_days: 7, description: A > B}
"""


def test_the_projects_own_file_is_read() -> None:
    found = load(project_root() / "dags" / "attribution.yml")
    assert [each.conversion_set for each in found.conversions] == ["identified", "opportunity", "order", "repurchase"]
    assert (found.transform, found.grain) == ("every", "channel")


def test_every_key_is_read(tmp_path: Path) -> None:
    path = tmp_path / "attribution.yml"
    path.write_text(GOOD, "utf-8")
    found = load(path)
    assert found.conversions == (
        Conversion("order", "order", 365),
        Conversion("won_back", "stage", 30, amount="12.50", from_stage="opportunity", to_stage="order_customer"),
        Conversion("webinar", "event", 7, "A > B", events=("track webinar", "demo > call")),
    )
    assert found.as_vars()["conversions"][2]["events"] == ["track webinar", "demo > call"]
    assert (found.as_vars()["path_transform"], found.as_vars()["path_grain"]) == ("unique", "source")


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("version: 1", "version: 2", 1, "version must be 1"),
        ("when: order,", "when: ordered,", 4, "when must be one of identified, opportunity, order"),
        ("lookback_days: 365", "lookback_days: 0", 4, "a whole number from 1"),
        ("lookback_days: 365", "lookback_days: true", 4, "a whole number from 1"),
        (", lookback_days: 365", "", 4, "lookback_days must be"),
        ("  order:", "  Order:", 4, "must be snake_case"),
        ("from_stage: opportunity", "from_stage: lead", 7, "from_stage must be one of unidentified"),
        ("amount: 12.5", "amount: 12.345", 10, "more than two decimals"),
        ("amount: 12.5", "amount: .inf", 10, "amount must be a number"),
        ("amount: 12.5", "amount: lots", 10, "amount must be a number"),
        ("amount: 12.5", "amounts: 12", 10, "unknown key 'amounts'"),
        ("amount: 12.5", "events: [a]", 10, "events is for `when: event` only"),
        ("events: [track webinar, \"demo > call\"], ", "", 11, "needs events"),
        ("track webinar", "it's", 11, "text on one line without"),
        ("transform: unique", "transform: some", 2, "transform must be one of every, unique"),
        ("grain: source", "grain: medium", 2, "grain must be one of channel, source, campaign"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, what: str) -> None:
    assert old in GOOD
    path = tmp_path / "attribution.yml"
    path.write_text(GOOD.replace(old, new, 1), "utf-8")
    with pytest.raises(AttributionError) as told:
        load(path)
    assert str(told.value).startswith(f"{path}:{line}: ")
    assert what in str(told.value)
