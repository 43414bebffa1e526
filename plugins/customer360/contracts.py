"""The lake's tables: what every connector writes and every model reads.

One Arrow schema per *entity*. A connector fills the columns it knows; the lake adds the provenance
columns (`source`, `batch_id`, `loaded_as_of`) and the keys. Times are UTC microseconds, money is
decimal, keys are 64-bit hashes (see `customer360.keys`).
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
MONEY: Final = pa.decimal128(18, 6)
KEY: Final = pa.int64()

CHANNELS: Final = ("phone", "email", "sms", "web", "fax", "in_person", "media")
DIRECTIONS: Final = ("inbound", "outbound", "internal")
INTERACTION_CLASSES: Final = ("person", "bulk", "auto_reply", "bounce", "bot", "internal")
IDENTIFIER_TYPES: Final = (
    "email",
    "phone",
    "fax",
    "cookie",
    "device",
    "account_ref",
    "user_id",
    "handle",
    "loyalty",
)
CONTACT_KINDS: Final = ("contact", "lead", "account", "form", "user")
RECORD_KINDS: Final = (*CONTACT_KINDS, "interaction", "opportunity", "sales_order")

# Added to every row of every entity by the lake; a connector never writes them.
PROVENANCE: Final[tuple[pa.Field, ...]] = (
    pa.field("source", pa.string(), nullable=False),
    pa.field("batch_id", pa.string(), nullable=False),  # first 32 hex digits of the file's sha256
    pa.field("loaded_as_of", TIMESTAMP, nullable=False),  # as_of of the night that loaded the row
)

# Handed over by the connector with every row, beside the entity's own columns.
POSITION: Final[tuple[pa.Field, ...]] = (
    pa.field("source_record_id", pa.string(), nullable=False),
    pa.field("row_number", pa.int64(), nullable=False),  # 1-based position of the record in its file
)

# Computed by the lake for every row of every entity (never by a connector).
COMPUTED: Final[tuple[pa.Field, ...]] = (
    pa.field("record_key", KEY, nullable=False),  # key(source, record kind, source_record_id)
    pa.field("row_hash", KEY, nullable=False),  # of all the connector wrote but row_number, identifiers included
)

# What a connector writes, per entity. Columns it leaves out are null.
ENTITY_FIELDS: Final[dict[str, tuple[pa.Field, ...]]] = {
    # One row per person-like record a source asserts.
    "contact_record": (
        pa.field("record_kind", pa.string(), nullable=False),  # one of CONTACT_KINDS
        pa.field("given_name", pa.string()),
        pa.field("family_name", pa.string()),
        pa.field("full_name", pa.string()),  # as delivered, when the parts are unknown
        pa.field("organisation", pa.string()),
        pa.field("job_title", pa.string()),
        pa.field("address_line", pa.string()),
        pa.field("city", pa.string()),
        pa.field("postal_code", pa.string()),
        pa.field("region", pa.string()),
        pa.field("country", pa.string()),
        pa.field("birth_date", pa.date32()),
        pa.field("account_ref", pa.string()),  # organisation this person belongs to: '<source>:<id>'
        pa.field("owner", pa.string()),
        pa.field("stated_stage", pa.string()),  # the source's own word: lead status, lifecycle stage
        pa.field("acquisition_source", pa.string()),  # self-reported or asserted by the source
        pa.field("acquisition_detail", pa.string()),
        pa.field("is_deleted", pa.bool_()),
        pa.field("merged_into", pa.string()),  # source_record_id that replaced this one in the source
        pa.field("consent", pa.string()),  # JSON {channel: true|false}
        pa.field("attributes", pa.string()),  # JSON object of everything else worth keeping
        pa.field("created_at", TIMESTAMP),
        pa.field("observed_at", TIMESTAMP),  # when the source last asserted this version
    ),
    # One row per contact between a person and the company, whatever the channel.
    "interaction": (
        pa.field("channel", pa.string(), nullable=False),
        pa.field("direction", pa.string(), nullable=False),
        pa.field("occurred_at", TIMESTAMP, nullable=False),
        pa.field("utc_offset_minutes", pa.int16()),  # offset the source wrote or its zone implies
        pa.field("event_name", pa.string()),  # call, message, mail, page_view, track:<name>, form, meeting…
        pa.field("company_side", pa.string()),  # own number, mailbox, host
        pa.field("subject", pa.string()),
        pa.field("duration_s", pa.int32()),
        pa.field("outcome", pa.string()),  # answered, no_answer, busy, failed, delivered, …
        pa.field("interaction_class", pa.string(), nullable=False),
        pa.field("is_touch", pa.bool_(), nullable=False),  # may earn attribution credit
        pa.field("session_id", pa.string()),
        pa.field("utm_source", pa.string()),
        pa.field("utm_medium", pa.string()),
        pa.field("utm_campaign", pa.string()),
        pa.field("utm_term", pa.string()),
        pa.field("utm_content", pa.string()),
        pa.field("click_id_type", pa.string()),  # gclid, fbclid, …
        pa.field("referrer_host", pa.string()),
        pa.field("page_path", pa.string()),
        pa.field("user_agent", pa.string()),
        pa.field("cost", MONEY),
        pa.field("currency", pa.string()),
        pa.field("name_hint", pa.string()),  # caller-id name, From display name: a hint, never a fact
        pa.field("flags", pa.string()),  # comma-separated: clock_ahead, dst_ambiguous, short_code, …
    ),
    # One row per identifier of the customer's side of a record. row_number is the record's.
    "identifier": (
        pa.field("record_kind", pa.string(), nullable=False),  # one of RECORD_KINDS
        pa.field("identifier_type", pa.string(), nullable=False),
        pa.field("identifier_value", pa.string(), nullable=False),  # normalised
        pa.field("is_valid", pa.bool_(), nullable=False),  # false: kept, never used to link
    ),
    "opportunity": (
        pa.field("contact_ref", pa.string()),  # '<source>:<contact id>': an account_ref identifier value
        pa.field("account_ref", pa.string()),
        pa.field("name", pa.string()),
        pa.field("stage", pa.string()),
        pa.field("amount", MONEY),
        pa.field("currency", pa.string()),
        pa.field("probability", pa.decimal128(7, 4)),  # 0–100
        pa.field("is_closed", pa.bool_()),
        pa.field("is_won", pa.bool_()),
        pa.field("owner", pa.string()),
        pa.field("acquisition_source", pa.string()),
        pa.field("utm_campaign", pa.string()),
        pa.field("is_deleted", pa.bool_()),
        pa.field("created_at", TIMESTAMP),
        pa.field("closed_at", TIMESTAMP),
        pa.field("observed_at", TIMESTAMP),
    ),
    "opportunity_stage": (
        pa.field("opportunity_ref", pa.string(), nullable=False),  # source_record_id of the opportunity
        pa.field("stage", pa.string(), nullable=False),
        pa.field("amount", MONEY),
        pa.field("entered_at", TIMESTAMP, nullable=False),
        pa.field("observed_at", TIMESTAMP),
    ),
    "sales_order": (
        pa.field("contact_ref", pa.string()),
        pa.field("account_ref", pa.string()),
        pa.field("opportunity_ref", pa.string()),
        pa.field("status", pa.string()),
        pa.field("amount", MONEY),
        pa.field("currency", pa.string()),
        pa.field("ordered_at", TIMESTAMP, nullable=False),
        pa.field("delivered_at", TIMESTAMP),  # delivered or activated: the customer becomes a user
        pa.field("is_deleted", pa.bool_()),
        pa.field("observed_at", TIMESTAMP),
    ),
    "ad_spend": (
        pa.field("spend_date", pa.date32(), nullable=False),
        pa.field("platform", pa.string(), nullable=False),  # google_ads, meta, …
        pa.field("campaign_id", pa.string()),
        pa.field("campaign", pa.string()),
        pa.field("ad_id", pa.string()),
        pa.field("clicks", pa.int64()),
        pa.field("impressions", pa.int64()),
        pa.field("cost", MONEY, nullable=False),
        pa.field("currency", pa.string()),
    ),
}

# Quarantine: the record as it was delivered, where it stood, and why it was refused.
REJECTED_FIELDS: Final[tuple[pa.Field, ...]] = (
    pa.field("file", pa.string(), nullable=False),
    pa.field("row_number", pa.int64(), nullable=False),  # 1-based record number
    pa.field("line", pa.int64()),  # 1-based physical line in the file, where the format has lines
    pa.field("reason", pa.string(), nullable=False),  # a stable word, e.g. bad_timestamp
    pa.field("detail", pa.string()),  # column or expectation; never a value of the record
    pa.field("raw", pa.binary()),
)

ENTITIES: Final = tuple(ENTITY_FIELDS)


def connector_schema(entity: str) -> pa.Schema:
    """Columns a connector hands over for `entity`."""
    return pa.schema((*POSITION, *ENTITY_FIELDS[entity]))


def lake_schema(entity: str) -> pa.Schema:
    """Columns of the lake's Parquet files for `entity` (or `rejected`)."""
    if entity == "rejected":
        return pa.schema((*PROVENANCE, *REJECTED_FIELDS))
    extra = (pa.field("identifier_key", KEY, nullable=False),) if entity == "identifier" else ()
    return pa.schema((*PROVENANCE, *COMPUTED, *extra, *POSITION, *ENTITY_FIELDS[entity]))
