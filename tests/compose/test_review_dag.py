"""A person answers the DAG `identity_review` by Airflow's public API, and the next night obeys."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pyarrow as pa
import pytest

from customer360.identity import review
from customer360.keys import record_key
from customer360.settings import Settings
from house import LASTING, PATIENCE_S, PEOPLE, Api, House

RUNS = "/api/v2/dags/identity_review/dagRuns"
QUESTIONS = f"{RUNS}/~/hitlDetails"
ANSWERS = {"Review 1": "Same person", "Review 2": "Not now"}
ANA, TWIN, BEN = (record_key("people", "contact", number) for number in "123")


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory, cluster: Settings) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("review"), cluster)
    landing = made.home / "landing" / "people"
    landing.mkdir(parents=True)
    (made.home / "sources.yml").write_text(PEOPLE, "utf-8")
    people = "id,name,mail\n1,Ana Ruiz,ana@example.com\n2,Ana Ruiz,ana.ruiz@example.com\n3,Ben Ott,ben@example.com\n"
    (landing / "a.csv").write_text(people, "utf-8")
    try:
        yield made
    finally:
        made.stop()


def waiting(api: Api) -> list[dict[str, Any]]:
    """Questions that `identity_review` asks and nobody has answered."""
    found = api.call("GET", f"{QUESTIONS}?response_received=false")["hitl_details"]
    return list(found)


def answer(api: Api, question: dict[str, Any]) -> None:
    """What a person says who reads the question, who sees no name and no address in it."""
    text = json.dumps(question)
    assert "Ruiz" not in text
    assert "ana@" not in text
    assert "full_name" in question["body"]
    place = question["task_instance"]
    where = f"{RUNS}/{place['dag_run_id']}/taskInstances/{place['task_id']}/{place['map_index']}"
    said = {"chosen_options": [ANSWERS[question["subject"][:8]]], "params_input": {"reason": "one person, I asked"}}
    api.call("PATCH", f"{where}/hitlDetails", said)


def answer_all(api: Api) -> str:
    """State at the end of the runs in which every question is answered, again where Airflow asks again."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        for question in waiting(api):
            answer(api, question)
        states = {run["state"] for run in api.call("GET", RUNS)["dag_runs"]}
        if states and states <= {"success", "failed"}:
            return ", ".join(sorted(states))
        assert time.monotonic() < deadline, states
        time.sleep(1)


@pytest.mark.slow
def test_people_are_asked_in_airflow_and_the_next_night_obeys(house: House) -> None:
    house.init()
    house.open()
    api = house.log_in()
    for dag in ("ingest_people", "customer_360"):
        assert api.wait(dag, api.start(dag, "2026-03-02")) == "success", dag
    with psycopg2.connect(house.serving) as connection, connection.cursor() as cursor:
        cursor.execute("select max(as_of) from ops.run")
        (night,) = cursor.fetchone() or (None,)
        asked = [(ANA, TWIN, 0.9), (ANA, BEN, 0.6)]
        rows = [{"record_key_a": a, "record_key_b": b, "probability": p, "reason": "alike"} for a, b, p in asked]
        review.put(cursor, night, pa.Table.from_pylist(rows, review.PAIRS))

    # Its schedule starts a run at once.
    api.wait_for_dags({"identity_review"})
    api.call("PATCH", "/api/v2/dags/identity_review", {"is_paused": False})
    assert answer_all(api) == "success"
    with psycopg2.connect(house.serving) as connection, connection.cursor() as cursor:
        cursor.execute("select kind, reviewer, reason from ops.identity_decision")
        assert cursor.fetchall() == [("must_link", "admin", "one person, I asked")]
        cursor.execute("select status from ops.identity_review order by review_id")
        assert cursor.fetchall() == [("confirmed",), ("open",)]
    logs = "".join((house.home / f"{service}.log").read_text("utf-8", "replace") for service in LASTING)
    assert "Ruiz" not in logs

    assert api.wait("customer_360", api.start("customer_360", "2030-01-01")) == "success"
    with psycopg2.connect(house.serving) as connection, connection.cursor() as cursor:
        cursor.execute("select count(distinct customer_id), count(*) from serving.customer_identity_map")
        assert cursor.fetchone() == (2, 3)
