"""Every macro of `macros/cross_db` gives the same answer on every engine; so do the forms that models share.

The cases are compiled into a dbt project of their own beside the real macros, one row each.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from customer360.dbt_runner import run_dbt
from customer360.engines import Engine, open_engine
from customer360.identity.names import no_name_pattern
from customer360.settings import project_root
from parity.conftest import ENGINES, EngineSettings

# Rows of v, m, k: the latest moment, of these the smallest key.
ROWS = (
    "(select 'first' as v, {{ ts('2026-01-01 00:00:00') }} as m, cast(-5 as bigint) as k"
    " union all select 'third', {{ ts('2026-01-02 00:00:00.000001') }}, cast(9223372036854775807 as bigint)"
    " union all select 'second', {{ ts('2026-01-02 00:00:00.000001') }}, cast(-3 as bigint)"
    " union all select 'undated', cast(null as timestamp), cast(-9223372036854775807 as bigint)) as x"
)
# Expression → its answer as text. `ts` is a shorthand for a timestamp.
ANSWERS = {
    "{{ int_div('7', '2') }}": "3",
    "{{ int_div('-7', '2') }}": "-3",
    "{{ int_div('cast(1000000000 as bigint)', 'cast(3 as bigint)') }}": "333333333",
    "{{ days_between(ts('2026-03-28 12:00:00'), ts('2026-03-30 11:59:59.999999')) }}": "1",
    "{{ days_between(ts('2026-03-28 12:00:00'), ts('2026-03-30 12:00:00')) }}": "2",
    "{{ days_between(ts('2024-02-28 00:00:00'), ts('2024-03-01 00:00:00')) }}": "2",
    "{{ days_between(ts('2026-01-02 00:00:00'), ts('2026-01-01 00:00:00.000001')) }}": "-1",
    "{{ days_between(ts('1900-01-01 00:00:00'), ts('2026-01-01 00:00:00')) }}": "46021",
    "coalesce({{ days_between('cast(null as timestamp)', ts('2026-01-01 00:00:00')) }}, 0)": "0",
    "{{ seconds_between(ts('2026-03-28 12:00:00'), ts('2026-03-28 12:00:01.999999')) }}": "1",
    "{{ seconds_between(ts('2026-03-28 12:00:00'), ts('2026-03-29 12:00:00')) }}": "86400",
    "{{ seconds_between(ts('1970-01-01 00:00:00'), ts('1969-12-31 23:59:59.5')) }}": "-1",
    "coalesce({{ seconds_between('cast(null as timestamp)', ts('2026-01-01 00:00:00')) }}, 0)": "0",
    "{{ text_key(\"'Direct'\") }}": str(int(hashlib.md5(b"Direct").hexdigest()[:13], 16)),  # noqa: S324
    "{{ text_key(\"'über' || chr(31)\") }}": str(int(hashlib.md5("über\x1f".encode()).hexdigest()[:13], 16)),  # noqa: S324
    "cast(0.1 as {{ double_type() }}) + cast(0.2 as {{ double_type() }}) = cast(0.3 as {{ double_type() }})": False,
    "{{ lower_case(\"'ÜBER Ärger'\") }}": "über ärger",
    "{{ lower_case(\"'ΟΔΟΣ ΣΑΣ'\") }}": "οδοσ σασ",
    "{{ lower_case(\"'İI'\") }}": "ii",
    "{{ lower_case(\"'STRASSE ẞ'\") }}": "strasse ß",
    "coalesce({{ lower_case('cast(null as ' ~ text_type() ~ ')') }}, 'null')": "null",
    "cast(12 as {{ text_type() }})": "12",
    "coalesce(cast(null as {{ text_type() }}), '') || '|' || 'b'": "|b",
    "trim(both ' ' from '  a\u00a0 ')": "a\u00a0",
    "split_part('www.example.com', '.', 2)": "example",
    "split_part('example', '.', 3) || '.'": ".",
    "nullif('', '') is null": True,
    "{{ add_days(ts('2026-03-28 12:00:00'), 2) }} = {{ ts('2026-03-30 12:00:00') }}": True,
    "{{ add_days(ts('2024-02-29 00:00:00'), '-1 * 366') }} = {{ ts('2023-02-28 00:00:00') }}": True,
    "{{ add_days(ts('2025-10-25 23:30:00'), 1) }} = {{ ts('2025-10-26 23:30:00') }}": True,
    "{{ month_start(ts('2024-02-29 23:59:59.999999')) }} = cast('2024-02-01' as date)": True,
    "{{ month_start(\"cast('2024-12-31' as date)\") }} = cast('2024-12-01' as date)": True,
    "{{ epoch_us(ts('1970-01-01 00:00:01.000001')) }}": "1000001",
    "{{ epoch_us(ts('1969-12-31 23:59:59.999999')) }}": "-1",
    "coalesce({{ epoch_us('cast(null as timestamp)') }}, 0)": "0",
    f"(select {{{{ newest_by('v', 'm', 'k') }}}} from {ROWS})": "second",
    f"(select {{{{ newest_by('k', 'm', 'k') }}}} from {ROWS} where v = 'undated')": "-9223372036854775807",
    "{{ text_key(\"'account_ref crm:a'\") }}": "2433178866654935",
    "{{ text_key(\"'domain büro.例'\") }}": "3268022499030226",
    "coalesce({{ text_key('cast(null as ' ~ text_type() ~ ')') }}, 0)": "0",
    # Summer time begins in the night to the 29th of March, and ends in that to the 25th of October.
    "{{ local_date(ts('2026-03-28 22:59:59.999999')) }} = cast('2026-03-28' as date)": True,
    "{{ local_date(ts('2026-03-28 23:00:00')) }} = cast('2026-03-29' as date)": True,
    "{{ local_date(ts('2026-03-29 21:59:59.999999')) }} = cast('2026-03-29' as date)": True,
    "{{ local_date(ts('2026-03-29 22:00:00')) }} = cast('2026-03-30' as date)": True,
    "{{ local_date(ts('2026-10-25 22:59:59.999999')) }} = cast('2026-10-25' as date)": True,
    "{{ local_date(ts('1900-02-28 23:00:00')) }} = cast('1900-03-01' as date)": True,
    "{{ day_start(\"cast('2026-03-29' as date)\") }} = {{ ts('2026-03-28 23:00:00') }}": True,
    "{{ day_start(\"cast('2026-03-30' as date)\") }} = {{ ts('2026-03-29 22:00:00') }}": True,
    "{{ day_start('cast(null as date)') }} is null": True,
    "cast('2024-02-28' as date) + cast(2 as integer) = cast('2024-03-01' as date)": True,
    "cast('2024-03-01' as date) - cast(2 as integer) = cast('2024-02-28' as date)": True,
    "ln(cast(1 as bigint)) - ln(cast(4 as bigint)) + 0.000000001 > 2 * ln(0.5)": True,
    "ln(cast(1 as bigint)) - ln(cast(4 as bigint)) - 0.000000001 < 2 * ln(0.5)": True,
    "{{ regexp_like(\"'my shop'\", '([^a-df-z]|^)shop') }}": True,
    "{{ regexp_like(\"'workshop'\", '([^a-df-z]|^)shop') }}": False,
    "{{ regexp_like(\"'a' || chr(10) || 'shop'\", '([^a-df-z]|^)shop') }}": True,
    "{{ regexp_like(\"'12-34'\", '^[0-9]+-[0-9]+$') }}": True,
    "{{ is_withheld(\"'spring for ann@example.com'\") }}": True,
    "{{ is_withheld(\"'call +49 (30) 123-4567'\") }}": True,
    "{{ is_withheld(\"'0049301234567'\") }}": True,
    "{{ is_withheld(\"'sms_01512/3456789_a'\") }}": True,
    "{{ is_withheld(\"'120203847561230'\") }}": False,
    "{{ is_withheld(\"'2000493012345678'\") }}": False,
    "{{ is_withheld(\"'2026-01-02+3 weeks'\") }}": False,
    "{{ is_withheld(\"'01-02-2026 spring'\") }}": False,
    "{{ is_withheld(\"'(all)'\") }}": False,
    "coalesce({{ is_withheld('cast(null as ' ~ text_type() ~ ')') }}, false)": False,
    **{
        f"{{{{ told_name(\"'{name}'\", '{no_name_pattern()}') }}}} is null": is_none
        for names, is_none in (
            (
                (
                    "[Not Provided]",
                    "N/A",
                    "UNKNOWN",
                    "Numéro masqué",
                    "Неизвестный",
                    "未知",
                    "Test Test",
                    "???",
                    "-",
                    "Ünknown",
                ),
                True,
            ),
            (("Eva Gast", "Ng", "Naomi", "Éva Test-Ünal", "1. Unknown Ltd"), False),
        )
        for name in names
    },
    "{{ told_name(\"' Ann '\") }}": " Ann ",
    "cast({{ ratio_of('1', '3', 2) }} as {{ text_type() }})": "0.33",
    "{{ ratio_of('cast(-1 as decimal(18, 2))', '8', 2) }} = -0.13": True,
    "{{ ratio_of('cast(12.005 as decimal(18, 6))', 'cast(1.5 as decimal(18, 9))', 4) }} = 8.0033": True,
    "{{ ratio_of('-7', '-2', 0) }} = 4": True,
    "{{ ratio_of('0', '7', 4) }} = 0": True,
    "{{ ratio_of('7', '0', 4) }} is null": True,
    "cast('2026-02-27' as date) + 2 = cast('2026-03-01' as date)": True,
    "'10%_off' like '%cp%'": False,
    "greatest({{ ts('2026-01-01 00:00:00') }}, cast(null as timestamp)) = {{ ts('2026-01-01 00:00:00') }}": True,
    "cast(cast('0.005' as decimal(18, 6)) as decimal(18, 2)) = 0.01": True,
    "cast(cast('-0.005' as decimal(18, 6)) as decimal(18, 2)) = -0.01": True,
    "cast(cast('0.015' as decimal(18, 6)) as decimal(18, 2)) = 0.02": True,
    "cast(3 as bigint) * cast(0.000000001 as decimal(10, 9)) = 0.000000003": True,
    "'a' < 'B'": False,
    "'Z' < 'a'": True,
    "'z' < 'é'": True,
}
SEED = "\n".join(
    (
        "number,word,share",
        '1,"it\'s \'quoted\' ""twice""",0.10',
        "2,C:\\new,-12345678901234.56",
        "3,,",
        "4,Ünï %s {{ x }},1",
        "",
    )
)
SEEDED = [
    (1, "it's 'quoted' \"twice\"", Decimal("0.10")),
    (2, "C:\\new", Decimal("-12345678901234.56")),
    (3, None, None),
    (4, "Ünï %s {{ x }}", Decimal("1.00")),
]
MACROS = {path.stem for path in (project_root() / "dbt_project" / "macros" / "cross_db").glob("*.sql")}
SHORTHAND = "{% macro ts(text) %}cast('{{ text }}' as timestamp){% endmacro %}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose dbt project holds the real macros and the cases."""
    home = tmp_path_factory.mktemp("macros")
    real, made = project_root() / "dbt_project", home / "dbt_project"
    shutil.copytree(real / "macros", made / "macros")
    shutil.copy(real / "profiles.yml", made)
    lines = (real / "dbt_project.yml").read_text("utf-8").splitlines()
    (made / "dbt_project.yml").write_text("\n".join(line for line in lines if "+group:" not in line), "utf-8")
    (made / "macros" / "ts.sql").write_text(SHORTHAND, "utf-8")
    models = made / "models" / "staging"
    models.mkdir(parents=True)
    (models / "answers.sql").write_text("\nunion all\n".join(_row(*case) for case in enumerate(ANSWERS)), "utf-8")
    (made / "seeds").mkdir()
    (made / "seeds" / "words.csv").write_text(SEED, "utf-8")
    types = 'seeds: [{name: words, config: {column_types: {number: integer, share: "decimal(16, 2)"}}}]'
    (made / "seeds" / "words.yml").write_text(types, "utf-8")
    return home


