"""A town of families, and what its people teach linkage."""

from __future__ import annotations

import random
from datetime import date, timedelta
from functools import cache

import duckdb
import pyarrow as pa

from customer360.identity import alike
from customer360.linkage.learned import Learned
from customer360.sources import OwnIdentities
from unit.identity_case import RECORD_PROFILES

GIVEN = [
    "anna",
    "otto",
    *(f"{a}{b}" for a in "ar bel cor dan el fen gil hal".split() for b in "a eo ina ius or".split()),
]
FAMILY = [
    f"{a}{b}" for a in "acker berg dahl eich falk hart lind moor".split() for b in "mann feld stein bach au".split()
]


@cache
def learned() -> Learned:
    """What a town of families taught: they share lines and addresses, and people are in it twice."""
    pick = random.Random(1)
    profiles, labels = [], []
    for person in range(3000):
        home = random.Random(person // 3)
        stated = {
            "given_name": pick.choice(GIVEN),
            "family_name": home.choice(FAMILY),
            "address_line": f"Lane {home.randrange(40)} {home.randrange(90)}",
            "postal_code": f"{home.randrange(10_000, 10_400)}",
            "city": "Town",
            "birth_date": date(1940, 1, 1) + timedelta(days=pick.randrange(25_000)),
            "phone": f"+4930{person // 3:07d}",
            "email": f"{pick.getrandbits(40):x}@example.{pick.choice(('com', 'org'))}",
        }
        for _ in range(pick.choice((1, 1, 2))):
            told = {name: value for name, value in stated.items() if name.endswith("name") or pick.random() < 0.7}
            if pick.random() < 0.3:  # everybody has another mailbox, and some keep what they call themselves
                told["email"] = f"{pick.choice((stated['email'].split('@')[0], 'x' + str(person)))}@example.net"
            profiles.append({"record_key": pick.getrandbits(62)} | told)
            labels.append(person if pick.random() < 0.9 else -len(labels))  # some are not known to be who they are
    with duckdb.connect() as engine:
        engine.register("given", pa.Table.from_pylist(profiles, RECORD_PROFILES))
        engine.register("known", pa.table({"record_key": [each["record_key"] for each in profiles], "label": labels}))
        alike.fold(engine, OwnIdentities(), "given")
        alike.population(engine)
        found = alike.teach(engine, "known")
    assert found is not None
    return found
