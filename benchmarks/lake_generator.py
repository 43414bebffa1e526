"""A generated company written straight into the lake: fast, seeded, by the contracts.

One customer per ten interactions; a third of the visits come with a campaign; every fourth customer buys.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from customer360.connectors.base import Batch, table
from customer360.deliveries import Offer, Outcome, Ticket, claim, finish, start
from customer360.lake import LakeWriter
from customer360.settings import Settings

SOURCES = """
version: 1
company: {timezone: UTC, currency: EUR}
defaults: {timezone: UTC}
sources:
  web: {connector: mapped, location: web/*, mapping: {interaction: {channel: {value: web}, occurred_at: at}}}
  crm: {connector: mapped, location: crm/*, mapping: {contact_record: {family_name: name}}}
"""
_INTERACTIONS = """
    select 'e' || i as source_record_id, (i + 1)::bigint as row_number,
        case i % 5 when 0 then 'phone' when 1 then 'email' else 'web' end as channel, 'inbound' as direction,
        timestamptz '2024-03-02 00:00:00+00' + interval (hash(i) % 63000000) second as occurred_at,
        'person' as interaction_class, true as is_touch,
        case when i % 3 = 0 then 'google' end as utm_source, case when i % 3 = 0 then 'cpc' end as utm_medium,
        case when i % 3 = 0 then 'campaign_' || hash(i) % 20 end as utm_campaign,
        (hash(i, 1) % {customers})::bigint as customer
    from range({rows}) t(i)
"""


def write(settings: Settings, connection: Any, interactions: int, as_of: datetime) -> None:
    """Write the lake and its ledger rows for the night of `as_of`."""
    customers = max(100, interactions // 10)
    with duckdb.connect() as engine:
        engine.execute("set timezone = 'UTC'")
        events = engine.sql(_INTERACTIONS.format(rows=interactions, customers=customers)).to_arrow_table()
        engine.register("events", events)
        identifiers = engine.sql(
            "select source_record_id, row_number, 'interaction' as record_kind,"
            " case when row_number % 4 = 0 then 'email' else 'cookie' end as identifier_type,"
            " case when row_number % 4 = 0 then 'c' || customer || '@example.com' else 'web:' || customer end"
            " as identifier_value, true as is_valid from events"
        ).to_arrow_table()
        people = engine.sql(
            f"select i::varchar as source_record_id, (i + 1)::bigint as row_number, 'contact' as record_kind,"
            f" 'Given' || i as given_name, 'Family' || i as family_name,"
            f" timestamptz '2024-06-01 00:00:00+00' + interval (i % 600) day as observed_at from range({customers}) t(i)"
        ).to_arrow_table()
        links = engine.sql(
            f"select i::varchar as source_record_id, (i + 1)::bigint as row_number, 'contact' as record_kind,"
            f" unnest(['email', 'cookie']) as identifier_type,"
            f" unnest(['c' || i || '@example.com', 'web:' || i]) as identifier_value, true as is_valid"
            f" from range({customers}) t(i)"
        ).to_arrow_table()
        orders = engine.sql(
            f"select 'o' || i as source_record_id, (i + 1)::bigint as row_number, 'done' as status,"
            f" (10 + i % 900)::decimal(18, 6) as amount, 'EUR' as currency,"
            f" timestamptz '2025-06-01 00:00:00+00' + interval (i % 200) day as ordered_at"
            f" from range(0, {customers}, 4) t(i)"
        ).to_arrow_table()
        order_links = engine.sql(
            f"select 'o' || i as source_record_id, (i + 1)::bigint as row_number, 'sales_order' as record_kind,"
            f" 'email' as identifier_type, 'c' || i || '@example.com' as identifier_value, true as is_valid"
            f" from range(0, {customers}, 4) t(i)"
        ).to_arrow_table()
    _load(settings, connection, "web", as_of, interactions, {"interaction": events, "identifier": identifiers})
    crm = {"contact_record": people, "sales_order": orders, "identifier": pa.concat_tables([links, order_links])}
    _load(settings, connection, "crm", as_of, customers + orders.num_rows, crm)


def _load(
    settings: Settings, connection: Any, source: str, as_of: datetime, rows: int, tables: dict[str, pa.Table]
) -> None:
    offer = Offer(source, "mapped", f"{source}/generated", f"{source:0<64}", 1, 0.0)
    ticket = start(connection, offer, as_of)
    assert isinstance(ticket, Ticket)
    Path(settings.lake).mkdir(parents=True, exist_ok=True)
    writer = LakeWriter(settings.lake, source, ticket.batch_id, as_of, [])
    shaped = {
        entity: table(entity, {n: each.column(n).combine_chunks() for n in each.column_names if n != "customer"})
        for entity, each in tables.items()
    }
    writer.add(Batch(rows, shaped))
    claim(connection, ticket, offer)
    finish(connection, ticket, offer, Outcome("loaded", rows, entity_rows=writer.commit()), as_of)
