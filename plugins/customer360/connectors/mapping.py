"""The `mapping:` of connector `mapped`: which column of a user's file is which column of the contracts.

`compile_mapping` turns a mapping that `mapping_check.check` found no mistake in into the plain
`Mapping` that the connector works by.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from customer360.contracts import CHANNELS, CONTACT_KINDS, DIRECTIONS, ENTITY_FIELDS, INTERACTION_CLASSES

SECTIONS: Final = tuple(entity for entity in ENTITY_FIELDS if entity != "identifier")
REFERENCES: Final = {"account_ref": "account", "contact_ref": "contact"}  # column → kind of what it refers to
# Contract columns that hold one of a few words.
WORDS: Final = {
    "channel": CHANNELS,
    "direction": DIRECTIONS,
    "interaction_class": INTERACTION_CLASSES,
    "record_kind": CONTACT_KINDS,
}
PAGE_URL: Final = "page_url"  # of an interaction: page_path, utm_…, click_id_type where they are not mapped
# What YAML makes of the bare words yes, no, on, off: any of them in the file is meant.
_YAML_WORDS: Final = {"True": ("true", "yes", "on"), "False": ("false", "no", "off")}


@dataclass(frozen=True, slots=True)
class Value:
    """Where one contract column comes from: a constant, or columns of the file and what to do with them."""

    columns: tuple[str, ...] = ()
    constant: str | None = None
    join: str = " "
    lookup: Dictionary[str, str | None] | None = None  # by folded text
    default: str | None = None  # for cells without a value, or not in `lookup`
    format: str | None = None  # strptime form of a stamp or day
    timezone: str | None = None  # of stamps without one
    factor: float | None = None  # of numbers
    namespace: str | None = None  # of references
    kind: str | None = None  # of references


@dataclass(frozen=True, slots=True)
class When:
    """One condition on a row: its cell is one of `values` (folded); without values, it has a value at all."""

    column: str
    values: frozenset[str] | None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One entity that rows of the file fill."""

    entity: str
    values: dict[str, Value]
    when: tuple[When, ...] = ()  # all must hold
    record_id: tuple[str, ...] = ()  # columns; empty: the mapping's
    consent: dict[str, str] = field(default_factory=dict)  # channel → column
    attributes: tuple[str, ...] = ()
    page_url: str | None = None  # column


@dataclass(frozen=True, slots=True)
class Identifier:
    """One rule that yields identifiers; `type_column` and `types` for the long form."""

    type: str | None
    columns: tuple[str, ...]
    region: Value | None = None  # of phone and fax numbers: ISO 3166-1 alpha-2
    split: str | None = None
    namespace: str | None = None
    kind: str | None = None  # of account_ref
    sections: tuple[str, ...] = SECTIONS
    when: tuple[When, ...] = ()
    type_column: str | None = None
    types: dict[str, str] = field(default_factory=dict)  # folded text → type


@dataclass(frozen=True, slots=True)
class Mapping:
    """The whole mapping, ready to work by."""

    sections: tuple[Section, ...]
    identifiers: tuple[Identifier, ...]
    record_id: tuple[str, ...] = ()
    format: str | None = None
    delimiter: str | None = None
    decimal_comma: bool = False
    sheet: str | None = None
    header_row: int = 1
    records: str | None = None  # dotted path to the array in a JSON document

    def columns(self) -> tuple[str, ...]:
        """Every column of the file that the mapping names, in order, once."""
        return tuple(dict.fromkeys(_named(self)))

    def needs_content(self) -> bool:
        """Whether some record is called by its content."""
        return not self.record_id and any(not section.record_id for section in self.sections)


def _named(mapping: Mapping) -> Iterator[str]:
    yield from mapping.record_id
    for section in mapping.sections:
        yield from section.record_id
        yield from (condition.column for condition in section.when)
        for value in section.values.values():
            yield from value.columns
        yield from section.consent.values()
        yield from section.attributes
        if section.page_url:
            yield section.page_url
    for rule in mapping.identifiers:
        if rule.type_column:
            yield rule.type_column
        yield from rule.columns
        yield from rule.region.columns if rule.region else ()
        yield from (condition.column for condition in rule.when)


