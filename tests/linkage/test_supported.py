"""Which pairs need no look: those for which nothing speaks but a name."""

from __future__ import annotations

import random
from datetime import date, timedelta
from itertools import combinations

import duckdb
import numpy as np
import pyarrow as pa

from customer360.identity import alike
from customer360.linkage.compare import comparisons
from customer360.linkage.learned import NAME_ALONE, Judge
from customer360.linkage.model import logit
from customer360.linkage.score import levels
from customer360.sources import OwnIdentities
from unit.identity_case import RECORD_PROFILES
from unit.town import FAMILY, GIVEN, learned


def profiles(count: int = 250) -> pa.Table:
    """Of few names, streets, dates and numbers, so that all kinds of agreement occur, slips among them."""
    pick = random.Random(3)
    rows = []
    for _ in range(count):
        told = {
            "birth_date": date(1970, 1, 1) + timedelta(days=pick.randrange(40)),
            "address_line": f"Lane {pick.randrange(30)} {pick.randrange(3)}",
            "postal_code": f"{pick.randrange(10_000, 10_030)}",
            "city": "Town",
            "phone": f"+4930{pick.randrange(1_000_000, 1_000_020)}",
            "email": f"{'xyzwv'[pick.randrange(5)]}{pick.randrange(30)}@example.{pick.choice(('com', 'org'))}",
        }
        known = {name: value for name, value in told.items() if pick.random() < 0.4}
        named = {"given_name": pick.choice(GIVEN[:4]), "family_name": pick.choice(FAMILY[:4])}
        rows.append({"record_key": pick.getrandbits(62)} | named | known)
    return pa.Table.from_pylist(rows, RECORD_PROFILES)


def test_whom_nothing_but_a_name_speaks_for_is_never_possible() -> None:
    pairs = np.array(list(combinations(range(250), 2)))
    with duckdb.connect() as engine:
        engine.register("given", profiles())
        alike.fold(engine, OwnIdentities(), "given")
        alike.population(engine)
        judge = Judge(engine, learned())
        odds = judge.score(pairs[:, 0], levels(engine, pairs[:, 0], pairs[:, 1], comparisons(alike.FIELDS)))
        engine.register("pair", pa.table({"place": np.arange(len(pairs)), "l": pairs[:, 0], "r": pairs[:, 1]}))
        found = engine.sql(f"""
            select place from pair p join profile l on p.l = l.row join profile r on p.r = r.row
            where {judge.supported()}
        """).to_arrow_table()
    is_supported = np.zeros(len(pairs), bool)
    is_supported[found["place"].to_numpy()] = True
    possible = odds > logit(NAME_ALONE)
    assert not (possible & ~is_supported).any()
    assert (possible & is_supported).sum() > 20
    assert (~is_supported).sum() > 1000
