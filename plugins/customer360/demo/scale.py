"""A company of any size written straight into the lake, by the contracts: for benchmarks and property tests.

Everything is a function of the row's number and the seed, computed in columns by DuckDB: the same arguments
give the same rows. Sizes are skewed as in life: few customers have most contacts. A part of what arrives is
households' lines, firms' role mailboxes, bots, and visitors nobody ever gets to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow.parquet as pq

from customer360 import deliveries
from customer360.contracts import POSITION, lake_schema
from customer360.engines.base import LakeFile
from customer360.keys import SEPARATOR

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

SPAN: Final = timedelta(days=730)
AS_OF: Final = datetime(2026, 3, 2, tzinfo=UTC)  # the first night: everything of `write_lake` happened before
BATCH_ROWS: Final = 1_000_000  # interactions of one batch: bounds memory, and nights come as batches
CHANNEL_SOURCES: Final = {
    "web": "web_snowplow",
    "email": "mailbox",
    "phone": "pbx",
    "sms": "twilio_messages",
    "in_person": "trade_fair",
}
CRM: Final = "hubspot"
ADS: Final = "ad_spend"
_ARROW_TYPES: Final = {
    "string": "varchar",
    "bool": "boolean",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "date32[day]": "date",
    "timestamp[us, tz=UTC]": "timestamptz",
    "decimal128(18, 6)": "decimal(18, 6)",
    "decimal128(7, 4)": "decimal(7, 4)",
}

_MACROS: Final = f"""
create macro chance(i, salt) as (hash(i, salt, getvariable('seed')) % 1000000) / 1e6;
create macro draw(i, salt, n) as (hash(i, salt, getvariable('seed')) % n)::bigint;
create macro as_signed(x) as case when x > 9223372036854775807 then (x::hugeint - 18446744073709551616)::bigint
    else x::bigint end;
