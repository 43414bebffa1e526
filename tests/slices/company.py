"""A few dozen people whose records come in random nights, late, corrected and withdrawn: written as lake batches.

Everything that ties people together wrongly or rightly is likely here: shared lines and tablets, a mailbox of everybody,
placeholders, numbers that change hands, customer numbers typed wrong, names that are nearly another's, accounts, deals
that name only an account.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from psycopg2.extensions import connection as Connection

from parity.lake_files import LakeWriter

DAY = timedelta(days=1)
DORMANT_AFTER = timedelta(days=180)  # seed lifecycle_parameters
GIVEN = ("Anna", "Anne", "Andreas", "Ben", "Benjamin", "Clara", "Klara", "A.")
FAMILY = ("Meyer", "Meier", "Schmidt", "Weber", "Weber-Meyer")
_SHARED = (("email", "info@firm.example.com"), ("phone", "+493011100001"), ("phone", "+493011100002"))
_ODD = (("email", "test@test.com"), ("phone", "22444", False), ("email", "x@", False), ("cookie", "kiosk"))

Record = dict[str, Any]


@dataclass
class Company:
    """Writes the batches of a night and enters them into the ledger. `batches`: what each active one holds."""

    root: Path
    seed: int
    people: int = 30
    batches: dict[str, list[Record]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.written = 0

    def night(self, connection: Connection, as_of: datetime, records: int) -> None:
        """Some new batches; from the second night on, one of the old replaced and perhaps one withdrawn."""
        pick = self.random
        old = sorted(self.batches)
        if old:
            replaced = pick.choice(old)
            corrected = [self._corrected(each, as_of) for each in self.batches[replaced] if pick.random() < 0.8]
            self._end(connection, replaced, as_of)
            self._write(connection, corrected or [self._record(as_of)], as_of)
        if len(old) > 3 and pick.random() < 0.5:
            self._end(connection, pick.choice(sorted(self.batches)), as_of)
        for _ in range(2):
            self._write(connection, [self._record(as_of) for _ in range(records // 2)], as_of)
        self._write_loners(connection, as_of)

    def _write_loners(self, connection: Connection, as_of: datetime) -> None:
        """Two people of whom nothing is ever doubtful write once more: identity need not look at them again."""
        known = dict(self.batches)
        written = [
            {
                "person": loner,
                "kind": "interaction",
                "number": self.written,
                "identifiers": [("email", f"loner{loner}@example.com")],
                "columns": {
                    "channel": "email",
                    "direction": "inbound",
                    "occurred_at": as_of - 3 * DAY,
                    "interaction_class": "person",
                    "is_touch": True,
                },
            }
            for loner in (1001, 1002)
        ]
        self._write(connection, written, as_of)
        self.batches = known  # nobody replaces or withdraws these

    def _corrected(self, record: Record, as_of: datetime) -> Record:
        """The record as it was, or with another person's value in it."""
        return self._record(as_of, record) if self.random.random() < 0.2 else record

    def _record(self, as_of: datetime, like: Record | None = None) -> Record:
        """A record of somebody; `like` keeps who it is of and its id."""
        pick = self.random
        person = like["person"] if like else pick.randrange(self.people)
        kinds = (
            "contact",
            "contact",
            "lead",
            "form",
            "account",
            "interaction",
            "interaction",
            "opportunity",
            "sales_order",
        )
        kind = like["kind"] if like else pick.choice((*kinds, "interaction", "interaction"))
        number = like["number"] if like else pick.randrange(3)
        return {
            "person": person,
            "kind": kind,
            "number": number,
            "identifiers": self._identifiers(person, kind, number),
            "columns": self._columns(person, kind, as_of),
        }

    def _identifiers(self, person: int, kind: str, number: int) -> list[Any]:
        pick = self.random
        own = [
            ("email", f"p{person}@example.com"),
            ("phone", f"+4930222{person:05d}"),
            ("cookie", f"c{person}"),
            ("phone", f"+4930333{person // 2:05d}"),  # a household's
            ("user_id", f"u{person}"),
            ("cookie", f"tablet{person // 3}"),
        ]
        if kind in ("contact", "lead", "form") and pick.random() < 0.25:  # nobody can tell by these who it is
            return [("email", f"new{pick.randrange(10**6)}@example.com")]
        if kind == "account":
            return [("account_ref", f"crm:account:a{person % 6}"), pick.choice((own[1], *_SHARED))]
        if kind in ("opportunity", "sales_order"):
            return pick.sample(own, 1) if pick.random() < 0.3 else []
        found = pick.sample(own, pick.choice((1, 1, 2)))
        if kind in ("contact", "lead"):
            found.append(("account_ref", f"crm:contact:{person}-{number}"))
        if pick.random() < 0.2:
            found.append(pick.choice((*_SHARED, *_ODD)))
        if pick.random() < 0.08:  # a slip: somebody else's
            found.append(("email", f"p{pick.randrange(self.people)}@example.com"))
        if (
            kind == "interaction" and pick.random() < 0.2
        ):  # a call: the agent types a customer number, not always theirs
            typed = person if pick.random() < 0.7 else pick.randrange(self.people)
            return [own[1], ("account_ref", f"crm:contact:{typed}-{number}")]
        if kind == "interaction" and pick.random() < 0.1:
            return [pick.choice((*_SHARED, *_ODD))]
        return found

    def _columns(self, person: int, kind: str, as_of: datetime) -> Record:
        pick = self.random
        when = self._moment(as_of)
        if kind == "interaction":
            return {
                "channel": pick.choice(("phone", "email", "web", "web", "sms")),
                "direction": "inbound",
                "occurred_at": when,
                "interaction_class": pick.choice(("person", "person", "person", "bulk")),
                "is_touch": pick.random() < 0.8,
                "session_id": pick.choice((None, f"s{person}")),
                "utm_source": pick.choice((None, "google", "newsletter")),
                "utm_medium": pick.choice((None, "cpc", "email")),
                "name_hint": pick.choice((None, None, self._name(person)[2])),
                "flags": pick.choice((None, None, "opt_out")),
            }
        account = pick.choice((None, f"crm:account:a{person % 6}"))
        contact = pick.choice((None, f"crm:contact:{person}-{pick.randrange(3)}"))
        amount = Decimal(pick.randrange(-500, 50000)) / 100
        if kind == "opportunity":
            closed = pick.random() < 0.5
            return {
                "contact_ref": contact, "account_ref": account, "amount": amount, "currency": "EUR", "stage": "s",
                "is_closed": closed, "is_won": closed and pick.random() < 0.5, "is_deleted": pick.random() < 0.05,
                "created_at": pick.choice((None, when)), "observed_at": pick.choice((None, self._moment(as_of))),
                "closed_at": self._moment(as_of) if closed else None,
            }  # fmt: skip
        if kind == "sales_order":
            return {
                "contact_ref": contact, "account_ref": account, "amount": amount, "currency": "EUR",
                "opportunity_ref": pick.choice((None, f"opportunity-{person}-{pick.randrange(3)}")),
                "status": pick.choice((None, "Activated", "cancelled")), "ordered_at": when,
                "delivered_at": pick.choice((None, when + 9 * DAY)), "observed_at": pick.choice((None, when)),
            }  # fmt: skip
        given, family, full = self._name(person)
        return self._home(person) | {
            "given_name": given, "family_name": family, "full_name": full, "account_ref": account,
            "organisation": pick.choice((None, "Firm")), "acquisition_source": pick.choice((None, "media")),
            "stated_stage": pick.choice((None, None, "Unqualified")), "is_deleted": pick.random() < 0.05,
            "consent": pick.choice((None, '{"email": true}', '{"email": false}')),
            "created_at": pick.choice((None, when)), "observed_at": pick.choice((None, self._moment(as_of))),
        }  # fmt: skip

    def _name(self, person: int) -> tuple[str | None, str | None, str | None]:
        """The person's name as somebody wrote it: mostly theirs."""
        steady = random.Random(person)
        given, family = steady.choice(GIVEN[:-1]), steady.choice(FAMILY)
        if self.random.random() < 0.15:
            given, family = self.random.choice(GIVEN), self.random.choice((family, self.random.choice(FAMILY)))
        return self.random.choice(
            ((given, family, f"{given} {family}"), (None, None, f"{given} {family}"), (None, None, None))
        )

    def _home(self, person: int) -> Record:
        """Where they live, and with whom; often nobody says."""
        steady = random.Random(person // 2)
        street = f"{steady.choice(('Elm', 'Oak', 'Ash'))} Lane {steady.randrange(1, 90)}"
        home = {"address_line": street, "postal_code": f"1{steady.randrange(9000):04d}", "city": "Berlin"}
        home["birth_date"] = date(1950, 1, 1) + random.Random(person).randrange(20_000) * DAY
        return {column: value for column, value in home.items() if self.random.random() < 0.6}

    def _moment(self, as_of: datetime) -> datetime:
        """Before the night, in a night to come, or so that somebody falls dormant these days."""
        pick = self.random
        hours = timedelta(hours=pick.randrange(24))
        if pick.random() < 0.1:
            return as_of + pick.randrange(3) * DAY + hours
        if pick.random() < 0.3:
            return as_of - DORMANT_AFTER + pick.randrange(-1, 4) * DAY + hours
        return as_of - pick.randrange(1, 800) * DAY + hours

    def _write(self, connection: Connection, records: list[Record], as_of: datetime) -> None:
        self.written += 1
        batch = f"{self.seed:08d}{self.written:024d}"
        writer = LakeWriter(self.root)
        writer.batch(batch, as_of)
        for record in records:
            kind, columns = record["kind"], record["columns"]
            entity = kind if kind in ("interaction", "opportunity", "sales_order") else "contact_record"
            named = {"record_kind": kind} if entity == "contact_record" else {}
            name = f"{kind}-{record['person']}-{record['number']}"
            writer.add(entity, "crm", batch, name, record["identifiers"], **columns, **named)
        rows: dict[str, int] = {}
        for file in writer.write():
            rows[file.entity] = 1
        self.batches[batch] = records
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into ops.ledger (source, path, batch_id, connector, status, entity_rows, loaded_as_of)"
                " values ('crm', %s, %s, 'mapped', 'loaded', %s, %s)",
                (batch, batch, json.dumps(rows), as_of),
            )
        connection.commit()

    def _end(self, connection: Connection, batch: str, as_of: datetime) -> None:
        del self.batches[batch]
        with connection.cursor() as cursor:
            cursor.execute(
                "update ops.ledger set status = 'replaced', superseded_as_of = %s where batch_id = %s", (as_of, batch)
            )
        connection.commit()
