"""CSV copies of the tables that Segment keeps in warehouses: pages, screens, tracks and identifies.

Which table a file is shows in its columns. The warehouse keeps UTC and writes no zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors import web
from customer360.connectors.base import Batch
from customer360.connectors.convert import offsets
from customer360.connectors.crm import Builder, chunks, detect, shape
from customer360.contracts import TIMESTAMP

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_SHAPES: Final = (
    shape("tracks", "id event", "anonymous_id user_id", "timestamp received_at"),
    shape("pages", "id", "anonymous_id user_id", "timestamp received_at", "url path context_page_url name"),
    shape("identifies", "id", "email phone first_name last_name name", "timestamp received_at"),
)
_CAMPAIGN: Final = ("source", "medium", "name", "term", "content")  # as web.UTM
_PEOPLE: Final = {
    "given_name": ("first_name",),
    "family_name": ("last_name",),
    "full_name": ("name",),
    "organisation": ("company", "company_name"),
    "job_title": ("title", "job_title"),
    "address_line": ("address_street", "street"),
    "city": ("address_city", "city"),
    "postal_code": ("address_postal_code", "postal_code"),
    "region": ("address_state", "state"),
    "country": ("address_country", "country"),
}


def read_table(file: InputFile, source: Source, system: str, own: OwnIdentities) -> Iterator[Batch]:
    """One Batch per stretch. Raises UnreadableFile('unknown_object') for other tables."""
    utc = replace(source, timezone=ZoneInfo("UTC"))
    for rows in chunks(file, source):
        build = Builder(rows, utc, system)
        if detect(rows.header, _SHAPES).name == "identifies":
            yield _identifies(build)
        else:
            yield _events(build, own)


def _events(build: Builder, own: OwnIdentities) -> Batch:
    at = pc.coalesce(build.typed(TIMESTAMP, "timestamp"), build.typed(TIMESTAMP, "received_at"))
    page = web.pages(build.text("url", "context_page_url"))
    agent = build.text("context_user_agent", "user_agent")
    bot = pc.and_(web.bots(agent), agent.is_valid())
    referrer = web.each(build.text("referrer", "context_page_referrer"), web.host)
    tracked = pc.binary_join_element_wise("track", build.text("event"), ":")
    ids = build.text("id", "message_id")
    columns = {
        "channel": build.constant("web"),
        "direction": build.constant("inbound"),
        "occurred_at": at,
        "utc_offset_minutes": offsets(at, build.source),
        "event_name": pc.coalesce(tracked, build.constant("page_view")),
        "company_side": page["host"],
        "interaction_class": pc.if_else(bot, "bot", "person"),
        "is_touch": pc.and_(tracked.is_null(), pc.invert(bot)),
        "session_id": _sessions(build, at),
        "click_id_type": page["click_id_type"],
        "referrer_host": web.externals(referrer, page["host"], own.domains),
        "page_path": pc.coalesce(build.text("path", "context_page_path"), page["path"]),
        "user_agent": agent,
    }
    for utm, name in zip(web.UTM, _CAMPAIGN, strict=True):
        given = web.each(build.text(f"context_campaign_{name}"), web.campaign_value)
        columns[utm] = pc.coalesce(given, page[utm])
    build.add("interaction", ids, columns)
    nothing = pa.scalar(None, pa.string())
    _identify(build, "interaction", pc.if_else(bot, nothing, ids), valid=True)
    _identify(build, "interaction", pc.if_else(bot, ids, nothing), valid=False)
    return build.batch()


def _identifies(build: Builder) -> Batch:
    at = pc.coalesce(build.typed(TIMESTAMP, "timestamp"), build.typed(TIMESTAMP, "received_at"))
    ids = build.text("id", "message_id")
    columns = build.columns("contact_record", _PEOPLE)
    columns |= {"record_kind": build.constant("user"), "created_at": at, "observed_at": at}
    build.add("contact_record", ids, columns)
    _identify(build, "user", ids, valid=True)
    build.identify("user", ids, "email", build.text("email"))
    build.identify("user", ids, "phone", build.text("phone"))
    return build.batch()


def _identify(build: Builder, kind: str, ids: pa.Array, *, valid: bool) -> None:
    cookie = pc.binary_join_element_wise("ajs", build.text("anonymous_id"), ":")
    build.identify(kind, ids, "cookie", cookie, valid=valid)
    build.identify(kind, ids, "user_id", build.text("user_id"), valid=valid)


def _sessions(build: Builder, at: pa.Array) -> pa.Array:
    """Visitor and day: a visit a day is one touch."""
    who = pc.coalesce(build.text("anonymous_id"), build.text("user_id"))
    return pc.binary_join_element_wise(who, pc.strftime(at, format="%Y-%m-%d"), ":")
