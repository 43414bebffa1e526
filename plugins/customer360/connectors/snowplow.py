"""Snowplow enriched events: the TSV of 131 columns without header, or CSV with one.

One interaction per event. A page view is a touch unless a bot made it: of a session only the first touch
will count, and which one that is shows when all files are there, not in one. Page pings and the items of a
transaction are no contacts of their own: they are counted with their page view or transaction where that
is in the same file, and kept as no touch where it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors import web
from customer360.connectors.base import Batch, Delivery, Rejected, UnreadableFile, register
from customer360.connectors.convert import as_text, offsets
from customer360.connectors.crm import Builder
from customer360.connectors.lines import Lines, read_lines, texts
from customer360.connectors.text import NULL_WORDS, Records, fold, open_csv
from customer360.contracts import TIMESTAMP

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

# The canonical event model, in the order of the enriched TSV.
COLUMNS: Final = tuple(
    """
    app_id platform etl_tstamp collector_tstamp dvce_created_tstamp event event_id txn_id name_tracker v_tracker
    v_collector v_etl user_id user_ipaddress user_fingerprint domain_userid domain_sessionidx network_userid
    geo_country geo_region geo_city geo_zipcode geo_latitude geo_longitude geo_region_name ip_isp ip_organization
    ip_domain ip_netspeed page_url page_title page_referrer page_urlscheme page_urlhost page_urlport page_urlpath
    page_urlquery page_urlfragment refr_urlscheme refr_urlhost refr_urlport refr_urlpath refr_urlquery
    refr_urlfragment refr_medium refr_source refr_term mkt_medium mkt_source mkt_term mkt_content mkt_campaign
    contexts se_category se_action se_label se_property se_value unstruct_event tr_orderid tr_affiliation tr_total
    tr_tax tr_shipping tr_city tr_state tr_country ti_orderid ti_sku ti_name ti_category ti_price ti_quantity
    pp_xoffset_min pp_xoffset_max pp_yoffset_min pp_yoffset_max useragent br_name br_family br_version br_type
    br_renderengine br_lang br_features_pdf br_features_flash br_features_java br_features_director
    br_features_quicktime br_features_realplayer br_features_windowsmedia br_features_gears br_features_silverlight
    br_cookies br_colordepth br_viewwidth br_viewheight os_name os_family os_manufacturer os_timezone dvce_type
    dvce_ismobile dvce_screenwidth dvce_screenheight doc_charset doc_width doc_height tr_currency tr_total_base
    tr_tax_base tr_shipping_base ti_currency ti_price_base base_currency geo_timezone mkt_clickid mkt_network
    etl_tags dvce_sent_tstamp refr_domain_userid refr_dvce_tstamp derived_contexts domain_sessionid derived_tstamp
    event_vendor event_name event_format event_version event_fingerprint true_tstamp
    """.split()
)
_PLACES: Final = {fold(name): place for place, name in enumerate(COLUMNS)}
_MARKETING: Final = ("mkt_source", "mkt_medium", "mkt_campaign", "mkt_term", "mkt_content")  # as web.UTM
_OLDEST_WIDTH: Final = 108  # first version that still has every column needed here
_ROWS: Final = 50_000  # of 131 columns
# The CSV has a column of its own for each context, the TSV one JSON for all.
_WEB_PAGE: Final = "contexts_com_snowplowanalytics_snowplow_web_page_1_0_0"
_SPIDERS: Final = "contexts_com_iab_snowplow_spiders_and_robots_1_0_0"
_PAGE_ID: Final = r'web_page/jsonschema/[0-9-]+"\s*,\s*"data"\s*:\s*\{\s*"id"\s*:\s*"(?P<id>[^"]+)"'
_ONLY_ID: Final = r'"id"\s*:\s*"(?P<id>[^"]+)"'
_IS_SPIDER: Final = r'"spiderOrRobot"\s*:\s*true'
_NO_VISITOR: Final = "00000000-0000-0000-0000-000000000000"  # what collectors write for anonymous visitors
_NULL: Final = pa.scalar(None, pa.string())


@register
class Snowplow:
    """See the module's text."""

    name: ClassVar[str] = "snowplow"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "snowplow"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per stretch of each file.

        Refused: bad_width, missing_id, missing_value, bad_value and what `CsvFile.chunks` refuses. Raises
        UnreadableFile('not_enriched_events') for lines of too few columns.
        """
        utc = replace(source, timezone=ZoneInfo("UTC"))  # Snowplow writes UTC and no zone
        for file in delivery.files:
            parents = _Parents()
            for rows in _chunks(file, utc):
                yield _batch(Builder(rows, utc, source.system or self.system), parents, own)


# Rows of either form ------------------------------------------------------------------------------


@dataclass
class _Tsv(Records):
    """Rows of the TSV, cut into columns by Arrow: nothing in them is quoted."""

    lines: Lines = field(kw_only=True)
    cells: pa.Array = field(kw_only=True)  # lists of strings
    width: int = field(kw_only=True)  # that every row has at least

    def has(self, *names: str) -> bool:
        return any(_PLACES.get(fold(name), self.width) < self.width for name in names)

    def column(self, *names: str, nulls: frozenset[str] = NULL_WORDS) -> pa.Array:
        for name in names:
            if self.has(name):
                return as_text(pc.list_element(self.cells, _PLACES[fold(name)]))
        return pa.nulls(len(self), pa.string())

    def reject(self, where: npt.NDArray[np.bool_], reason: str, detail: str | None = None) -> list[Rejected]:
        places = dict(zip(self.lines.row_number, range(len(self.lines)), strict=True))
        return [
            self.lines.reject(places[self.row_number[index]], reason, detail)
            for index in np.flatnonzero(where).tolist()
        ]


def _chunks(file: InputFile, source: Source) -> Iterator[Records]:
    first = next(read_lines(file, source.encoding, 1), None)
    head = texts(file, first)[0].as_py() if first is not None else ""
    if {"eventid", "collectortstamp"} <= {fold(name) for name in re.split(r"[,;\t|]", head)}:
        yield from open_csv(file, source.encoding).chunks()
        return
    width = head.count("\t") + 1
    if width < _OLDEST_WIDTH:
        raise UnreadableFile("not_enriched_events", f"{width} columns instead of {len(COLUMNS)}")
    for lines in read_lines(file, source.encoding, _ROWS):
        yield _cut(lines, texts(file, lines), width)


def _cut(lines: Lines, text: pa.Array, width: int) -> _Tsv:
    """Rows as wide as the first of the file, or wider than the format: columns may have been added."""
    cells = pc.split_pattern(text, "\t")
    widths = pc.list_value_length(cells)
    fits = pc.or_(pc.equal(widths, width), pc.greater_equal(widths, max(width, len(COLUMNS))))
    good = np.flatnonzero(fits.to_numpy(zero_copy_only=False))
    if len(good) < len(lines):
        cells = cells.take(pa.array(good))
    rejected = [
        lines.reject(index, "bad_width", f"{widths[index]} cells instead of {width}")
        for index in np.flatnonzero(~fits.to_numpy(zero_copy_only=False)).tolist()
    ]
    return _Tsv(
        lines.path,
        "utf-8",
        list(COLUMNS),
        row_number=[lines.row_number[index] for index in good.tolist()],
        rejected=rejected,
        lines=lines,
        cells=cells,
        width=width,
    )


# Events -------------------------------------------------------------------------------------------


def _batch(build: Builder, parents: _Parents, own: OwnIdentities) -> Batch:
    ids = build.text("event_id")
    at = pc.coalesce(*(build.typed(TIMESTAMP, name) for name in ("derived_tstamp", "collector_tstamp")))
    event = build.text("event")
    build.refuse(ids.is_null().to_numpy(zero_copy_only=False), "missing_id")
    build.refuse(at.is_null().to_numpy(zero_copy_only=False), "missing_value", "occurred_at")
    collapsed = parents.absorb(build, event)
    alone = np.ones(len(build.rows), np.bool_)
    alone[list(collapsed)] = False
    kept = pc.if_else(pa.array(alone), ids, _NULL)
    build.add("interaction", kept, _columns(build, at, event, own), pa.array(alone))
    _identify(build, kept)
    batch = build.batch()
    for parent in collapsed.values():
        batch.collapsed[parent] = batch.collapsed.get(parent, 0) + 1
    return batch


def _columns(build: Builder, at: pa.Array, event: pa.Array, own: OwnIdentities) -> dict[str, pa.Array]:
    page = web.pages(build.text("page_url"))
    host = pc.coalesce(build.text("page_urlhost"), page["host"])
    referrer = pc.coalesce(build.text("refr_urlhost"), web.each(build.text("page_referrer"), web.host))
    agent = build.text("useragent")
    bot = _bots(build, agent)
    is_view = pc.is_in(event, pa.array(["page_view", "pv"]))
    given = {name: web.each(build.text(name), web.campaign_value) for name in _MARKETING}
    return {
        "channel": build.constant("web"),
        "direction": build.constant("inbound"),
        "occurred_at": at,
        "utc_offset_minutes": offsets(at, build.source),
        "event_name": _event_names(build, event),
        "company_side": host,
        "interaction_class": pc.if_else(bot, "bot", "person"),
        "is_touch": pc.and_(is_view, pc.invert(bot)),
        "session_id": build.text("domain_sessionid"),
        **{utm: pc.coalesce(given[name], page[utm]) for utm, name in zip(web.UTM, _MARKETING, strict=True)},
        "click_id_type": page["click_id_type"],
        "referrer_host": web.externals(referrer, host, own.domains),
        "page_path": pc.coalesce(build.text("page_urlpath"), page["path"]),
        "user_agent": agent,
    }


def _bots(build: Builder, agent: pa.Array) -> pa.Array:
    """By user agent, and by what the enrichment found. Servers and apps that send none are no bots."""
    silent = pc.and_(agent.is_null(), pc.not_equal(build.text("platform"), "web").fill_null(True))
    told = pc.equal(pc.utf8_lower(build.text("br_type")), "robot").fill_null(False)
    found = pc.match_substring_regex(build.text(_SPIDERS, "derived_contexts"), _IS_SPIDER).fill_null(False)
    return pc.or_(pc.and_(web.bots(agent), pc.invert(silent)), pc.or_(told, found))


def _event_names(build: Builder, event: pa.Array) -> pa.Array:
    """The event's kind; of custom events their name, of structured ones their action."""
    action = pc.binary_join_element_wise("struct", build.text("se_action"), ":")
    name = pc.if_else(pc.equal(event, "unstruct"), build.text("event_name"), _NULL)
    return pc.coalesce(name, pc.if_else(pc.equal(event, "struct"), action, _NULL), event)


