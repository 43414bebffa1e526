"""`sources.yml`: what is accepted, and every mistake refused with its line and what is allowed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from customer360.sources import OwnIdentities, SourcesError, load_own_identities, load_sources
from customer360.yaml_lines import YamlError

PROJECT = Path(__file__).resolve().parents[2]
GOOD = """\
version: 1
company:
  timezone: Europe/Berlin
  currency: EUR
  phone_region: DE
defaults:
  timezone: Europe/Berlin
  schedule: 30 1 * * *
sources:
  calls:
    connector: twilio
    location: phone/*.json
    encoding: UTF8
  fair:
    connector: mapped
    location: fair/*.csv
    timezone: Europe/London
    phone_region: GB
    retention_days: 30
    mapping:
      record_id: id
      interaction: {channel: {value: in_person}, occurred_at: at}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sources.yml"
    path.write_text(text, "utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    """What is said of `text`, without the folder."""
    with pytest.raises(SourcesError) as error:
        load_sources(written(folder, text))
    return str(error.value).removeprefix(f"{folder}/")


def test_values_come_from_the_source_then_defaults_then_the_company(tmp_path: Path) -> None:
    config = load_sources(written(tmp_path, GOOD))
    calls, fair = config.sources["calls"], config.sources["fair"]
    assert (config.timezone, config.currency) == (ZoneInfo("Europe/Berlin"), "EUR")
    assert (calls.timezone, calls.phone_region, calls.schedule) == (ZoneInfo("Europe/Berlin"), "DE", "30 1 * * *")
    assert (calls.encoding, calls.currency, calls.on_failure, calls.retention_days) == ("utf-8", "EUR", "reject", 730)
    assert (fair.timezone, fair.phone_region, fair.retention_days) == (ZoneInfo("Europe/London"), "GB", 30)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 2", "sources.yml:1: version must be 1"),
        ("version: 1\n", "", "sources.yml:1: version must be 1"),
        ("company:", "compani:", "sources.yml:2: unknown key 'compani'; did you mean company?; known: company, defaults, sources, version"),
        ("  currency: EUR", "  curency: EUR", "sources.yml:4: unknown key 'curency'; did you mean currency?"),
        ("  schedule: 30", "  locatoin: 30", "sources.yml:8: unknown key 'locatoin'"),
        ("  schedule: 30", "  location: 30", "sources.yml:8: unknown key 'location'"),
        ("    encoding: UTF8", "    encodng: UTF8", "sources.yml:13: unknown key 'encodng'; did you mean encoding?"),
        ("connector: twilio", "connector: twillio", "sources.yml:11: unknown connector 'twillio'; did you mean twilio?; known: access_log, ad_spend,"),
        ("    connector: twilio\n", "", "sources.yml:10: source calls lacks connector"),
        ("    location: phone/*.json\n", "", "sources.yml:10: source calls lacks location"),
        ("  timezone: Europe/Berlin\n  schedule", "  schedule", "sources.yml:9: source calls lacks timezone"),
        ("timezone: Europe/London", "timezone: Europe/Londn", "sources.yml:17: unknown time zone 'Europe/Londn'; did you mean Europe/London?"),
        ("timezone: Europe/London", "timezone: +01:00", "sources.yml:17: unknown time zone '+01:00'"),
        ("company:\n  timezone: Europe/Berlin", "company:", "sources.yml:2: timezone is missing"),
        ("encoding: UTF8", "encoding: utf-9", "sources.yml:13: encoding 'utf-9' is not a text codec"),
        ("encoding: UTF8", "encoding: base64", "sources.yml:13: encoding 'base64' is not a text codec"),
        ("encoding: UTF8", "date_order: mdyy", "sources.yml:13: unknown date_order 'mdyy'; did you mean mdy?; known: dmy, mdy, ymd"),
        ("encoding: UTF8", "on_failure: ignore", "sources.yml:13: unknown on_failure 'ignore'; known: reject, stop"),
        ("phone_region: GB", "phone_region: UKR", "sources.yml:18: phone_region 'UKR' must be two capital letters"),
        ("phone_region: DE", "phone_region: no", "sources.yml:5: phone_region False must be two capital letters"),
        ("currency: EUR", "currency: Euro", "sources.yml:4: currency 'Euro' must be three capital letters"),
        ("schedule: 30 1 * * *", "schedule: 30 1 * *", "sources.yml:8: schedule '30 1 * *' is not a cron expression of five fields"),
        ("schedule: 30 1 * * *", "schedule: 90 1 * * *", "sources.yml:8: schedule '90 1 * * *': '90' is no minute (0-59)"),
        ("schedule: 30 1 * * *", "schedule: 30 1 * * montag", "sources.yml:8: schedule '30 1 * * montag': 'montag' is no weekday (0-7)"),
        ("schedule: 30 1 * * *", "schedule: 30 5-1 * * *", "'5-1' is no hour"),
        ("schedule: 30 1 * * *", "schedule: '*/0 1 * * *'", "'*/0' is no minute"),
        ("retention_days: 30", "retention_days: 0", "sources.yml:19: retention_days must be a whole number of days, at least 1"),
        ("retention_days: 30", "retention_days: 1.5", "sources.yml:19: retention_days must be"),
        ("location: phone/*.json", "location: ../phone/*.json", "sources.yml:12: location '../phone/*.json' must be a path or glob below the landing root"),
        ("location: phone/*.json", "location: /phone/*.json", "sources.yml:12: location"),
        ("  calls:", "  Calls-1:", "sources.yml:10: source name 'Calls-1' must be snake_case"),
        ("  fair:", "  calls:", "sources.yml:14: key 'calls' stands twice"),
        ("encoding: UTF8", "location: x", "sources.yml:13: key 'location' stands twice"),
        ("encoding: UTF8", "mapping: {record_id: id}", "sources.yml:13: mapping belongs to connector mapped only"),
        ("    mapping:\n      record_id: id\n      interaction: {channel: {value: in_person}, occurred_at: at}\n", "", "sources.yml:14: connector mapped needs a mapping"),
        ("      record_id: id", "      recordid: id", "sources.yml:21: "),
        ("encoding: UTF8", "options: {pages: 3}", "sources.yml:13: unknown option 'pages'"),
        ("encoding: UTF8", "options: [pages]", "sources.yml:13: options must be a mapping"),
        ("encoding: UTF8", "expectations: 3", "sources.yml:13: expectations must be a text"),
        ("  phone_region: DE", "  own_identities: ours.yml", "sources.yml:5: own_identities names ours.yml, which is not there"),
        ("sources:", "sources: {}\nx:", "unknown key 'x'"),
        (GOOD[GOOD.index("sources:") :], "sources: {}\n", "sources.yml:9: sources must name at least one source"),
        ("company:", "company: [", "sources.yml:4: expected "),
    ],
    ids=lambda value: value.strip()[:40] if isinstance(value, str) else None,
)  # fmt: skip
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    assert said in refusal(tmp_path, GOOD.replace(old, new, 1))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourcesError, match=r"sources\.yml:1: no such file"):
        load_sources(tmp_path / "sources.yml")


