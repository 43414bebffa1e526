"""The containers' own commands, environment and health checks, run as plain processes: init, then the four
Airflow services under a real scheduler, and a night through them by the public API."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest

from customer360.settings import Settings
from house import LASTING, PEOPLE, House


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, cluster: Settings) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"), cluster)
    landing = made.home / "landing" / "people"
    landing.mkdir(parents=True)
    (made.home / "sources.yml").write_text(PEOPLE, "utf-8")
    (landing / "a.csv").write_text("id,name,mail\n1,Ana Ruiz,ana@example.com\n2,Ben Ott,ben@example.com\n", "utf-8")
    try:
        yield made
    finally:
        made.stop()


def test_init_then_every_service_becomes_healthy_and_runs_a_night(house: House) -> None:
    house.init()
    house.open()
    logs = "".join((house.home / f"{service}.log").read_text("utf-8", "replace") for service in LASTING)
    assert not [name for name, secret in house.secrets.items() if secret in logs], "a secret is in a log"
    api = house.log_in()
    runs = {}
    for dag in ("ingest_people", "customer_360"):
        runs[dag] = api.start(dag, "2026-03-02")
        assert api.wait(dag, runs[dag]) == "success", dag
    log = api.log("customer_360", runs["customer_360"], "begin")
    assert '"task_id": "begin"' in log, log[-2000:]
    with psycopg2.connect(house.serving) as connection, connection.cursor() as cursor:
        cursor.execute("select full_name from serving.customer_360 order by 1")
        assert cursor.fetchall() == [("Ana Ruiz",), ("Ben Ott",)]
        cursor.execute("select status, gate from ops.publication")  # the unpaused DAG adds its own scheduled run
        found = cursor.fetchall()
    assert ("published", "pass") in found
    assert {gate for _, gate in found} == {"pass"}
