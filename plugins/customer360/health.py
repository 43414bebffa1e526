"""Health checks of the containers: `python -m customer360.health http URL | job JOB_TYPE`.

`http`: the URL answers 200 and no component it reports is unhealthy. `job`: the component's newest
heartbeat in Airflow's metadata database is younger than its limit. Exit status 0 or 1, one line said.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request

HEARTBEAT_LIMIT_S = 90


def http(url: str) -> str | None:
    """None if healthy, else what is wrong."""
    try:
        with urllib.request.urlopen(url, timeout=8) as answer:  # noqa: S310  (loopback URL from the compose file)
            body = answer.read()
    except (urllib.error.URLError, TimeoutError) as error:
        return f"{url}: {error}"
    try:
        parts = json.loads(body)
    except ValueError:
        return None
    if not isinstance(parts, dict):
        return None
    # The api-server answers for itself; the others have checks of their own.
    database = parts.get("metadatabase")
    if isinstance(database, dict) and database.get("status") == "unhealthy":
        return "metadatabase is unhealthy"
    return None


def job(job_type: str) -> str | None:
    """None if a job of that type has a fresh heartbeat, else what is wrong."""
    import psycopg2

    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
    connection = psycopg2.connect(url, connect_timeout=8)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "select extract(epoch from now() - max(latest_heartbeat)) from job"
                " where job_type = %s and state = 'running'",
                (job_type,),
            )
            (age,) = cursor.fetchone() or (None,)
    finally:
        connection.close()
    if age is None:
        return f"{job_type}: no heartbeat"
    return None if age <= HEARTBEAT_LIMIT_S else f"{job_type}: last heartbeat {age:.0f} s ago"


def main(arguments: list[str]) -> int:
    checks = {"http": http, "job": job}
    if len(arguments) != 2 or arguments[0] not in checks:
        sys.stderr.write(f"{__doc__}\n")
        return 1
    wrong = checks[arguments[0]](arguments[1])
    sys.stdout.write(f"{wrong or 'healthy'}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
