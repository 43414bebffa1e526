"""Whole nights, from delivered files to what a reader sees, by the steps that the DAG tasks call."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import psycopg2
import pytest

from customer360 import airflow_local, nightly, postgres
from customer360.portal.build import build
from customer360.publish import publication
from customer360.settings import Settings
from customer360.sources import load_sources
from restated import unexplained

NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
PAST = ("customer_360", "attribution_credit", "attribution_summary", "attribution_returns", "source_coverage")

OWN_FOLDER = """
version: 1
company: {timezone: Europe/Paris, currency: EUR, phone_region: FR}
defaults: {timezone: Europe/Paris}
sources:
  clients:
    connector: mapped
    location: clients/*
    encoding: cp1252
    date_order: dmy
    system: erp
    mapping:
      delimiter: ";"
      record_id: N_client
      contact_record:
        given_name: Prénom
        family_name: Nom
        organisation: Société
        observed_at: {column: Modifié, format: "%d/%m/%Y"}
      identifiers:
        - {type: email, column: Courriel}
        - {type: phone, column: Téléphone}
  visits:
    connector: mapped
    location: visits/*
    mapping:
      record_id: event.id
      interaction:
        channel: {value: web}
        occurred_at: event.when
        utm_source: campaign.source
        utm_medium: campaign.medium
      identifiers:
        - {type: cookie, column: visitor, namespace: site}
        - {type: email, column: login}
  orders:
    connector: mapped
    location: orders/*
    system: erp
    mapping:
      record_id: Bestellung
      sales_order:
        contact_ref: Kunde
        amount: Summe
        ordered_at: Datum
        delivered_at: Geliefert
      identifiers:
        - {type: account_ref, column: Kunde}
"""


def deliver(settings: Settings) -> None:
    """Three files with foreign column names: CSV, JSON lines, XLSX."""
    landing = Path(settings.landing)
    for folder in ("clients", "visits", "orders"):
        (landing / folder).mkdir(exist_ok=True)
    (landing / "clients/a.csv").write_bytes(
        "N_client;Prénom;Nom;Société;Courriel;Téléphone;Modifié\n"
        "K1;Zoé;Lefèvre;;zoe@example.com;01 99 00 12 34;28/02/2026\n"
        "K2;Marc;Petit;Bois SARL;marc@example.org;;27/02/2026\n".encode("cp1252")
    )
    events = [
        {
            "event": {"id": "v1", "when": "2026-01-05T10:00:00+01:00"},
            "visitor": "c-1",
            "campaign": {"source": "Google", "medium": "CPC"},
        },
        {"event": {"id": "v2", "when": "2026-01-06T10:00:00+01:00"}, "visitor": "c-1", "login": "zoe@example.com"},
        {"event": {"id": "v3", "when": "2026-01-07T10:00:00+01:00"}, "visitor": "c-2"},
    ]
    (landing / "visits/a.jsonl").write_text("\n".join(json.dumps(event) for event in events), "utf-8")
    book = openpyxl.Workbook()
    for row in (
        ["Bestellung", "Kunde", "Summe", "Datum", "Geliefert"],
        [9001, "K1", 120.5, datetime(2026, 2, 1), datetime(2026, 2, 9)],
    ):
        book.active.append(row)
    book.save(landing / "orders/a.xlsx")
    for path in landing.rglob("*.*"):
        os.utime(path, (time.time() - 3600,) * 2)


def ingest(as_of: datetime) -> None:
    for name in nightly.source_names():
        for delivery in nightly.discover(name, as_of):
            nightly.load(name, delivery, as_of)
        nightly.account(name, as_of)


def run(as_of: datetime, **options: Any) -> dict[str, Any]:
    *_, (_, night) = nightly.run_night(as_of, trigger="test", **options)
    return night


def query(settings: Settings, text: str) -> list[tuple[Any, ...]]:
    with psycopg2.connect(settings.serving_url) as connection, connection.cursor() as cursor:
        cursor.execute("set search_path = serving")
        cursor.execute(text)
        return cursor.fetchall()


@pytest.fixture
def published(settings: Settings) -> Settings:
    """The user's own folder, published for one night."""
    settings.sources.write_text(OWN_FOLDER, "utf-8")
    deliver(settings)
    ingest(NIGHT)
    run(NIGHT)
    return settings


def test_three_foreign_files_become_customers_by_yaml_alone(published: Settings) -> None:
    customers = dict(query(published, "select source_record_id, customer_id from customer_identity_map"))
    assert set(customers) == {"K1", "K2", "v1", "v2", "v3", "9001"}
    assert customers["K1"] == customers["v1"] == customers["v2"] == customers["9001"]
    assert len({customers["K1"], customers["K2"], customers["v3"]}) == 3
    (zoe,) = query(
        published,
        "select full_name, email, phone, stage, revenue, acquisition_source from customer_360 where email = 'zoe@example.com'",
    )
    assert zoe[:4] == ("Zoé Lefèvre", "zoe@example.com", "+33199001234", "user")
    assert (float(zoe[4]), zoe[5]) == (120.5, "media")
    credit = query(
        published,
        "select model, channel_group, conversions, amount from attribution_summary where conversion_set = 'order'"
        " and grain = 'channel' and amount <> 0 order by 1, 2",
    )
    half = [("Direct", 0.5, 60.25), ("Paid Search", 0.5, 60.25)]
    expected = dict.fromkeys(("linear", "position_based", "shapley"), half)
    # Another's direct visit led nowhere: without Paid Search half of the orders are lost, without Direct all.
    expected["markov"] = [("Direct", 0.666666667, 80.33), ("Paid Search", 0.333333333, 40.17)]
    expected |= {model: [("Paid Search", 1.0, 120.5)] for model in ("first", "last_non_direct")}
    expected["last"] = [("Direct", 1.0, 120.5)]
    told = {
        model: [(group, float(n), float(amount)) for m, group, n, amount in credit if m == model]
        for model, *_ in credit
    }
    assert {model: told[model] for model in expected} == expected
    assert set(told) == {*expected, "w_shaped", "time_decay"}


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_what_is_no_name_is_nobodys(settings: Settings, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    monkeypatch.setenv("C360_ENGINE", engine)
    settings.sources.write_text(OWN_FOLDER, "utf-8")
    deliver(settings)
    more = Path(settings.landing) / "clients/b.csv"
    more.write_bytes(
        "N_client;Prénom;Nom;Société;Courriel;Téléphone;Modifié\n"
        "K3;N/A;[Non renseigné];Eau SA;eau@example.net;;28/02/2026\n".encode("cp1252")
    )
    os.utime(more, (time.time() - 3600,) * 2)
    ingest(NIGHT)
    run(NIGHT)
    names = "select given_name, family_name, full_name, organisation from customer_360 where email = 'eau@example.net'"
    assert query(settings, names) == [(None, None, None, "Eau SA")]


def test_the_same_night_again_changes_nothing_on_either_engine(
    published: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for engine in ("duckdb", "postgres"):
        monkeypatch.setenv("C360_ENGINE", engine)
        ingest(NIGHT)
        changes = run(NIGHT)["changes"]
        assert {
            mart: sum(change[k] for k in ("inserted", "changed", "removed")) for mart, change in changes.items()
        } == dict.fromkeys(changes, 0)


def test_two_customers_turn_out_to_be_one_and_the_old_id_leads_to_the_new(published: Settings) -> None:
    before = dict(query(published, "select source_record_id, customer_id from customer_identity_map"))
    late = {"event": {"id": "v4", "when": "2026-03-02T20:00:00+01:00"}, "visitor": "c-2", "login": "marc@example.org"}
    target = Path(published.landing) / "visits/b.jsonl"
    target.write_text(json.dumps(late), "utf-8")
    os.utime(target, (time.time() - 3600,) * 2)
    night = NIGHT + timedelta(days=1)
    ingest(night)
    assert run(night)["identity"]["merged"] == 1
    after = dict(query(published, "select source_record_id, customer_id from customer_identity_map"))
    assert after["K2"] == after["v3"] == after["v4"]
    assert after["K2"] in {before["K2"], before["v3"]}
    gone = {before["K2"], before["v3"]} - {after["K2"]}
    assert query(published, "select customer_id_old, customer_id from customer_alias") == [(gone.pop(), after["K2"])]
    assert after["K1"] == before["K1"]
    _marketing_reads_what_moved(published)


def _marketing_reads_what_moved(published: Settings) -> None:
    figures = "sum(conversions_to - conversions_from), sum(amount_to - amount_from), sum(amount_to + amount_from)"
    cell = "publication_id, grain, model, conversion_set, month, cause"
    moved = query(published, f"select {cell}, {figures} from attribution_restatements group by {cell} order by {cell}")
    marketing = f"select {cell}, {figures} from marketing.attribution_restatements_v1 group by {cell} order by {cell}"
    assert query(published, marketing) == moved
    assert "identity_merge" in {row[5] for row in moved}
    page = build(published).parent
    with (page / "data" / "restated_conversions.csv").open(encoding="utf-8", newline="") as rows:
        assert "identity_merge" in {row["cause"] for row in csv.DictReader(rows)}


def test_a_past_night_gives_the_past_answer(published: Settings) -> None:
    with postgres.connect(published, application_name="test") as connection:
        first = {mart: publication.content_hash(connection, mart) for mart in PAST}
    test_two_customers_turn_out_to_be_one_and_the_old_id_leads_to_the_new(published)
    run(NIGHT)
    with postgres.connect(published, application_name="test") as connection:
        assert {mart: publication.content_hash(connection, mart) for mart in first} == first
        served = publication.served(connection)
        assert served
        assert not unexplained(connection, served.publication_id)


def test_a_refused_candidate_leaves_last_night_served(
    published: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("dbt_project", "plugins", "dags"):
        (home / name).symlink_to(published.home / name)
    (home / "expectations" / "marts").mkdir(parents=True)
    (home / "expectations" / "raw").symlink_to(published.home / "expectations" / "raw")
    (home / "expectations" / "marts" / "strict.yml").write_text(
        "suite: marts/strict\ntables:\n  customer_360:\n"
        "    - {expectation: expect_table_row_count_to_be_between, min_value: 1000}\n",
        "utf-8",
    )
    served = query(published, "select count(*) from customer_360")
    monkeypatch.setenv("C360_HOME", str(home))
    with pytest.raises(
        nightly.NightFailed, match=r"expect_table_row_count_to_be_between on customer_360: observed .* 3"
    ):
        run(NIGHT + timedelta(days=1))
    assert query(published, "select count(*) from customer_360") == served
    with postgres.connect(published, application_name="test") as connection:
        assert publication.served(connection).as_of == NIGHT  # type: ignore[union-attr]


def test_the_command_line_shows_it_all(published: Settings) -> None:
    def c360(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from customer360.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "rows read = loaded + rejected + duplicate" in c360("ledger")
    assert "published" in c360("publications")
    assert "transform" in c360("runs")
    (customer,) = query(published, "select customer_id from customer_360 where email = 'zoe@example.com'")[0]
    masked, revealed = c360("explain", str(customer)), c360("explain", str(customer), "--reveal")
    assert "zoe@example.com" not in masked
    assert "zoe@example.com" in revealed
    assert "0" in c360("rebuild")


REAL = """
version: 1
company: {timezone: America/New_York, currency: USD, phone_region: US}
defaults: {timezone: America/New_York}
sources:
  calls: {connector: twilio, location: phone/twilio_call*}
  messages: {connector: twilio, location: sms/twilio_*}
  log: {connector: access_log, location: web/apache_combined_10k.log}
  snowplow: {connector: snowplow, location: web/snowplow_web_events.csv}
  segment: {connector: segment, location: web/segment_pages.csv}
  salesforce: {connector: salesforce, location: crm/salesforce_*.csv}
  hubspot: {connector: hubspot, location: crm/hubspot_*.csv}
  hubspot_events: {connector: hubspot, location: email/hubspot_*.csv, system: hubspot}
  hubspot_meetings: {connector: hubspot, location: meetings/hubspot_*.csv, system: hubspot}
  ads: {connector: ad_spend, location: media/*.csv}
  mail: {connector: mail, location: email/webhooks/sample_email.txt}
"""


def test_real_files_of_others_go_through_the_dags_with_every_row_accounted_for(
    settings: Settings, samples: Path, tmp_path: Path
) -> None:
    settings.sources.write_text(REAL, "utf-8")
    settings = replace(settings, landing=str(samples))
    environment = {**os.environ, **airflow_local.environment(settings), "C360_SERVING_URL": settings.serving_url or ""}
    airflow_local.migrate(environment)
    report = tmp_path / "dags.jsonl"
    night = [sys.executable, "-m", "customer360.demo.dag_night", "2026-11-01T00:00:00+00:00", str(report)]
    done = subprocess.run(night, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    dags = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    assert {line["dag"] for line in dags} == {
        *(f"ingest_{name}" for name in load_sources(settings.sources).sources),
        "customer_360",
        "marketing_exports",
    }
    assert {line["state"] for line in dags} == {"success"}
    with psycopg2.connect(settings.serving_url) as connection, connection.cursor() as cursor:
        cursor.execute("select path, status, rows_read, rows_loaded + rows_rejected + rows_duplicate from ops.ledger")
        rows = cursor.fetchall()
    assert {status for _, status, *_ in rows} == {"loaded"}
    assert all(read == accounted for *_, read, accounted in rows)
    read = {path: count for path, _, count, _ in rows}
    assert read["web/apache_combined_10k.log"] == 10_000
    assert read["web/snowplow_web_events.csv"] == 160
    assert read["phone/twilio_calls_api_example.json"] == 4
    assert read["crm/hubspot_deal_data.csv"] == 44
    assert query(settings, "select count(*) > 80 from customer_360") == [(True,)]