create macro key2(a, b) as as_signed(md5_number_lower(concat_ws(chr({ord(SEPARATOR)}), a, b))::ubigint);
create macro key3(a, b, c) as as_signed(md5_number_lower(concat_ws(chr({ord(SEPARATOR)}), a, b, c))::ubigint);
create macro mail_of(c) as 'c' || c || '@mail.example.com';
create macro mobile_of(c) as '+4915' || lpad((100000000 + c)::varchar, 9, '0');
create macro line_of(c) as '+4930' || lpad((5000000 + c // 2)::varchar, 8, '2');
create macro cookie_of(c) as 'duid:' || lpad(to_hex(hash(c, 'cookie')), 16, '0');
"""

# One row per interaction `i`; `c` is the customer. Times rise with `i`, so that batches are periods.
_INTERACTIONS: Final = """
create or replace temp table event as
select i, i - {first} + 1 as row_number, case when x < 0.56 then 'web' when x < 0.76 then 'email'
        when x < 0.88 then 'phone' when x < 0.97 then 'sms' else 'in_person' end as channel,
    {customer} as c, chance(i, 'kind') as k,
    to_timestamp({start} + {span} * (i - {zero} + chance(i, 'time')) / {rows}) as occurred_at
from (select i, chance(i, 'channel') as x from range({first}, {last}) t(i))
"""
_CUSTOMER: Final = "least({customers} - 1, ({customers} * pow(chance(i, 'customer'), 1.6))::bigint)"
_INTERACTION: Final = """
select 'e' || i as source_record_id, row_number, channel,
    case when channel = 'web' or k < 0.6 then 'inbound' else 'outbound' end as direction,
    date_trunc('second', occurred_at) as occurred_at, 60::smallint as utc_offset_minutes,
    case channel when 'web' then 'page_view' when 'phone' then 'call' when 'email' then 'mail'
        when 'sms' then 'message' else 'meeting' end as event_name,
    case when channel = 'phone' then draw(i, 'talk', 600)::integer end as duration_s,
    case when channel = 'web' and k > 0.9 then 'bot' when channel = 'email' and k > 0.85 then 'bulk'
        else 'person' end as interaction_class,
    case when channel = 'web' then k <= 0.9 else k < 0.6 end as is_touch,
    case when channel = 'web' then 's' || c || '_' || (i // 1000) end as session_id,
    case when channel = 'web' and k < 0.2 then ['google', 'facebook', 'newsletter'][1 + draw(i, 'utm', 3)] end as utm_source,
    case when channel = 'web' and k < 0.2 then ['cpc', 'paid_social', 'email'][1 + draw(i, 'utm', 3)] end as utm_medium,
    case when channel = 'web' and k < 0.2 then 'campaign_' || draw(i, 'campaign', 20) end as utm_campaign,
    case when channel = 'web' and k between 0.2 and 0.35 then 'www.google.de' end as referrer_host
from event where channel = '{channel}'
"""
# A bot's visits carry no identity; a log-in is sent with two visits in five of those who have one.
_INTERACTION_IDENTIFIERS: Final = """
select source_record_id, row_number, 'interaction' as record_kind, u.type as identifier_type,
    u.value as identifier_value, true as is_valid
from (select 'e' || i as source_record_id, row_number, unnest(list_filter([
    case when channel = 'web' then {{'type': 'cookie', 'value': cookie_of(c)}} end,
    case when channel = 'web' and k < 0.4 and c % 10 < 6 then {{'type': 'user_id', 'value': 'u' || c}} end,
    case when channel = 'email' then {{'type': 'email', 'value': case when k between 0.6 and 0.62
        then 'info@firm' || (c % 500) || '.example.com' else mail_of(c) end}} end,
    case when channel = 'in_person' then {{'type': 'email', 'value': mail_of(c)}} end,
    case when channel = 'phone' then {{'type': 'phone', 'value': case when k < 0.3 then line_of(c) else mobile_of(c) end}} end,
    case when channel = 'sms' then {{'type': 'phone', 'value': mobile_of(c)}} end], lambda x: x is not null)) as u
from event where channel = '{channel}' and not (channel = 'web' and k > 0.9))
"""
# Three customers in five are in the CRM, one in ten of them with the household's line.
_CONTACTS: Final = """
select c::varchar as source_record_id, c // 10 * 6 + c % 10 + 1 as row_number, 'contact' as record_kind,
    'Given' || draw(c, 'given', 400) as given_name, 'Family' || draw(c // 2, 'family', 5000) as family_name,
    'City' || draw(c, 'city', 50) as city, ['website', 'media', 'event', 'referral'][1 + draw(c, 'source', 4)]
    as acquisition_source, to_timestamp({start} + ({span} * chance(c, 'made'))::bigint) as created_at,
    to_timestamp({start} + ({span} * chance(c, 'made'))::bigint) as observed_at
from range({customers}) t(c) where c % 10 < 6
"""
_CONTACT_IDENTIFIERS: Final = """
select source_record_id, row_number, 'contact' as record_kind, u.type as identifier_type,
    u.value as identifier_value, true as is_valid
from (select c::varchar as source_record_id, c // 10 * 6 + c % 10 + 1 as row_number, unnest(list_filter([
    {{'type': 'account_ref', 'value': 'hubspot:contact:' || c}}, {{'type': 'email', 'value': mail_of(c)}},
    {{'type': 'user_id', 'value': 'u' || c}}, {{'type': 'phone', 'value': mobile_of(c)}},
    case when c % 10 = 5 then {{'type': 'phone', 'value': line_of(c)}} end], lambda x: x is not null)) as u
from range({customers}) t(c) where c % 10 < 6)
"""
_DEALS: Final = """
create or replace temp table deal as
select c, c // 5 + 1 as row_number, {start} + ({span} * 0.9 * chance(c, 'deal'))::bigint as opened,
    (50 + draw(c, 'amount', 500000) / 100)::decimal(18, 6) as amount, chance(c, 'won') as outcome
from range(0, {customers}, 5) t(c)
"""
_OPPORTUNITIES: Final = """
select 'd' || c as source_record_id, row_number, 'hubspot:contact:' || c as contact_ref, 'Deal' as name,
    case when outcome < 0.5 then 'Closed Won' when outcome < 0.8 then 'Closed Lost' else 'Proposal' end as stage,
    amount, 'EUR' as currency, outcome < 0.8 as is_closed, outcome < 0.5 as is_won,
    to_timestamp(opened) as created_at, case when outcome < 0.8 then to_timestamp(opened + 1728000) end as closed_at,
    to_timestamp(opened + 1728000) as observed_at
from deal
"""
_STAGES: Final = """
select 'd' || c || '|' || n as source_record_id, (row_number - 1) * 3 + n as row_number, 'd' || c as opportunity_ref,
    case n when 1 then 'Qualification' when 2 then 'Proposal' else case when outcome < 0.5 then 'Closed Won'
        else 'Closed Lost' end end as stage, amount, to_timestamp(opened + 864000 * (n - 1)) as entered_at,
    to_timestamp(opened + 864000 * (n - 1)) as observed_at
from deal, range(1, 4) t(n) where n < 3 or outcome < 0.8
"""
_ORDERS: Final = """
select 'o' || c as source_record_id, row_number, 'hubspot:contact:' || c as contact_ref,
    'd' || c as opportunity_ref, 'Activated' as status, amount, 'EUR' as currency,
    to_timestamp(opened + 1814400) as ordered_at, to_timestamp(opened + 2419200) as delivered_at,
    to_timestamp(opened + 2419200) as observed_at
from deal where outcome < 0.5
"""
_LINKS: Final = """
select '{prefix}' || c as source_record_id, row_number, '{kind}' as record_kind,
    'account_ref' as identifier_type, 'hubspot:contact:' || c as identifier_value, true as is_valid
from deal where {where}
"""
_SPEND: Final = """
select strftime(day, '%Y-%m-%d') || '|' || n as source_record_id,
    (epoch(day)::bigint - {start}) // 86400 * 20 + n + 1 as row_number, day::date as spend_date, ['google_ads', 'meta'][1 + n % 2] as platform, (21000000 + n)::varchar as campaign_id,
    'campaign_' || n as campaign, 20 + draw(n, day, 200) as clicks, 900 + draw(n, day, 9000) as impressions,
    (5 + draw(n, day, 9000) / 100)::decimal(18, 6) as cost, 'EUR' as currency
from range(to_timestamp({start}), to_timestamp({start} + {span}), interval 1 day) d(day), range(20) t(n)
"""


@dataclass(frozen=True, slots=True)
class ScaleLake:
    """A written lake: its size and seed, the night it was loaded in, and its files."""

    path: Path
    interactions: int
    customers: int
    seed: int
    as_of: datetime
    files: tuple[LakeFile, ...]


def write_lake(path: Path, interactions: int, customers: int, seed: int = 7) -> ScaleLake:
    """Write `interactions` contacts of `customers` customers in the two years before AS_OF, with their CRM.

    Files are `<path>/<source>/<entity>/<batch_id>.parquet`; a batch holds at most BATCH_ROWS interactions.
    Raises ValueError for a size that is not positive.
    """
    if interactions < 1 or customers < 1:
        raise ValueError("a lake needs at least one interaction and one customer")
    start, span = int((AS_OF - SPAN).timestamp()), int(SPAN.total_seconds())
    customer = _CUSTOMER.format(customers=customers)
    with _Writer(path, seed, AS_OF) as writer:
        for first in range(0, interactions, BATCH_ROWS):
            last = min(first + BATCH_ROWS, interactions)
            writer.run(
                _INTERACTIONS,
                first=first,
                last=last,
                zero=0,
                rows=interactions,
                start=start,
                span=span,
                customer=customer,
            )
            writer.interactions(f"lake/{seed}/{first}")
        writer.crm(f"lake/{seed}/crm", customers=customers, start=start, span=span)
        return ScaleLake(path, interactions, customers, seed, AS_OF, tuple(writer.files))


def write_night(lake: ScaleLake, night: int, share: float) -> list[LakeFile]:
    """Write the contacts of night `night` (from 1) after the lake's own: `share` of its interactions, a day long.

    They touch `share` of its customers. The new files alone; loaded as of AS_OF plus `night` days.
    """
    rows, touched = max(1, round(lake.interactions * share)), max(1, round(lake.customers * share))
    first = lake.interactions + (night - 1) * rows
    day = timedelta(days=1)
    start = int((AS_OF + (night - 1) * day).timestamp())
    customer = f"draw(draw(i, 'who', {touched}), 'night{night}', {lake.customers})"
    with _Writer(lake.path, lake.seed, AS_OF + night * day) as writer:
        writer.run(_INTERACTIONS, first=first, last=first + rows, zero=first, rows=rows, start=start,
                   span=int(day.total_seconds()), customer=customer)  # fmt: skip
        writer.interactions(f"night/{lake.seed}/{night}")
        return writer.files


def account(connection: Connection, files: Iterable[LakeFile], as_of: datetime) -> int:
    """Enter written batches into the ledger as loaded in the night of `as_of`; how many there are.

    From then on a night stages them like any delivery. Raises ValueError for a batch entered before.
    """
    batches: dict[tuple[str, str], dict[str, int]] = {}
    for file in files:
        rows = batches.setdefault((file.source, file.batch_id), {})
        rows[file.entity] = pq.read_metadata(file.path).num_rows
    for (source, batch_id), rows in batches.items():
        offer = deliveries.Offer(source, "generated", f"generated/{batch_id}", f"{batch_id:0<64}", 0, 0.0)
        ticket = deliveries.start(connection, offer, as_of)
        if not isinstance(ticket, deliveries.Ticket):
            raise ValueError(f"batch {batch_id} of {source} is in the ledger already")
        deliveries.claim(connection, ticket, offer)
        records = sum(count for entity, count in rows.items() if entity != "identifier")
        deliveries.finish(connection, ticket, offer, deliveries.Outcome("loaded", records, entity_rows=rows), as_of)
    return len(batches)


class _Writer:
    """One in-memory engine that makes rows and writes them as Parquet."""

    def __init__(self, path: Path, seed: int, as_of: datetime) -> None:
        self.path, self.as_of = path, as_of
        self.files: list[LakeFile] = []
        self._engine = duckdb.connect()
        self._engine.execute("set timezone = 'UTC'; set preserve_insertion_order = true")
        self._engine.execute(f"set variable seed = {int(seed)}")
        self._engine.execute(_MACROS)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def run(self, sql: str, **values: object) -> None:
        self._engine.execute(sql.format(**values))

    def interactions(self, batch: str) -> None:
        """Write the temporary table `event`, source by source."""
        for channel, source in CHANNEL_SOURCES.items():
            self.put(batch, source, "interaction", _INTERACTION.format(channel=channel))
            self.put(batch, source, "identifier", _INTERACTION_IDENTIFIERS.format(channel=channel))

    def crm(self, batch: str, **values: int) -> None:
        """Contacts, deals with their stages, orders, spend."""
        self.run(_DEALS, **values)
        links = [_CONTACT_IDENTIFIERS.format(**values)]
        links += [_LINKS.format(prefix=prefix, kind=kind, where=where) for prefix, kind, where in
                  (("d", "opportunity", "true"), ("o", "sales_order", "outcome < 0.5"))]  # fmt: skip
        self.put(batch, CRM, "contact_record", _CONTACTS.format(**values))
        self.put(batch, CRM, "identifier", " union all ".join(f"({each})" for each in links))
        self.put(batch, CRM, "opportunity", _OPPORTUNITIES)
        self.put(batch, CRM, "opportunity_stage", _STAGES)
        self.put(batch, CRM, "sales_order", _ORDERS)
        self.put(batch, ADS, "ad_spend", _SPEND.format(**values))

    def put(self, batch: str, source: str, entity: str, rows: str) -> None:
        """Write the rows of a query as one lake file, with provenance and keys."""
        batch_id = md5(f"{batch}/{source}".encode(), usedforsecurity=False).hexdigest()
        target = self.path / source / entity / f"{batch_id}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        given = [name for name, *_ in self._engine.execute(f"describe {rows}").fetchall()]
        columns = ", ".join(_columns(entity, source, batch_id, self.as_of, given))
        self._engine.execute(
            f"copy (select {columns} from ({rows})) to '{str(target).replace(chr(39), chr(39) * 2)}'"
            " (format parquet, compression zstd, row_group_size 122880)"
        )
        self.files.append(LakeFile(entity, source, batch_id, str(target)))


def _columns(entity: str, source: str, batch_id: str, as_of: datetime, given: list[str]) -> Iterator[str]:
    """SQL for each column of the lake's schema: computed, given by the query, or null."""
    kind = "record_kind" if entity in {"contact_record", "identifier"} else f"'{entity}'"
    position = {field.name for field in POSITION}
    content = ", ".join(name for name in given if name not in position or name == "source_record_id")
    computed = {
        "source": f"'{source}'",
        "batch_id": f"'{batch_id}'",
        "loaded_as_of": f"timestamptz '{as_of.isoformat()}'",
        "record_key": f"key3('{source}', {kind}, source_record_id)",
        "row_hash": f"as_signed(hash({content}))",
        "identifier_key": "key2(identifier_type, identifier_value)",
    }
    for field in lake_schema(entity):
        sql_type = _ARROW_TYPES[str(field.type)]
        expression = computed.get(field.name) or (field.name if field.name in given else "null")
        yield f"({expression})::{sql_type} as {field.name}"
