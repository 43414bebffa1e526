"""What a larger company of the same kind of people would have taught linkage."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from customer360 import postgres
from customer360.identity import alike, linkage_model
from customer360.settings import Settings
from customer360.sources import OwnIdentities
from slices.company import FAMILY, GIVEN
from unit.identity_case import RECORD_PROFILES


def teach(settings: Settings, as_of: datetime, people: int = 2000) -> None:
    """Store a linkage model in force from the night on."""
    pick = random.Random(360)
    profiles: list[dict[str, Any]] = []
    labels: list[int] = []
    for person in range(people):
        home = random.Random(person // 2)
        given, family = pick.choice(GIVEN), pick.choice(FAMILY)
        stated = {
            "address_line": f"{home.choice(('Elm', 'Oak', 'Ash'))} Lane {home.randrange(1, 90)}",
            "postal_code": f"1{home.randrange(9000):04d}",
            "city": "Berlin",
            "birth_date": date(1950, 1, 1) + timedelta(days=pick.randrange(20_000)),
        }
        for _ in range(pick.choice((1, 1, 2, 3))):
            told = {column: value for column, value in stated.items() if pick.random() < 0.6}
            told |= {"given_name": pick.choice(GIVEN) if pick.random() < 0.05 else given, "family_name": family}
            profiles.append({"record_key": pick.getrandbits(62)} | told)
            labels.append(person if pick.random() < 0.9 else -len(labels))  # some are not known to be who they are
    with duckdb.connect() as engine:
        engine.register("record_profiles", pa.Table.from_pylist(profiles, RECORD_PROFILES))
        engine.register("known", pa.table({"record_key": [each["record_key"] for each in profiles], "label": labels}))
        alike.fold(engine, OwnIdentities(), "record_profiles")
        alike.population(engine)
        learned = alike.teach(engine, "known")
    assert learned is not None
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        linkage_model.store(cursor, learned, as_of)
        connection.commit()
