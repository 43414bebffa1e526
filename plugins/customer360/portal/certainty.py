"""How sure the figures are: ranks by model, shares with their interval, tracked beside stated sources."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from customer360.marketing.comparison import MODELS, conversion_sets
from customer360.portal.build import Site
from customer360.portal.parts import section, table_part
from customer360.portal.words import percent, plural, readable

_SET = "order"
_EXACT = "first"  # gives a conversion whole to one contact, so that the interval is exact
_NOTHING = "(none)"
_PERCENT = {"percent": "share", "percent_low": "share_low", "percent_high": "share_high"}
SENSITIVITY, AGREEMENT = "attribution_sensitivity", "source_agreement"


def write(site: Site) -> None:
    """`certainty.html`: what of it can be shown depends on the tables that the night published."""
    parts: list[dict[str, Any]] = []
    sets = conversion_sets(site.data)
    if SENSITIVITY in site.data.tables and sets:
        parts += _sensitivity(site, _SET if _SET in sets else next(iter(sets)))
    if AGREEMENT in site.data.tables:
        parts.append(_agreement(site))
    site.page(
        "certainty.html",
        "tables.html",
        "certainty.html",
        title="How sure the figures are",
        lead="A channel whose rank changes with the model is a matter of opinion until an experiment settles it; a"
        " share of few conversions may be chance; and what was tracked is not always what people say.",
        parts=parts or [section(title="Certainty", empty="No table of it is published yet.")],
    )


def _sensitivity(site: Site, conversion_set: str) -> list[dict[str, Any]]:
    """Ranks under every model, and shares under one, of channels with the configured look-back."""
    table = site.data.tables[SENSITIVITY]
    rows = site.data.ask(
        "select s.channel_group, s.acquisition_source, s.model, s.source_rank, s.best_rank, s.worst_rank,"
        " s.conversions, s.share, s.share_low, s.share_high, s.verdict, s.window_days"
        f" from marketing.{SENSITIVITY}_v1 s where s.grain = 'channel' and s.conversion_set = %s and s.window_days ="
        f" (select max(w.window_days) from marketing.{SENSITIVITY}_v1 w"
        " where w.grain = 'channel' and w.conversion_set = %s)"
        " order by s.conversions desc, s.channel_group, s.acquisition_source, s.model",
        (conversion_set, conversion_set),
    )
    models = [model for model in MODELS if model in {row[2] for row in rows}]
    ranks: defaultdict[tuple[str, str], dict[str, int | None]] = defaultdict(dict)
    ends: dict[tuple[str, str], tuple[int | None, int | None]] = {}
    for row in rows:
        ranks[row[:2]][row[2]] = row[3]
        ends[row[:2]] = row[4:6]
    lines = [
        [*channel, *(given.get(model) for model in models), *ends[channel]]
        for channel, given in sorted(
            ranks.items(), key=lambda each: (ends[each[0]][0] is None, *ends[each[0]], each[0])
        )
        if ends[channel][0] is not None
    ]
    words = {model: site.data.tables["attribution"].meaning("model", model) for model in models}
    shares = [[*row[:2], row[6], *map(_hundred, row[7:10]), row[10]] for row in rows if row[2] == _EXACT]
    window = f"look-back of {plural(rows[0][11], 'day', 'days')}" if rows else "look-back"
    return [
        section(
            **table_part(
                site,
                "ranks_by_model",
                f"Ranks of channels under each model: {readable(conversion_set)}",
                table,
                ["channel_group", "acquisition_source", *models, "best_rank", "worst_rank"],
                lines,
                note=f"1 has the most credited conversions of all months; {window}. Best and worst also over shorter"
                " look-backs. Channels with too few conversions under every model are left out here and stand below.",
                meanings=words,
            )
        ),
        section(
            **table_part(
                site,
                "shares_with_interval",
                f"Shares under model {readable(_EXACT)}, and how far they may be chance",
                table,
                ["channel_group", "acquisition_source", "conversions", *_PERCENT, "verdict"],
                shares,
                note="Each share lies between low and high 95 times in 100; where two overlap, chance may order them.",
                heat=("percent",),
                meanings={shown: table.meaning(name) for shown, name in _PERCENT.items()},
            )
        ),
    ]


def _hundred(share: Decimal | None) -> Decimal | None:
    return None if share is None else share * 100


def _agreement(site: Site) -> dict[str, Any]:
    """Tracked sources below each other, stated ones beside each other."""
    table = site.data.tables[AGREEMENT]
    counts = {
        (tracked, stated): customers
        for tracked, stated, customers in site.data.ask(
            f"select a.tracked_source, a.stated_source, a.customers from marketing.{AGREEMENT}_v1 a order by 1, 2"
        )
    }
    tracked, stated = (sorted({key[place] for key in counts}, key=_last) for place in (0, 1))
    lines = [[each, *(counts.get((each, other), 0) for other in stated)] for each in tracked]
    total = ["total", *(sum(line[place] for line in lines) for place in range(1, len(stated) + 1))]
    both = {key: count for key, count in counts.items() if _NOTHING not in key}
    agreed = sum(count for (one, other), count in both.items() if one == other)
    return section(
        **table_part(
            site,
            "tracked_and_stated",
            "Tracked and stated sources",
            table,
            ["tracked_source", *stated],
            [*lines, total] if lines else [],
            note=f"Customers by the source that was tracked (rows) and that was stated (columns). Of"
            f" {sum(counts.values()):,} customers {sum(both.values()):,} have both; of these"
            f" {percent(agreed, sum(both.values())) or 'none'} agree.",
            total=True,
            heat=stated,
            meanings={each: table.meaning("stated_source", each) for each in stated},
        )
    )


def _last(source: str) -> tuple[bool, str]:
    """Sort key: what is no source comes last."""
    return source.startswith("("), source
