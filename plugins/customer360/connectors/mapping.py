"""The `mapping:` of connector `mapped`: which column of a user's file is which column of the contracts.

`check` names every mistake with the path of the key; `compile_mapping` turns a checked mapping into
the plain `Mapping` that the connector works by.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import pyarrow as pa

from customer360.contracts import CHANNELS, CONTACT_KINDS, ENTITY_FIELDS, IDENTIFIER_TYPES

KeyPath = tuple[str | int, ...]
FORMATS = ("csv", "jsonl", "json", "parquet", "xlsx")
SECTIONS = tuple(entity for entity in ENTITY_FIELDS if entity != "identifier")
_TOP = ("format", "delimiter", "decimal", "sheet", "header_row", "record_id", "identifiers", *SECTIONS)
_VALUE_KEYS = ("value", "column", "columns", "join", "values", "default", "format", "timezone", "namespace", "kind")
_IDENTIFIER_KEYS = ("type", "column", "region", "split", "namespace", "of", "type_column", "value_column", "types")
REFERENCES = {"account_ref": "account", "contact_ref": "contact"}  # column → kind of what it refers to


@dataclass(frozen=True, slots=True)
class Value:
    """Where one contract column comes from: a constant, or columns of the file and what to do with them."""

    columns: tuple[str, ...] = ()
    constant: Any = None
    join: str = " "
    lookup: Dictionary[str, Any] | None = None  # compared trimmed and case-folded
    default: Any = None
    format: str | None = None  # strptime form of a stamp
    timezone: str | None = None
    namespace: str | None = None  # of references
    kind: str | None = None  # of references


@dataclass(frozen=True, slots=True)
class When:
    """Which rows a section takes: those whose `column` is one of `values` (case-folded)."""

    column: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Section:
    entity: str
    values: dict[str, Value]
    when: When | None = None
    consent: dict[str, str] = field(default_factory=dict)  # channel → column
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    """One rule that yields identifiers; `type_column` and `types` for the long form."""

    type: str | None
    columns: tuple[str, ...]
    region: str | None = None
    split: str | None = None
    namespace: str | None = None
    sections: tuple[str, ...] = SECTIONS
    type_column: str | None = None
    types: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mapping:
    sections: tuple[Section, ...]
    identifiers: tuple[Identifier, ...]
    record_id: tuple[str, ...] = ()
    format: str | None = None
    delimiter: str | None = None
    decimal_comma: bool | None = None
    sheet: str | None = None
    header_row: int = 1

    def columns(self) -> tuple[str, ...]:
        """Every column of the file that the mapping names, in order, once."""
        return tuple(dict.fromkeys(_named(self)))


def _named(mapping: Mapping) -> Iterator[str]:
    yield from mapping.record_id
    for section in mapping.sections:
        if section.when:
            yield section.when.column
        for value in section.values.values():
            yield from value.columns
        yield from section.consent.values()
        yield from section.attributes
    for rule in mapping.identifiers:
        if rule.type_column:
            yield rule.type_column
        yield from rule.columns


def check(mapping: Any) -> list[tuple[KeyPath, str]]:
    """Mistakes as (path of the key, what is wrong); empty when the mapping can be used."""
    if not isinstance(mapping, dict):
        return [((), "mapping must be a mapping")]
    return list(_check_top(mapping))


def _check_top(mapping: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    yield from _unknown((), mapping, _TOP)
    if mapping.get("format", "csv") not in FORMATS:
        yield ("format",), f"format is one of {', '.join(FORMATS)}"
    if mapping.get("decimal", ".") not in {".", ","}:
        yield ("decimal",), "decimal is '.' or ','"
    if not isinstance(mapping.get("record_id", ""), str | list):
        yield ("record_id",), "record_id is a column or a list of columns"
    present = [name for name in SECTIONS if name in mapping]
    if not present:
        yield (), f"mapping needs at least one of {', '.join(SECTIONS)}"
    for name in present:
        yield from _check_section(name, mapping[name])
    rules = mapping.get("identifiers", [])
    if not isinstance(rules, list):
        yield ("identifiers",), "identifiers is a list"
        return
    for index, rule in enumerate(rules):
        yield from _check_identifier(("identifiers", index), rule)


def _check_section(name: str, section: Any) -> Iterator[tuple[KeyPath, str]]:
    if not isinstance(section, dict):
        yield (name,), f"{name} must map contract columns to columns of the file"
        return
    allowed = [*_columns(name), "when", *(["kind"] if name == "contact_record" else [])]
    yield from _unknown((name,), section, allowed)
    for key, value in section.items():
        yield from _check_entry((name, key), key, value)
    for required in _required(name):
        if required not in section:
            yield (name,), f"{name} lacks {required}"


def _check_entry(at: KeyPath, key: str, value: Any) -> Iterator[tuple[KeyPath, str]]:
    if key == "when":
        yield from _check_when(at, value)
    elif key == "consent" and isinstance(value, dict):
        yield from _unknown(at, value, CHANNELS)
    elif key == "attributes":
        if not isinstance(value, list):
            yield at, "attributes is a list of columns"
    elif key == "kind" and isinstance(value, str):
        if value not in CONTACT_KINDS:
            yield at, f"kind is one of {', '.join(CONTACT_KINDS)}"
    else:
        yield from _check_value(at, value)


def _check_value(at: KeyPath, value: Any) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, dict):
        yield from _unknown(at, value, _VALUE_KEYS)
        if not {"value", "column", "columns"} & set(value):
            yield at, "needs one of value, column, columns"
    elif not isinstance(value, str):
        yield at, "is a column name, or a mapping with value, column or columns"


def _check_when(at: KeyPath, when: Any) -> Iterator[tuple[KeyPath, str]]:
    if not isinstance(when, dict) or set(when) != {"column", "in"} or not isinstance(when["in"], list):
        yield at, "when is {column: name, in: [values]}"


def _check_identifier(at: KeyPath, rule: Any) -> Iterator[tuple[KeyPath, str]]:
    if not isinstance(rule, dict):
        yield at, "an identifier is a mapping with type and column"
        return
    yield from _unknown(at, rule, _IDENTIFIER_KEYS)
    long_form = "type_column" in rule
    if long_form and not ({"value_column", "types"} <= set(rule) and isinstance(rule["types"], dict)):
        yield at, "type_column needs value_column and types"
    if not long_form and not {"type", "column"} <= set(rule):
        yield at, "an identifier needs type and column"
    named = [rule["type"]] if "type" in rule else list((rule.get("types") or {}).values()) if long_form else []
    for kind in named:
        if kind not in IDENTIFIER_TYPES:
            yield at, f"identifier type {kind!r}; known: {', '.join(IDENTIFIER_TYPES)}"
    for section in _listed(rule.get("of", ())):
        if section not in SECTIONS:
            yield (*at, "of"), f"of names sections: {', '.join(SECTIONS)}"


def _unknown(at: KeyPath, given: dict[str, Any], allowed: Any) -> Iterator[tuple[KeyPath, str]]:
    for key in given:
        if key not in allowed:
            near = get_close_matches(str(key), list(allowed), 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(allowed)}"
            yield (*at, key), f"unknown key {key!r}{hint}"


def _columns(entity: str) -> list[str]:
    return [each.name for each in ENTITY_FIELDS[entity] if each.name != "record_kind"]


def _required(entity: str) -> list[str]:
    """Contract columns that cannot be null and that the connector cannot fill by itself."""
    filled = {"record_kind", "direction", "interaction_class", "is_touch"}
    return [each.name for each in ENTITY_FIELDS[entity] if not each.nullable and each.name not in filled]


def compile_mapping(mapping: dict[str, Any]) -> Mapping:
    """Compiled form of a mapping for which `check` found nothing."""
    decimal = mapping.get("decimal")
    return Mapping(
        sections=tuple(_section(name, mapping[name]) for name in SECTIONS if name in mapping),
        identifiers=tuple(_identifier(rule) for rule in mapping.get("identifiers", [])),
        record_id=_listed(mapping.get("record_id", ())),
        format=mapping.get("format"),
        delimiter=mapping.get("delimiter"),
        decimal_comma=None if decimal is None else decimal == ",",
        sheet=mapping.get("sheet"),
        header_row=int(mapping.get("header_row", 1)),
    )


def _section(name: str, section: dict[str, Any]) -> Section:
    given = dict(section)
    when = given.pop("when", None)
    consent = given.pop("consent", {})
    if isinstance(consent, str):
        given["consent"], consent = consent, {}
    attributes = _listed(given.pop("attributes", ()))
    if name == "contact_record":
        kind = given.pop("kind", "contact")
        given["record_kind"] = {"value": kind} if isinstance(kind, str) else kind
    return Section(
        name,
        {key: _value(value) for key, value in given.items()},
        When(when["column"], frozenset(_fold(each) for each in when["in"])) if when else None,
        consent,
        attributes,
    )


def _value(value: Any) -> Value:
    if isinstance(value, str):
        return Value(columns=(value,))
    lookup = value.get("values")
    return Value(
        columns=_listed(value.get("columns", value.get("column", ()))),
        constant=value.get("value"),
        join=value.get("join", " "),
        lookup={_fold(key): mapped for key, mapped in lookup.items()} if lookup else None,
        default=value.get("default"),
        format=value.get("format"),
        timezone=value.get("timezone"),
        namespace=value.get("namespace"),
        kind=value.get("kind"),
    )


def _identifier(rule: dict[str, Any]) -> Identifier:
    return Identifier(
        type=rule.get("type"),
        columns=_listed(rule.get("column", rule.get("value_column", ()))),
        region=rule.get("region"),
        split=rule.get("split"),
        namespace=rule.get("namespace"),
        sections=_listed(rule["of"]) if "of" in rule else SECTIONS,
        type_column=rule.get("type_column"),
        types={_fold(key): kind for key, kind in (rule.get("types") or {}).items()},
    )


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _fold(value: Any) -> str:
    return str(value).strip().casefold()


def column_type(entity: str, column: str) -> pa.DataType:
    """Arrow type of a contract column."""
    return next(each.type for each in ENTITY_FIELDS[entity] if each.name == column)
