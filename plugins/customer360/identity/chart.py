"""Why two records are one customer or two, drawn: an SVG, alone or in a page that loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from customer360.identity.why import Likeness, Pair

_WIDTH, _MARGIN, _LINE = 960, 24, 24
_AXIS, _LONGEST, _BITS_END = 780, 150, 610  # where bars begin, how long the longest is, where their figures end
_SHOWN = 26  # characters of a value
_STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1d2733 } .head { font-size: 20px; font-weight: 600 }
.title { font-weight: 600 } .dim { fill: #5b6775 } .n { text-anchor: end; font-variant-numeric: tabular-nums }
.record { fill: #eef2f7; stroke: #8493a5 } .link { stroke: #8493a5; stroke-width: 2 } .axis { stroke: #b8c2cd }
.for { fill: #2a7d3f } .against { fill: #b3261e } .relation { fill: #33658a }
"""


def check(path: Path, *, is_pair: bool) -> None:
    """Raises ValueError for another kind of file than a chart is, and for what is no pair of records."""
    if path.suffix not in (".svg", ".html"):
        raise ValueError(f"a chart is an .svg or an .html file, not {path.name}")
    if not is_pair:
        raise ValueError("a chart is drawn of two records, as source/kind/id")


def write(path: Path, pair: Pair, names: tuple[str, str]) -> None:
    """Draw the pair into `path`. `names`: what the two records are called; values are masked as in `pair`."""
    drawn = svg(pair, names)
    if path.suffix == ".html":
        title = escape(" and ".join(names))
        drawn = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><body>{drawn}</body></html>'
        )
    path.write_text(drawn, "utf-8")


def svg(pair: Pair, names: tuple[str, str]) -> str:
    """The chart as SVG; see `write`."""
    one, other = pair.customers
    sheet = _Sheet()
    sheet.text(f"One customer: {one}" if one == other else f"Two customers: {one} and {other}", "head")
    sheet.skip(0.6)
    if one == other:
        _chain(sheet, pair, names)
    else:
        _parted(sheet, pair, names)
    if pair.likeness is not None:
        _weights(sheet, pair.likeness, names)
    elif one != other:
        sheet.text("Their profiles were not compared: one is no person's contact record, or no model was learnt yet.")
    if pair.decided:
        sheet.skip(0.6)
        sheet.text("What people decided", "title")
        for line in pair.decided:
            sheet.text(line)
    return sheet.svg()


class _Sheet:
    """Lines from top to bottom."""

    def __init__(self) -> None:
        self.y = float(_MARGIN)
        self.parts: list[str] = []

    def text(self, text: str, kind: str = "", x: int = _MARGIN) -> None:
        self.y += _LINE
        self.at(x, text, kind)

    def at(self, x: float, text: str, kind: str = "") -> None:
        self.parts.append(f'<text x="{x:g}" y="{self.y:g}" class="{kind}">{escape(text)}</text>')

    def skip(self, lines: float) -> None:
        self.y += lines * _LINE

    def record(self, name: str) -> None:
        self.parts.append(
            f'<rect class="record" x="{_MARGIN}" y="{self.y + 6:g}" width="380" height="{_LINE + 6}" rx="6"/>'
        )
        self.y += _LINE + 2
        self.at(_MARGIN + 12, _short(name, 46))
        self.y += 10

    def link(self, label: str) -> None:
        x = _MARGIN + 40
        self.parts.append(f'<line class="link" x1="{x}" x2="{x}" y1="{self.y:g}" y2="{self.y + _LINE + 10:g}"/>')
        self.y += _LINE - 3
        self.at(x + 14, label)
        self.y += 7

    def bar(self, name: str, values: tuple[str, str], bits: float, longest: float, kind: str) -> None:
        self.y += _LINE
        self.at(_MARGIN, name)
        for x, value in zip((190, 400), values, strict=True):
            self.at(x, _short(value, _SHOWN), "dim")
        self.at(_BITS_END, f"{bits:+.1f}".replace("-", "−"), "n")
        width = abs(bits) / longest * _LONGEST
        begins = _AXIS if bits > 0 else _AXIS - width
        top = self.y - 13
        self.parts.append(
            f'<rect class="{kind}" x="{begins:.1f}" y="{top:g}" width="{width:.1f}" height="16"/>'
            f'<line class="axis" x1="{_AXIS}" x2="{_AXIS}" y1="{top - 4:g}" y2="{top + 20:g}"/>'
        )

    def svg(self) -> str:
        height = self.y + _MARGIN
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}"'
            f' height="{height:g}" role="img"><style>{_STYLE}</style>'
            f'<rect width="100%" height="100%" fill="#fff"/>{"".join(self.parts)}</svg>'
        )


def _chain(sheet: _Sheet, pair: Pair, names: tuple[str, str]) -> None:
    sheet.text("What leads from one to the other", "title")
    sheet.record(names[0])
    for number, step in enumerate(pair.chain, 1):
        by = f"{step.identifier_type} {step.identifier_value}" if step.identifier_type else "their profiles"
        sheet.link(f"{by}  ({step.identifier_class}, {step.reason})")
        sheet.record(names[1] if number == len(pair.chain) else f"record {step.to_record}")
    if not pair.chain and names[0] != names[1]:
        sheet.link("no chain: united by what is not kept, such as a line's name or a decision")
        sheet.record(names[1])
    sheet.skip(0.6)


def _parted(sheet: _Sheet, pair: Pair, names: tuple[str, str]) -> None:
    for name in names:
        sheet.record(name)
    sheet.skip(0.4)
    if not pair.common:
        sheet.text("They carry no identifier in common.")
    else:
        sheet.text("What both carry does not link them", "title")
        for kind, value, of_class, why in pair.common:
            sheet.text(f"{kind} {value}  ({of_class}, {why})")
    sheet.skip(0.6)


def _weights(sheet: _Sheet, likeness: Likeness, names: tuple[str, str]) -> None:
    sheet.text("What their profiles say: bits for one person, or against", "title")
    sheet.y += _LINE
    for x, name in zip((190, 400), names, strict=True):
        sheet.at(x, _short(name, _SHOWN), "dim")
    longest = _longest(bits for *_, bits in likeness.fields)
    for field, one, other, bits in likeness.fields:
        sheet.bar(field, (one, other), bits, longest, "for" if bits > 0 else "against")
    sheet.skip(0.6)
    sheet.text("What the two may be, against strangers: bits, how rare each is included", "title")
    longest = _longest(likeness.relations.values())
    for name, bits in sorted(likeness.relations.items(), key=lambda each: (-each[1], each[0])):
        sheet.bar(name, ("", ""), bits, longest, "relation" if bits > 0 else "against")
    sheet.skip(0.6)
    sheet.text(f"One person: probability {likeness.probability:.4f}", "title")
    if likeness.parted_by:
        sheet.text(f"Parted, whatever the weights say, by {', '.join(likeness.parted_by)}")


def _longest(weights: Iterable[float]) -> float:
    return max((abs(each) for each in weights), default=1.0) or 1.0


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
