"""Advertising spend by day: Google Ads (API columns, or the download with its titles and totals), Meta,
LinkedIn and Microsoft.

Files that only describe campaigns or ads hold no spend; their rows are refused as `no_spend`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.amounts import currency_in, uses_decimal_comma
from customer360.connectors.base import Batch, Delivery, UnreadableFile, register
from customer360.connectors.convert import convert
from customer360.connectors.crm import Builder
from customer360.connectors.parties import Mask, mask_of
from customer360.connectors.text import Records, fold, open_csv
from customer360.contracts import MONEY

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

# Headings are compared folded and without what stands in brackets: 'Amount spent (EUR)' is 'amountspent'.
_DAYS: Final = (
    "day", "date", "tag", "datum", "jour", "segments.date", "date_start", "reporting starts", "start date",
    "gregorian date", "time period", "timeperiod",
)  # fmt: skip
_LAST_DAYS: Final = ("date_stop", "reporting ends", "end date")
_COSTS: Final = (
    "cost", "spend", "amount spent", "total spent", "kosten", "ausgegebener betrag", "coût", "montant dépensé",
    "cost_in_local_currency", "cost in local currency",
)  # fmt: skip
_MICROS: Final = ("cost_micros", "metrics.cost_micros", "spend_micros")
_CAMPAIGNS: Final = ("campaign", "campaign name", "campaign.name", "kampagne", "kampagnenname")
_CAMPAIGN_IDS: Final = ("campaign id", "campaign.id", "kampagnen-id")
_AD_IDS: Final = ("ad id", "ad_group_ad.ad.id", "anzeigen-id", "creative id")
_CLICKS: Final = (
    "clicks", "link clicks", "inline_link_clicks", "klicks", "link-klicks", "metrics.clicks", "clicks (all)",
)  # fmt: skip
_IMPRESSIONS: Final = ("impressions", "impr.", "impressionen", "metrics.impressions")
_CURRENCIES: Final = ("currency code", "currency", "account_currency", "account currency code", "währungscode")
# Headings that only one platform's reports have.
_PLATFORMS: Final = {
    "meta": "reach|inline_link_clicks|amount spent|ausgegebener betrag|ad set name|adset_id|reporting starts|frequency",
    "linkedin_ads": "total spent|campaign group id|campaign group name|cost_in_local_currency",
    "microsoft_ads": "gregorian date|time period|delivered match type|bid match type",
}
# What, beside day, campaign and ad, tells one line of a report from another.
_SPLITS: Final = (
    "account id", "customer id", "ad group id", "ad set id", "adset id", "ad group", "ad set name", "ad name",
    "keyword id", "keyword", "keyword_ad_group_criterion", "device", "ad network type", "network", "country", "region",
    "age", "gender", "placement", "publisher platform", "campaign type",
)  # fmt: skip
_TOTALS: Final = r"^(?:grand )?(?:total|totals|gesamt|summe|totaux|totale|results from|ergebnisse)\b"
_HEAD_ROWS: Final = 15  # how far below the top a header may stand


@register
class AdSpend:
    """See the module's text."""

    name: ClassVar[str] = "ad_spend"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "ads"
    # What to call the platform, and whether amounts have a decimal comma; else both are found.
    options: ClassVar[frozenset[str]] = frozenset({"platform", "decimal_comma"})

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per stretch of each file. Raises UnreadableFile('unknown_format')."""
        for file in delivery.files:
            given: dict[str, int] = {}
            for rows in _chunks(file, source):
                yield _batch(rows, source, given)


def _chunks(file: InputFile, source: Source) -> Iterator[Records]:
    """Records under the header, wherever it stands. Short rows, as totals may be, are filled up."""
    records = open_csv(file, source.encoding)
    for place, cells in enumerate(records.sample(_HEAD_ROWS)):
        names = {_plain(cell) for cell in cells}
        if len(cells) > 1 and (_has_spend(names) or _describes(names)):
            return records.chunks(skip=place, min_width=1)
    raise UnreadableFile("unknown_format", "no header with a day and a cost")


def _plain(heading: str) -> str:
    return fold(heading.split("(")[0])


def _folded(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_plain(name) for name in names)


def _has_spend(names: set[str]) -> bool:
    return bool(names & _folded(_DAYS)) and bool(names & _folded((*_COSTS, *_MICROS)))


def _describes(names: set[str]) -> bool:
    """Whether a header is of campaigns or ads as such: an id with a name or the time of a change."""
    return "id" in names and bool(names & {"name", "updatedat", "updatedtime"})


def _batch(rows: Records, source: Source, given: dict[str, int]) -> Batch:
    currency = next((found for name in rows.header if "(" in name and (found := currency_in(name))), None)
    rows.header = [_plain(name) if "(all" not in name.lower() else name for name in rows.header]
    build = Builder(rows, source, source.system or "ads")
    if not _has_spend(set(rows.header)):
        build.refuse(np.ones(len(rows), np.bool_), "no_spend")
        return build.batch()
    # Only the first heading counts: a total has no day, though it has the period it sums up.
    heading = next(name for name in _DAYS if build.has(name))
    day, bad_day = convert(build.text(heading), pa.date32(), source)
    platform = str(source.options.get("platform") or _platform(set(rows.header)))
    names = {
        "campaign_id": build.text(*_CAMPAIGN_IDS, *_bare_id(build)),
        "campaign": build.text(*_CAMPAIGNS),
        "ad_id": build.text(*_AD_IDS),
    }
    build.refuse(_is_total(rows, day, names), "total_row")
    build.refuse(bad_day, "bad_value", "day")
    build.refuse(_several_days(build, day, source), "not_daily", "day")
    comma = bool(source.options.get("decimal_comma", uses_decimal_comma(build.text(*_COSTS))))
    columns = {
        "spend_date": day,
        "platform": build.constant(platform),
        **names,
        "clicks": _number(build, pa.int64(), _CLICKS, comma),
        "impressions": _number(build, pa.int64(), _IMPRESSIONS, comma),
        "cost": _cost(build, comma),
        "currency": pc.coalesce(build.text(*_CURRENCIES), pa.scalar(currency or source.currency, pa.string())),
    }
    build.add("ad_spend", _ids(build, columns, given), columns)
    return build.batch()


def _platform(names: set[str]) -> str:
    """The platform most of whose own headings are there; of none, Google Ads."""
    found = {platform: len(names & _folded(tuple(own.split("|")))) for platform, own in _PLATFORMS.items()}
    best = max(found, key=lambda platform: found[platform])
    return best if found[best] else "google_ads"


def _bare_id(build: Builder) -> tuple[str, ...]:
    """Google's campaign statistics call the campaign's id just 'id'."""
    return () if build.has(*_AD_IDS) else ("id",)


def _is_total(rows: Records, day: pa.Array, names: dict[str, pa.Array]) -> Mask:
    """Rows without a day that say they are a total, or that belong to no campaign and no ad."""
    first = pc.utf8_lower(rows.column(rows.header[0])) if rows.header else day
    said = mask_of(pc.match_substring_regex(first, _TOTALS))
    nameless = mask_of(pc.is_null(pc.coalesce(*names.values())))
    return mask_of(pc.is_null(day)) & (said | nameless)


def _several_days(build: Builder, day: pa.Array, source: Source) -> Mask:
    """Rows that sum up more than the day they begin with: there is no telling what was spent when."""
    last, _ = convert(build.text(*_LAST_DAYS), pa.date32(), source)
    return mask_of(pc.not_equal(last, day))


def _number(build: Builder, kind: pa.DataType, names: tuple[str, ...], comma: bool) -> pa.Array:
    values, misfit = convert(build.text(*names), kind, build.source, decimal_comma=comma)
    build.refuse(misfit, "bad_value", names[0])
    return values


def _cost(build: Builder, comma: bool) -> pa.Array:
    if not build.has(*_MICROS):
        return _number(build, MONEY, _COSTS, comma)
    micros = build.text(*_MICROS).dictionary_encode()
    known = [_from_micros(text) for text in micros.dictionary.to_pylist()]
    cost = pa.array(known, MONEY).take(micros.indices)
    build.refuse(mask_of(pc.and_(pc.is_null(cost), pc.is_valid(micros))), "bad_value", _MICROS[0])
    return cost


def _from_micros(text: str) -> Decimal | None:
    try:
        value = Decimal(text).scaleb(-6)
        return value.quantize(Decimal("0.000001")) if value.is_finite() and abs(value) < 10**12 else None
    except InvalidOperation:
        return None


def _ids(build: Builder, columns: dict[str, pa.Array], given: dict[str, int]) -> pa.Array:
    """Day, platform and everything that tells one line of the report from another.

    Lines that nothing tells apart are numbered, so that none is taken for a repetition; a report
    delivered again with corrected figures gives the same ids.
    """
    parts = [columns[name].cast(pa.string()) for name in ("spend_date", "platform", "campaign_id", "campaign", "ad_id")]
    parts += [build.text(name) for name in _SPLITS]
    made = pc.binary_join_element_wise(*parts, "|", null_handling="replace", null_replacement="").to_pylist()
    ids = []
    for base in made:
        given[base] = given.get(base, 0) + 1
        ids.append(base if given[base] == 1 else f"{base}#{given[base]}")
    return pa.array(ids, pa.string())
