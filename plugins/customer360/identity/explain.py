"""Why is this one customer? Its records, the identifiers that link them, and how it came to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from rich.console import Group, RenderableType
from rich.table import Table

from customer360.engines.base import Engine

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass(frozen=True, slots=True)
class Explanation:
    """Rows for a person to read. `identifiers`: type, value, class, reason, records; `records`: source, kind,
    id, identifiers; `events`: night, kind, other customer, reason, the identifier it rests on; `fields`, of what is
    served: fields, source, record, rule, competing values."""

    customer_id: int
    asked_for: int
    kind: str
    identifiers: list[tuple[str, str, str, str, int]]
    records: list[tuple[str, str, str, str]]
    events: list[tuple[datetime, str, int | None, str | None, str | None]]
    aliases: list[int]
    fields: list[tuple[str, str, str, str, int]]


def explain(engine: Engine, connection: Connection, customer_id: int, reveal: bool = False) -> Explanation:
    """Explain a customer of the last run on this engine; an alias is followed to its survivor.

    Values are masked unless `reveal`. Raises ValueError for an unknown customer.
    """
    with connection.cursor() as cursor:
        living = _living(cursor, customer_id)
        cursor.execute(
            "select as_of, kind, other_customer_id, reason, evidence from ops.identity_event"
            " where customer_id = %s order by event_id",
            (living,),
        )
        history = cursor.fetchall()
        aliases = _aliases(cursor, living)

    def name(schema: str, table: str) -> str:
        return engine.qualify(schema, table)

    customers = engine.read(f"select customer_kind from {name('identity', 'customer')} where customer_id = {living}")
    if not customers.num_rows:
        raise ValueError(f"no customer {customer_id}")
    identifiers = engine.read(
        f"""
        select i.identifier_type, i.identifier_value, c.identifier_class, c.reason, count(*) as records
        from {name("intermediate", "identifier")} i
        join {name("identity", "customer_record")} r on i.record_key = r.record_key
        join {name("identity", "identifier_class")} c on i.identifier_key = c.identifier_key
        where r.customer_id = {living}
        group by 1, 2, 3, 4
        """
    )
    records = engine.read(
        f"""
        select i.source, i.record_kind, i.record_key, i.identifier_type, i.identifier_value
        from {name("intermediate", "identifier")} i
        join {name("identity", "customer_record")} r on i.record_key = r.record_key
        where r.customer_id = {living}
        """
    )
    evidence = _values(engine, [key for *_, key in history if key is not None], reveal)
    ids = _record_ids(connection, pc.unique(records.column("record_key")).to_pylist())
    listed: dict[tuple[str, str, str], list[str]] = {}
    for row in records.to_pylist():
        key = (row["source"], row["record_kind"], ids.get(row["record_key"], str(row["record_key"])))
        listed.setdefault(key, []).append(f"{row['identifier_type']} {mask(row['identifier_value'], reveal)}")
    return Explanation(
        customer_id=living,
        asked_for=customer_id,
        kind=customers.column(0)[0].as_py(),
        identifiers=sorted(
            (
                row["identifier_type"],
                mask(row["identifier_value"], reveal),
                row["identifier_class"],
                row["reason"],
                row["records"],
            )
            for row in identifiers.to_pylist()
        ),
        records=sorted((*key, ", ".join(sorted(values))) for key, values in listed.items()),
        events=[(*event, evidence.get(key)) for *event, key in history],
        aliases=aliases,
        fields=_fields(connection, living),
    )


def record(text: str) -> tuple[str, str, str]:
    """Source, kind and id of 'source/kind/id'; an id may contain slashes. Raises ValueError for another form."""
    parts = text.split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise ValueError("a record is given as source/kind/id, like hubspot/contact/42")
    return parts[0], parts[1], parts[2]


def mask(value: str, reveal: bool) -> str:
    """First and last character of each part of a value; all of it when `reveal`."""
    if reveal:
        return value
    parts = value.split("@")
    return "@".join(part if len(part) <= 2 else f"{part[0]}{'·' * min(len(part) - 2, 6)}{part[-1]}" for part in parts)


def render(found: Explanation) -> RenderableType:
    """Tables for the terminal."""
    head = f"customer {found.customer_id} ({found.kind})"
    if found.asked_for != found.customer_id:
        head += f"; {found.asked_for} was merged into it"
    identifiers = _table(
        "Identifiers: private ones link records, others do not",
        ("type", "value", "class", "why", "records"),
        found.identifiers,
    )
    records = _table("Records", ("source", "kind", "record", "carries"), found.records)
    fields = _table("Fields come from", ("fields", "source", "record", "because", "values"), found.fields)
    events = _table("History", ("night (UTC)", "event", "other customer", "because", "identifier"), found.events)
    return Group(head, identifiers, records, fields, events)


def _table(title: str, columns: tuple[str, ...], rows: list[Any]) -> Table:
    table = Table(title=title)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    return table


def _living(cursor: Any, customer_id: int) -> int:
    cursor.execute(
        """
        with recursive chain as (
            select %s::bigint as customer_id, 0 as steps
            union all
            select a.customer_id, c.steps + 1
            from chain c join ops.customer_alias a on a.customer_id_old = c.customer_id
            where c.steps < 1000
        )
        select customer_id from chain order by steps desc limit 1
        """,
        (customer_id,),
    )
    return int(cursor.fetchone()[0])


def _aliases(cursor: Any, customer_id: int) -> list[int]:
    """Every customer that was merged into this one, or into one that was."""
    cursor.execute(
        """
        with recursive found as (
            select customer_id_old from ops.customer_alias where customer_id = %s
            union
            select a.customer_id_old from found f join ops.customer_alias a on a.customer_id = f.customer_id_old
        )
        select customer_id_old from found order by 1
        """,
        (customer_id,),
    )
    return [old for (old,) in cursor]


def _values(engine: Engine, keys: list[int], reveal: bool) -> dict[int, str]:
    """{identifier_key: its type and value}; keys of records, which have no value, are left out."""
    if not keys:
        return {}
    listed = ", ".join(str(int(key)) for key in sorted(set(keys)))
    rows = engine.read(
        "select distinct identifier_key, identifier_type, identifier_value"
        f" from {engine.qualify('intermediate', 'identifier')} where identifier_key in ({listed})"
    )
    return {
        row["identifier_key"]: f"{row['identifier_type']} {mask(row['identifier_value'], reveal)}"
        for row in rows.to_pylist()
    }


def _fields(connection: Connection, customer_id: int) -> list[tuple[str, str, str, str, int]]:
    """Where the customer's fields come from, as served."""
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass('serving.customer_field_provenance') is not null")
        if cursor.fetchone() != (True,):
            return []
        cursor.execute(
            "select replace(p.fields, ',', ', '), p.source, coalesce(m.source_record_id, p.record_key::text),"
            " p.survivorship_rule, p.competing_values"
            " from serving.customer_field_provenance p left join serving.customer_identity_map m using (record_key)"
            " where p.customer_id = %s order by p.fields",
            (customer_id,),
        )
        return cursor.fetchall()


def _record_ids(connection: Connection, keys: list[int]) -> dict[int, str]:
    """Ids of records in their sources, from what is served."""
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass('serving.customer_identity_map') is not null")
        if not (cursor.fetchone() or (False,))[0]:
            return {}
        cursor.execute(
            "select record_key, source_record_id from serving.customer_identity_map where record_key = any(%s)", (keys,)
        )
        return dict(cursor.fetchall())
