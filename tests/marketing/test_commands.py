"""`c360 attribution` and `c360 export` as a person types them: what is printed and written is the database's."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from customer360 import cli, cli_marketing
from marketed import Company


@pytest.fixture(autouse=True)
def wide(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_marketing, "out", Console(width=220))


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli.app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def credited(company: Company, measure: str, model: str, **where: str) -> Decimal:
    conditions = "".join(f" and {name} = %s" for name in where)
    ((found,),) = company.ask(
        f"select coalesce(sum({measure}), 0) from marketing.attribution where grain = 'channel'"
        f" and conversion_set = 'order' and model = %s{conditions}",
        model,
        *where.values(),
    )
    return Decimal(found)


def test_the_models_stand_side_by_side_and_add_up(company: Company, tmp_path: Path) -> None:
    file = tmp_path / "models.csv"
    said = run("attribution", "--measure", "amount", "--csv", str(file))
    with file.open(encoding="utf-8", newline="") as lines:
        header, *rows = list(csv.reader(lines))
    models = header[1:-1]
    assert {"first", "last", "linear"} <= set(models)
    assert [row[0] for row in rows[-2:]] == ["unattributed", "total"]
    for row in rows:
        where = {} if row[0] == "total" else {"channel_group": row[0]}
        for model, value in zip(models, row[1:-1], strict=True):
            assert Decimal(value) == credited(company, "amount", model, **where), (row[0], model)
            assert f"{Decimal(value):,.2f}" in said
    assert len(set(rows[-1][1:-1])) == 1
    assert "Every model shares out the same total." in said
    assert f"{len(rows)} rows written to" in said
    ((number,),) = company.ask("select publication_id from marketing.publication")
    assert f"publication {number} as of 2026-03-01 23:00 UTC" in said


def test_months_and_models_can_be_chosen(company: Company) -> None:
    said = run("attribution", "--since", "2026-01", "--until", "2026-02", "--model", "linear")
    ((wanted,),) = company.ask(
        "select sum(conversions) from marketing.attribution where grain = 'channel' and conversion_set = 'order'"
        " and model = 'linear' and month between '2026-01-01' and '2026-02-01'"
    )
    assert "2026-01 to 2026-02" in said
    total = next(line for line in said.splitlines() if re.match(r"│ total", line))
    assert f"{wanted:,.2f}" in total
    assert "first" not in said


def test_bars_are_as_long_as_their_figures(company: Company) -> None:
    said = run("attribution", "--plot", "--by", "acquisition", "--measure", "conversions")
    found = re.findall(r"^  (\w+) +([█▏▎▍▌▋▊▉]*) +([\d,]+\.\d\d) *$", said, re.MULTILINE)
    bars = [(len(bar), Decimal(value.replace(",", ""))) for _, bar, value in found]
    longest, most = max(bars)
    assert longest == 44
    drawn = [(bar, value) for bar, value in bars if bar]
    assert all(abs(bar - 44 * value / most) <= 1 for bar, value in drawn)
    assert len(drawn) > 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["attribution", "--set", "nothing"], "no conversions are called nothing; known: identified"),
        (["attribution", "--by", "colour"], "cannot compare by colour"),
        (["attribution", "--measure", "joy"], "no measure is called joy"),
        (["attribution", "--model", "magic"], "no model is called magic"),
        (["attribution", "--since", "2026-13"], "2026-13 is no month"),
        (["export", "attribution"], "name a folder for these files with --to"),
        (["export", "--to", "x", "--where", "model"], "write COLUMN=VALUE"),
    ],
)
def test_what_cannot_be_is_said(company: Company, arguments: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        run(*arguments)


def test_files_by_hand(company: Company, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    said = run("export", "attribution", "--to", str(folder), "--format", "csv", "--where", "grain=channel")
    assert {path.name for path in folder.iterdir()} == {"attribution.csv", "manifest.json"}
    assert "attribution.csv" in said
    with pytest.raises(ValueError, match="exists; name a folder that does not"):
        run("export", "attribution", "--to", str(folder))
