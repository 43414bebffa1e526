"""`attribution.yml`: what touches are credited for, and what of a path counts. It lies beside sources.yml; where it
does not, the project's own in `dags/` holds."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from customer360 import yaml_lines
from customer360.settings import Settings
from customer360.yaml_lines import Document, KeyPath, YamlError

VERSION: Final = 1
KINDS: Final = ("identified", "opportunity", "order", "repurchase", "stage", "event")
TRANSFORMS: Final = ("every", "unique", "frequency", "first_last")
GRAINS: Final = ("channel", "source", "campaign")
STAGES: Final = ("unidentified", "prospect", "opportunity", "order_customer", "user")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_KEYS: Final = ("when", "lookback_days", "description", "amount", "from_stage", "to_stage", "events")
_LONGEST_DAYS: Final = 3650
_MOST: Final = 10**12  # of an amount
# Texts go into SQL between quotes; names of events are free, but for what would need an escape on some engine.
_UNFIT: Final = re.compile(r"[\x00-\x1f'\\{}]")


class AttributionError(Exception):
    """Invalid attribution.yml; the text is `<path>:<line>: what is wrong, and what is allowed`."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """One set of conversions. `amount` replaces that of a deal, and is 0 by default where there is none."""

    conversion_set: str
    kind: str
    lookback_days: int
    description: str = ""
    amount: str | None = None  # a plain decimal
    from_stage: str | None = None
    to_stage: str | None = None
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttributionConfig:
    """The whole file."""

    conversions: tuple[Conversion, ...]
    transform: str = "every"
    grain: str = "channel"
    path: Path = field(default=Path(), compare=False)

    def as_vars(self) -> dict[str, Any]:
        """dbt's variables."""
        return {
            "conversions": [asdict(each) | {"events": list(each.events)} for each in self.conversions],
            "path_transform": self.transform,
            "path_grain": self.grain,
        }


def of(settings: Settings) -> AttributionConfig:
    """The configuration of a project. Raises AttributionError."""
    beside = settings.sources.parent / "attribution.yml"
    return load(beside if beside.exists() else settings.home / "dags" / "attribution.yml")


def load(path: Path) -> AttributionConfig:
    """Read and check `path`. Raises AttributionError with the line of the first mistake."""
    try:
        document = yaml_lines.read(path)
    except YamlError as error:
        raise AttributionError(str(error)) from None
    return _Reader(document).config()


class _Reader:
    """Checks one document, top down; the first mistake raises."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def config(self) -> AttributionConfig:
        top = self.mapping((), ("version", "paths", "conversions"))
        if top.get("version") != VERSION:
            raise self.error(("version",), f"version must be {VERSION}")
        paths = self.mapping(("paths",), ("transform", "grain")) if "paths" in top else {}
        if not isinstance(top.get("conversions"), dict) or not top["conversions"]:
            raise self.error(("conversions",), "conversions must name at least one set")
        return AttributionConfig(
            conversions=tuple(self.conversion(name) for name in top["conversions"]),
            transform=self.one_of(("paths", "transform"), paths.get("transform", "every"), TRANSFORMS),
            grain=self.one_of(("paths", "grain"), paths.get("grain", "channel"), GRAINS),
            path=self.document.path,
        )

    def conversion(self, name: str) -> Conversion:
        at: KeyPath = ("conversions", name)
        if not _NAME.fullmatch(name):
            raise self.error(at, f"conversion set {name!r} must be snake_case: a-z, 0-9 and _")
        given = self.mapping(at, _KEYS)
        kind = self.one_of((*at, "when"), given.get("when"), KINDS)
        self.belongs(at, given, kind)
        return Conversion(
            conversion_set=name,
            kind=kind,
            lookback_days=self.days((*at, "lookback_days"), given.get("lookback_days")),
            description=self.text((*at, "description"), given.get("description", "")),
            amount=self.amount((*at, "amount"), given.get("amount")),
            from_stage=self.stage((*at, "from_stage"), given.get("from_stage")),
            to_stage=self.stage((*at, "to_stage"), given.get("to_stage")),
            events=self.events((*at, "events"), given["events"]) if kind == "event" else (),
        )

    def belongs(self, at: KeyPath, given: dict[str, Any], kind: str) -> None:
        """Keys that only one kind has, and that it cannot do without."""
        for key, owner in (("from_stage", "stage"), ("to_stage", "stage"), ("events", "event")):
            if key in given and kind != owner:
                raise self.error((*at, key), f"{key} is for `when: {owner}` only")
        if kind == "stage" and not {"from_stage", "to_stage"} & given.keys():
            raise self.error(at, "`when: stage` needs from_stage, to_stage or both")
        if kind == "event" and "events" not in given:
            raise self.error(at, "`when: event` needs events: the names of interactions that count")

    def events(self, at: KeyPath, given: Any) -> tuple[str, ...]:
        if not isinstance(given, list) or not given or not all(isinstance(each, str) and each for each in given):
            raise self.error(at, "events must be a list of names of interactions")
        return tuple(self.text((*at, index), each) for index, each in enumerate(given))

    def days(self, at: KeyPath, given: Any) -> int:
        if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= _LONGEST_DAYS:
            raise self.error(at, f"lookback_days must be a whole number from 1 to {_LONGEST_DAYS}")
        return given

    def amount(self, at: KeyPath, given: Any) -> str | None:
        if given is None:
            return None
        if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < _MOST:
            raise self.error(at, "amount must be a number: what each conversion is worth")
        value = Decimal(str(given))
        if value != round(value, 2):
            raise self.error(at, "amount has more than two decimals")
        return f"{value:.2f}"

    def stage(self, at: KeyPath, given: Any) -> str | None:
        return None if given is None else self.one_of(at, given, STAGES)

    def text(self, at: KeyPath, given: Any) -> str:
        if not isinstance(given, str) or _UNFIT.search(given):
            raise self.error(at, f"{at[-1]} must be text on one line without ' \\ {{ or }}")
        return given

    def one_of(self, at: KeyPath, given: Any, allowed: Collection[str]) -> str:
        if not isinstance(given, str) or given not in allowed:
            raise self.error(at, f"{at[-1]} must be one of {', '.join(allowed)}; it is {given!r}")
        return given

    def mapping(self, at: KeyPath, allowed: Collection[str]) -> dict[str, Any]:
        found: Any = self.document.data
        for key in at:
            found = found[key]
        if not isinstance(found, dict):
            raise self.error(at, f"{at[-1] if at else 'the file'} must hold {', '.join(allowed)}")
        for key in found:
            if key not in allowed:
                raise self.error((*at, key), f"unknown key {key!r}; allowed: {', '.join(allowed)}")
        return found

    def error(self, at: KeyPath, what: str) -> AttributionError:
        return AttributionError(f"{self.document.where(at)}: {what}")