def compile_mapping(mapping: dict[str, Any]) -> Mapping:
    """Compiled form of a mapping for which `check` found nothing."""
    delimiter = mapping.get("delimiter")
    return Mapping(
        sections=tuple(_section(name, mapping[name]) for name in SECTIONS if name in mapping),
        identifiers=tuple(_identifier(rule) for rule in mapping.get("identifiers") or ()),
        record_id=_listed(mapping.get("record_id", ())),
        format=mapping.get("format"),
        delimiter="\t" if delimiter == "tab" else delimiter,
        decimal_comma=mapping.get("decimal") == ",",
        sheet=mapping.get("sheet"),
        header_row=mapping.get("header_row", 1),
        records=mapping.get("records"),
    )


def _section(name: str, section: dict[str, Any]) -> Section:
    given = dict(section)
    when = _conditions(given.pop("when", ()))
    record_id = _listed(given.pop("record_id", ()))
    attributes = _listed(given.pop("attributes", ()))
    page_url = given.pop(PAGE_URL, None)
    consent = (
        given.pop("consent") if isinstance(given.get("consent"), dict) and _is_by_channel(given["consent"]) else {}
    )
    if name == "contact_record":
        kind = given.pop("kind", "contact")
        given["record_kind"] = {"value": kind} if isinstance(kind, str) else kind
    values = {key: compile_value(value) for key, value in given.items()}
    return Section(name, values, when, record_id, consent, attributes, page_url)


def _is_by_channel(consent: dict[str, Any]) -> bool:
    """{email: column} and not a value such as {column: …}."""
    return all(key in CHANNELS for key in consent)


def compile_value(value: Any) -> Value:
    """A column's name, or the long form of a value."""
    if isinstance(value, str):
        return Value(columns=(value,))
    lookup = value.get("values")
    return Value(
        columns=_listed(value.get("columns", value.get("column", ()))),
        constant=_text(value.get("value")),
        join=value.get("join", " "),
        lookup={word: _text(mapped) for key, mapped in lookup.items() for word in folded_words(key)}
        if lookup
        else None,
        default=_text(value.get("default")),
        format=value.get("format"),
        timezone=value.get("timezone"),
        factor=value.get("factor"),
        namespace=value.get("namespace"),
        kind=value.get("kind"),
    )


def _identifier(rule: dict[str, Any]) -> Identifier:
    region = rule.get("region")
    return Identifier(
        type=rule.get("type"),
        columns=_listed(rule.get("column", rule.get("value_column", ()))),
        region=None if region is None else compile_value({"value": region} if isinstance(region, str) else region),
        split=rule.get("split"),
        namespace=rule.get("namespace"),
        kind=rule.get("kind"),
        sections=_listed(rule["of"]) if "of" in rule else SECTIONS,
        when=_conditions(rule.get("when", ())),
        type_column=rule.get("type_column"),
        types={word: kind for key, kind in (rule.get("types") or {}).items() for word in folded_words(key)},
    )


def _conditions(when: Any) -> tuple[When, ...]:
    return tuple(_condition(each) for each in ([when] if isinstance(when, dict) else when))


def _condition(when: dict[str, Any]) -> When:
    if "present" in when:
        return When(when["column"], None, not when["present"])
    given = when["in"] if "in" in when else when["not_in"]
    return When(when["column"], frozenset(word for each in given for word in folded_words(each)), "not_in" in when)


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def fold(text: str) -> str:
    """A cell as it is compared with the words of a mapping."""
    return text.strip().casefold()


def folded_words(word: Any) -> tuple[str, ...]:
    """Cells that a word of the mapping stands for: 'yes' without quotes is `True` to YAML."""
    return _YAML_WORDS.get(str(word)) or (fold(str(word)),)


def column_type(entity: str, column: str) -> pa.DataType:
    """Arrow type of a contract column."""
    return next(each.type for each in ENTITY_FIELDS[entity] if each.name == column)
