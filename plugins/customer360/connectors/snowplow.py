"""Snowplow enriched events: the TSV of 131 columns without header, or CSV with one.

One interaction per event. A page view is a touch unless a bot made it; of a session only the first
touch will count. Page pings are kept but are no touches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors import web
from customer360.connectors.base import Batch, Delivery, register
from customer360.connectors.convert import offsets
from customer360.connectors.crm import Builder
from customer360.connectors.text import Records, fold, open_csv
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
_MARKETING: Final = ("mkt_source", "mkt_medium", "mkt_campaign", "mkt_term", "mkt_content")  # as web.UTM
_OLDEST_WIDTH: Final = 108  # first version that still has every column used here


@register
class Snowplow:
    """See the module's text."""

    name: ClassVar[str] = "snowplow"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "snowplow"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per stretch of each file."""
        utc = replace(source, timezone=ZoneInfo("UTC"))  # Snowplow writes UTC and no zone
        for file in delivery.files:
            for rows in _chunks(file, utc):
                yield _batch(Builder(rows, utc, source.system or self.system))


def _chunks(file: InputFile, source: Source) -> Iterator[Records]:
    first = next(iter(open_csv(file, source.encoding).sample(1)), [])
    if {"eventid", "collectortstamp"} <= {fold(name) for name in first}:
        yield from open_csv(file, source.encoding).chunks()
        return
    table = open_csv(file, source.encoding, delimiter="\t", quoted=False)
    width = max(len(COLUMNS), len(next(iter(table.sample(1)), [])))
    header = [*COLUMNS, *(f"extra_{place}" for place in range(width - len(COLUMNS)))]
    yield from table.chunks(header, min_width=_OLDEST_WIDTH)


def _batch(build: Builder) -> Batch:
    ids = build.text("event_id")
    at = pc.coalesce(
        build.typed(TIMESTAMP, "true_tstamp"),
        build.typed(TIMESTAMP, "derived_tstamp"),
        build.typed(TIMESTAMP, "collector_tstamp"),
    )
    at = pc.coalesce(at, build.typed(TIMESTAMP, "dvce_created_tstamp"))
    pages = web.each(build.text("page_url"), web.page)
    bot = pa.array(web.each(build.text("useragent"), web.is_bot), pa.bool_())
    bot = pc.or_(bot, pc.equal(pc.utf8_lower(build.text("br_type")), "robot").fill_null(False))
    event = build.text("event")
    is_view = pc.equal(event, "page_view").fill_null(False)
    name = pc.if_else(pc.equal(event, "unstruct"), build.text("event_name"), event)
    own_host = pc.coalesce(build.text("page_urlhost"), _part(pages, "host"))
    hosts = pc.coalesce(build.text("refr_urlhost"), _texts(web.each(build.text("page_referrer"), web.host)))
    pairs = zip(hosts.to_pylist(), own_host.to_pylist(), strict=True)
    referrer = [web.external(there, here) for there, here in pairs]
    columns = {
        "channel": build.constant("web"),
        "direction": build.constant("inbound"),
        "occurred_at": at,
        "utc_offset_minutes": offsets(at, build.source),
        "event_name": name,
        "company_side": own_host,
        "interaction_class": pc.if_else(bot, "bot", "person"),
        "is_touch": pc.and_(is_view, pc.invert(bot)),
        "session_id": build.text("domain_sessionid"),
        "click_id_type": _part(pages, "click_id_type"),
        "referrer_host": _texts(referrer),
        "page_path": pc.coalesce(build.text("page_urlpath"), _part(pages, "path")),
        "user_agent": build.text("useragent"),
    }
    for column, given in zip(
        web.UTM, ("mkt_source", "mkt_medium", "mkt_campaign", "mkt_term", "mkt_content"), strict=True
    ):
        columns[column] = pc.coalesce(
            pa.array(web.each(build.text(given), web.campaign_value), pa.string()), _part(pages, column)
        )
    build.add("interaction", ids, columns)
    for prefix, given in (("duid", "domain_userid"), ("nuid", "network_userid")):
        build.identify("interaction", ids, "cookie", pc.binary_join_element_wise(prefix, build.text(given), ":"))
    user = build.text("user_id")
    looks_like_address = pc.match_substring(user, "@").fill_null(False)
    build.identify("interaction", ids, "user_id", user)
    build.identify("interaction", ids, "email", pc.if_else(looks_like_address, user, pa.scalar(None, pa.string())))
    return build.batch()


def _texts(values: list[str | None]) -> pa.Array:
    return pa.array(values, pa.string())


def _part(pages: list[web.Page], name: str) -> pa.Array:
    return pa.array([getattr(each, name) for each in pages], pa.string())