@pytest.mark.parametrize("good", ["*/15 0-6,22 1,15 jan-mar Mon-FRI", "0 2 * * 7", "5 4 31 12 */2"])
def test_schedules_as_cron_allows_them(tmp_path: Path, good: str) -> None:
    text = GOOD.replace("30 1 * * *", f'"{good}"')
    assert load_sources(written(tmp_path, text)).sources["calls"].schedule == good


def test_own_entries_win_over_merged_ones(tmp_path: Path) -> None:
    text = GOOD.replace("  calls:\n", "  calls: &calls\n") + "  more:\n    <<: *calls\n    location: more/*.json\n"
    more = load_sources(written(tmp_path, text)).sources["more"]
    assert (more.connector, more.location, more.encoding) == ("twilio", "more/*.json", "utf-8")


def test_own_identities_are_normalised(tmp_path: Path) -> None:
    path = tmp_path / "ours.yml"
    path.write_text(
        "domains: [Müller.Example, '@shop.example.com']\n"
        "emails: [Info@Example.COM]\n"
        "phones: ['030 23125 100', '211']\n"
        "phone_prefixes: ['+49 30 23125']\n"
        "agents: [anja@example.org, '+44 20 7946 0123']\n"
    )
    own = load_own_identities(path, "DE")
    assert own.domains == {"xn--mller-kva.example", "shop.example.com"}
    assert own.emails == {"info@example.com", "anja@example.org"}
    assert own.phones == {"+493023125100", "211", "+442079460123"}
    assert own.owns_email("x@shop.example.com")
    assert not own.owns_email("x@notshop.example.com")
    assert own.owns_phone("+493023125999")
    assert not OwnIdentities().owns_phone("+493023125999")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("phones: ['030 23125 100']\nfone: []\n", "ours.yml:2: unknown key 'fone'"),
        ("emails: info@example.com\n", "ours.yml:1: emails must be a list"),
        ("phones:\n  - +493023125100\n", "ours.yml:2: must be a text; put numbers in quotes"),
        ("emails:\n  - info@example.com\n  - info at example.com\n", "ours.yml:3: not an address"),
        ("phones: [ALERTS]\n", "ours.yml:1: not a telephone number"),
        ("phones: [anonymous]\n", "ours.yml:1: not a telephone number"),
        ("domains: ['no domain']\n", "ours.yml:1: not a domain"),
        ("phone_prefixes: ['030 23125']\n", "ours.yml:1: not an international prefix"),
        ("- a\n", "ours.yml:1: must be a mapping"),
    ],
)
def test_a_wrong_own_identity_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "ours.yml"
    path.write_text(text)
    with pytest.raises(YamlError, match=re.escape(said)):
        load_own_identities(path, "DE")
    with pytest.raises(SourcesError, match=re.escape(said)):
        load_sources(written(tmp_path, GOOD.replace("  phone_region: DE", "  own_identities: ours.yml")))


def test_the_projects_own_file_is_right() -> None:
    config = load_sources(PROJECT / "dags" / "sources.yml")
    assert config.own.owns_phone("+493023125100")
    for source in config.sources.values():
        assert source.expectations is None or (PROJECT / "expectations" / f"{source.expectations}.yml").is_file()


def test_dag_files_read_it_without_anything_heavy() -> None:
    code = (
        "import sys; from pathlib import Path; from customer360.sources import load_sources;"
        f"load_sources(Path({str(PROJECT / 'dags' / 'sources.yml')!r}), check_connectors=False, read_own=False);"
        "heavy = {'pyarrow', 'duckdb', 'pandas', 'psycopg2', 'rphonenumbers', 'great_expectations'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