def _identify(build: Builder, ids: pa.Array) -> None:
    for prefix, given in (("duid", "domain_userid"), ("nuid", "network_userid")):
        cookie = build.text(given)
        cookie = pc.if_else(pc.equal(cookie, _NO_VISITOR), _NULL, cookie)
        build.identify("interaction", ids, "cookie", pc.binary_join_element_wise(prefix, cookie, ":"))
    user = build.text("user_id")
    build.identify("interaction", ids, "user_id", user)
    address = pc.match_substring_regex(user, r"^\S+@\S+\.\S+$").fill_null(False)
    build.identify("interaction", ids, "email", pc.if_else(address, user, _NULL))


# Pings and items ----------------------------------------------------------------------------------


class _Parents:
    """Page views and transactions of one file by their keys: what pings and items are counted with."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}  # key → row_number of the first event that has it

    def absorb(self, build: Builder, event: pa.Array) -> dict[int, int]:
        """{index of a ping or item: row_number of its page view or transaction}."""
        keys = {
            ("page_view", "page_ping"): _page_keys(build),
            ("transaction", "transaction_item"): _order_keys(build),
        }
        absorbed: dict[int, int] = {}
        for (parent, child), key in keys.items():
            for index, text in _where(event, parent, key, build):
                self._rows.setdefault(text, build.rows.row_number[index])
            for index, text in _where(event, child, key, build):
                if text in self._rows:
                    absorbed[index] = self._rows[text]
        return absorbed


def _where(event: pa.Array, kind: str, keys: pa.Array, build: Builder) -> list[tuple[int, str]]:
    """(index, key) of the events of `kind` that have a key and are not refused."""
    chosen = pc.and_(pc.equal(event, kind), keys.is_valid()).fill_null(False)
    indexes = np.flatnonzero(chosen.to_numpy(zero_copy_only=False))
    pairs = zip(indexes.tolist(), keys.take(pa.array(indexes)).to_pylist(), strict=True)
    return [(index, key) for index, key in pairs if index not in build.refused]


def _page_keys(build: Builder) -> pa.Array:
    """Id of the page view that the tracker sends with each event, else session and address."""
    own_column, pattern = (_WEB_PAGE, _ONLY_ID) if build.has(_WEB_PAGE) else ("contexts", _PAGE_ID)
    identifier = pc.struct_field(pc.extract_regex(build.text(own_column), pattern), "id")
    place = pc.binary_join_element_wise(build.text("domain_sessionid"), build.text("page_url"), " ")
    return pc.coalesce(pc.binary_join_element_wise("id", identifier, " "), place)


def _order_keys(build: Builder) -> pa.Array:
    order = pc.coalesce(build.text("tr_orderid"), build.text("ti_orderid"))
    return pc.binary_join_element_wise("order", order, " ")
