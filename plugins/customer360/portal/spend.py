"""What was spent, and what came of it under each model; spend that brought nothing stays in sight."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from customer360.marketing.comparison import BY, MODELS, Comparison, Line, compare, conversion_sets, grains
from customer360.portal.attribution import last_month, since_months
from customer360.portal.build import Site
from customer360.portal.parts import section, table_part
from customer360.portal.words import month, number, readable

_SET = "order"
PAYBACK = "attribution_payback"
_CENT = Decimal("0.01")


def write(site: Site) -> None:
    """`spend.html`: returns by channel and by campaign, over twelve months."""
    parts: list[dict[str, Any]] = []
    sets = conversion_sets(site.data)
    conversion_set = _SET if _SET in sets else next(iter(sets), "")
    since, until = since_months(site, 12), last_month(site)
    for by, grain in (("channel", "channel"), ("campaign", "campaign")):
        if conversion_set and grain in grains(site.data):
            amounts = compare(site.data, by, conversion_set, "amount", since, until)
            counts = compare(site.data, by, conversion_set, "conversions", since, until)
            parts += _returns(site, by, amounts, counts)
    if PAYBACK in site.data.tables and parts:
        parts.append(_payback(site, conversion_set))
    site.page(
        "spend.html",
        "tables.html",
        "spend.html",
        title="What spend brought",
        lead=f"{month(since)} to {month(until)}, {readable(conversion_set)}: every channel and campaign that cost"
        " something, under each model. A model that sees few contacts sees few returns, so compare along a row"
        " before you compare rows.",
        parts=[section(**part) for part in parts]
        or [section(title="Spend", empty="Nothing was spent, or no spend has been delivered yet.")],
    )


def _returns(site: Site, by: str, amounts: Comparison, counts: Comparison) -> list[dict[str, Any]]:
    spent = [line for line in amounts.lines if line.spend > 0]
    if not spent:
        return []
    table = site.data.tables["attribution"]
    spent.sort(key=lambda line: (-line.spend, line.label))
    whole = _total(spent, len(amounts.models))
    conversions = {line.label: line for line in counts.lines}
    counted = _total([conversions[line.label] for line in spent], len(counts.models))
    meanings = {"spend": table.meaning("spend"), by: table.meaning(BY[by][1])}
    meanings |= {model: table.meaning("model", model) for model in amounts.models}
    returned = [[line.label, line.spend, *_ratios(line.values, line.spend)] for line in [*spent, whole]]
    cost = [
        [line.label, line.spend, *(_ratio(line.spend, value) for value in of.values)]
        for line, of in [*((line, conversions[line.label]) for line in spent), (whole, counted)]
    ]
    header = [by, "spend", *amounts.models]
    return [
        table_part(
            site,
            f"return_on_spend_by_{by}",
            f"Return on spend by {by}",
            table,
            header,
            returned,
            note=f"Amount credited per {site.currency} spent. Below 1 the spend was not earned back in these months.",
            total=True,
            heat=amounts.models,
            meanings=meanings,
        ),
        table_part(
            site,
            f"cost_per_conversion_by_{by}",
            f"Cost per conversion by {by}",
            table,
            header,
            cost,
            note=f"In {site.currency}. Empty where a model credits nothing to what was spent. {_wasted(site, spent)}",
            total=True,
            meanings=meanings,
        ),
    ]


def _payback(site: Site, conversion_set: str) -> dict[str, Any]:
    """Months until each campaign had brought back what it had cost by then, under each model; over all months."""
    table = site.data.tables[PAYBACK]
    found = site.data.ask(
        "select p.campaign, p.channel_group, p.acquisition_source, p.first_cost_month, p.cost, p.model,"
        f" p.payback_months from marketing.{PAYBACK}_v1 p where p.conversion_set = %s"
        " order by p.cost desc, p.campaign, p.channel_group, p.acquisition_source, p.model",
        (conversion_set,),
    )
    models = [model for model in MODELS if model in {row[5] for row in found}]
    months: defaultdict[tuple[Any, ...], dict[str, int | None]] = defaultdict(dict)
    for row in found:
        months[row[:5]][row[5]] = row[6]
    attribution = site.data.tables["attribution"]
    return table_part(
        site,
        "payback_by_campaign",
        "Months until spend was earned back by campaign",
        table,
        ["campaign", "channel_group", "first_cost_month", "cost", *models],
        [
            [campaign, channel, first, cost, *(given.get(model) for model in models)]
            for (campaign, channel, _, first, cost), given in months.items()
        ],
        note="From the month of the first cost; 0 is the same month, empty is not yet. Over all months.",
        meanings={model: attribution.meaning("model", model) for model in models},
    )


def _wasted(site: Site, spent: list[Line]) -> str:
    nothing = sum((line.spend for line in spent if not any(line.values)), Decimal())
    return f"{number(nothing)} {site.currency} went to what no model credits with anything." if nothing else ""


def _total(lines: list[Line], models: int) -> Line:
    sums = tuple(sum((line.values[place] for line in lines), Decimal()) for place in range(models))
    return Line("total", sums, sum((line.spend for line in lines), Decimal()))


def _ratios(values: tuple[Decimal, ...], spend: Decimal) -> list[Decimal | None]:
    return [_ratio(value, spend) for value in values]


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return (part / whole).quantize(_CENT) if whole > 0 else None
