"""Advertising spend: Google Ads (the API's columns, or the download with its title and total rows) and Meta.

Files that only describe campaigns or ads hold no spend; their rows are refused as `no_spend`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.amounts import currency_in, parse_amounts
from customer360.connectors.base import Batch, Delivery, UnreadableFile, register
from customer360.connectors.crm import Builder
from customer360.connectors.text import Records, fold, open_csv

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_DAYS: Final = ("date", "day", "tag", "date_start", "reporting_starts", "reporting starts", "segments.date")
_COSTS: Final = ("cost", "spend", "amount spent", "kosten", "cost_in_local_currency", "amount_spent")
_MICROS: Final = ("cost_micros", "metrics.cost_micros", "spend_micros")
_CAMPAIGNS: Final = ("campaign", "campaign name", "campaign_name", "kampagne", "campaign.name")
_CAMPAIGN_IDS: Final = ("campaign id", "campaign_id", "campaign.id")
_AD_IDS: Final = ("ad id", "ad_id", "ad_group_ad.ad.id")
_CLICKS: Final = ("clicks", "inline_link_clicks", "link clicks", "klicks", "metrics.clicks", "clicks (all)")
_IMPRESSIONS: Final = ("impressions", "impr.", "impr", "impressionen", "metrics.impressions")
_CURRENCIES: Final = ("currency code", "currency", "currency_code", "account_currency")
_META: Final = (
    "inline_link_clicks",
    "reach",
    "amount spent",
    "ad set name",
    "adset_id",
    "reporting starts",
    "frequency",
)
_SPLITS: Final = "account_id customer_id ad_group_id keyword_id device ad_network_type adset_id".split()
_HEAD_ROWS: Final = 12  # how far below the top a header may stand


@register
class AdSpend:
    """See the module's text."""

    name: ClassVar[str] = "ad_spend"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "ads"
    options: ClassVar[frozenset[str]] = frozenset({"platform"})  # what to call the platform; else found

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per stretch of each file. Raises UnreadableFile('unknown_format')."""
        for file in delivery.files:
            for rows in _chunks(file, source):
                yield _batch(rows, source)


def _chunks(file: InputFile, source: Source) -> Iterator[Records]:
    records = open_csv(file, source.encoding)
    for place, cells in enumerate(records.sample(_HEAD_ROWS)):
        names = {_plain(cell) for cell in cells}
        if len(cells) > 1 and (_has_spend(names) or _describes(names)):
            yield from records.chunks(skip=place)
            return
    raise UnreadableFile("unknown_format", "no header with a day and a cost")


def _plain(name: str) -> str:
    """Header without its unit: 'Amount spent (EUR)' → 'amountspent'."""
    return fold(name.split("(")[0])


def _has_spend(names: set[str]) -> bool:
    return bool(names & {fold(each) for each in _DAYS}) and bool(names & {fold(each) for each in (*_COSTS, *_MICROS)})


def _describes(names: set[str]) -> bool:
    return "updatedat" in names or bool({"updatedtime", "id"} <= names) or bool({"name", "id"} <= names)


def _batch(rows: Records, source: Source) -> Batch:
    names = [_plain(name) for name in rows.header]
    currency = next((found for name in rows.header if "(" in name and (found := currency_in(name))), None)
    meta = bool(set(names) & {fold(each) for each in _META})
    rows.header = [name.split("(")[0].strip() if _plain(name) in map(fold, _COSTS) else name for name in rows.header]
    build = Builder(rows, source, source.system or "ads")
    if not _has_spend(set(names)):
        build.refuse(np.ones(len(rows), np.bool_), "no_spend")
        return build.batch()
    build.refuse(_totals(rows), "total_row")
    day = build.typed(pa.date32(), *_DAYS)
    platform = source.options.get("platform") or ("meta" if meta else "google_ads")
    ids = {
        "campaign_id": build.text(*_CAMPAIGN_IDS, *(() if build.has(*_AD_IDS) or meta else ("id",))),
        "ad_id": build.text(*_AD_IDS),
        "campaign": build.text(*_CAMPAIGNS),
    }
    columns = {
        "spend_date": day,
        "platform": build.constant(platform),
        **ids,
        "clicks": build.typed(pa.int64(), *_CLICKS),
        "impressions": build.typed(pa.int64(), *_IMPRESSIONS),
        "cost": _cost(build),
        "currency": pc.coalesce(build.text(*_CURRENCIES), pa.scalar(currency or source.currency, pa.string())),
    }
    build.add("ad_spend", _ids(build, day, columns), columns)
    return build.batch()


def _cost(build: Builder) -> pa.Array:
    if build.has(*_MICROS):
        micros = parse_amounts(build.text(*_MICROS).to_pylist()).value
        return pc.multiply(micros, pa.scalar("0.000001", pa.string()).cast(pa.decimal128(7, 6))).cast(
            pa.decimal128(18, 6), safe=False
        )
    return build.typed(pa.decimal128(18, 6), *_COSTS)


def _totals(rows: Records) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    width = len(rows.header)
    first = [cell.strip().lower() for cell in rows.cells[0::width]]
    return np.fromiter((cell.startswith(("total", "gesamt")) for cell in first), np.bool_, len(first))


def _ids(build: Builder, day: pa.Array, columns: dict[str, pa.Array]) -> pa.Array:
    """Day, platform and everything that tells one line of the report from another."""
    parts = [day.cast(pa.string()), columns["platform"], columns["campaign_id"], columns["campaign"], columns["ad_id"]]
    parts += [build.text(name) for name in _SPLITS]
    return pc.binary_join_element_wise(*parts, "|", null_handling="replace", null_replacement="")