def _row(number: int, expression: str) -> str:
    value = expression
    if isinstance(ANSWERS[expression], bool):
        value = f"case when {expression} then 'true' else 'false' end"
    return f"select {number} as number, cast({value} as {{{{ text_type() }}}}) as answer"


def test_every_macro_has_a_case() -> None:
    used = {name for text in ANSWERS for name in re.findall(r"\b([a-z_]+)\(", text)}
    assert used >= MACROS


@pytest.mark.parametrize("engine", ENGINES)
def test_the_answers_are_the_same(engine: str, project: Path, engine_settings: EngineSettings) -> None:
    settings = replace(engine_settings[engine], home=project)
    with open_engine(settings) as opened:
        _prepare(opened)
        run_dbt(settings, opened, "run", select="answers", vars={"timezone": "Europe/Berlin"})
        found = opened.read(f"select number, answer from {opened.qualify('staging', 'answers')}").to_pylist()
    answers = {row["number"]: row["answer"] for row in found}
    wrong = {case: answers[number] for number, case in enumerate(ANSWERS) if answers[number] != _text(ANSWERS[case])}
    assert not wrong


@pytest.mark.parametrize("engine", ENGINES)
def test_seeds_are_what_their_files_say(engine: str, project: Path, engine_settings: EngineSettings) -> None:
    settings = replace(engine_settings[engine], home=project)
    with open_engine(settings) as opened:
        for _ in range(2):  # into no table, and into one
            _prepare(opened)
            run_dbt(settings, opened, "seed", select="words")
            found = opened.read(f"select * from {opened.qualify('seeds', 'words')} order by number").to_pylist()
            assert [(row["number"], row["word"], row["share"]) for row in found] == SEEDED


def _prepare(engine: Engine) -> None:
    """The engine's database is made when it is first asked something."""
    engine.read("select 1 as one")
    engine.release()


def _text(answer: str | bool) -> str:
    return str(answer).lower() if isinstance(answer, bool) else answer
