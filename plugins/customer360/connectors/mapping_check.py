"""Mistakes in a `mapping:`, each with the path of the key, before any file is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

import pyarrow as pa

from customer360.connectors.convert import convert
from customer360.connectors.mapping import PAGE_URL, REFERENCES, SECTIONS, WORDS, column_type
from customer360.contracts import CHANNELS, CONTACT_KINDS, ENTITY_FIELDS, IDENTIFIER_TYPES

KeyPath = tuple[str | int, ...]
Mistakes = Iterator[tuple[KeyPath, str]]

FORMATS: Final = ("csv", "jsonl", "json", "parquet", "xlsx")
_TOP: Final = (
    "format", "delimiter", "decimal", "sheet", "header_row", "records", "record_id", "identifiers", *SECTIONS,
)  # fmt: skip
_VALUE: Final = ("value", "column", "columns", "join", "values", "default")
_IDENTIFIER: Final = (
    "type", "column", "type_column", "value_column", "types", "region", "split", "namespace", "kind", "of", "when",
)  # fmt: skip
_COLUMN: Final = "a column of the file: a text, in quotes if it looks like a number"
_FILLED: Final = frozenset({"record_kind", "direction", "interaction_class", "is_touch"})  # by the connector


def check(mapping: Any) -> list[tuple[KeyPath, str]]:
    """Mistakes as (path of the key, what is wrong); empty when the mapping can be used."""
    if not isinstance(mapping, dict):
        return [((), "mapping must be a mapping")]
    return list(_check_top(mapping))


def _check_top(mapping: dict[str, Any]) -> Mistakes:
    yield from _unknown((), mapping, _TOP)
    yield from _check_reading(mapping)
    if "record_id" in mapping:
        yield from _check_columns(("record_id",), mapping["record_id"])
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


def _check_reading(mapping: dict[str, Any]) -> Mistakes:
    """How the file is to be read."""
    if mapping.get("format", "csv") not in FORMATS:
        yield ("format",), f"format is one of {', '.join(FORMATS)}"
    if mapping.get("decimal", ".") not in {".", ","}:
        yield ("decimal",), "decimal is '.' or ','"
    delimiter = mapping.get("delimiter", ",")
    if delimiter != "tab" and not (isinstance(delimiter, str) and len(delimiter) == 1):
        yield ("delimiter",), "delimiter is one character, or tab"
    header_row = mapping.get("header_row", 1)
    if not isinstance(header_row, int) or isinstance(header_row, bool) or header_row < 1:
        yield ("header_row",), "header_row is a line of the file, from 1"
    for name in ("sheet", "records"):
        if name in mapping:
            yield from _check_text((name,), mapping[name])


# Sections ---------------------------------------------------------------------------------------------


def _check_section(name: str, section: Any) -> Mistakes:
    if not isinstance(section, dict):
        yield (name,), f"{name} must map contract columns to columns of the file"
        return
    columns = [each.name for each in ENTITY_FIELDS[name] if each.name != "record_kind"]
    own = {"contact_record": ["kind"], "interaction": [PAGE_URL]}.get(name, [])
    yield from _unknown((name,), section, [*columns, *own, "when", "record_id"])
    for key, value in section.items():
        if key in (*columns, *own, "when", "record_id"):
            yield from _check_entry(name, key, value)
    for required in ENTITY_FIELDS[name]:
        if not required.nullable and required.name not in _FILLED and required.name not in section:
            yield (name,), f"{name} lacks {required.name}"


def _check_entry(entity: str, key: str, value: Any) -> Mistakes:
    at: KeyPath = (entity, key)
    if key == "when":
        yield from _check_when(at, value)
    elif key == "record_id":
        yield from _check_columns(at, value)
    elif key == "attributes":
        if isinstance(value, list):
            yield from _check_columns(at, value)
        else:
            yield at, "attributes is a list of columns"
    elif key == PAGE_URL:
        yield from _check_text(at, value, _COLUMN)
    elif key == "consent" and isinstance(value, dict) and not {"column", "columns", "value"} & set(value):
        yield from _unknown(at, value, CHANNELS)
        for channel, column in value.items():
            yield from _check_text((*at, channel), column, _COLUMN)
    elif key == "kind" and isinstance(value, str):
        if value not in CONTACT_KINDS:
            yield at, f"kind is one of {', '.join(CONTACT_KINDS)}"
    else:
        yield from _check_value(at, entity, "record_kind" if key == "kind" else key, value)


def _check_value(at: KeyPath, entity: str, name: str, value: Any) -> Mistakes:
    if isinstance(value, str):
        return
    if not isinstance(value, dict):
        yield at, "is a column's name (in quotes if it looks like a number), or a mapping with value, column or columns"
        return
    kind = column_type(entity, name)
    yield from _unknown(at, value, (*_VALUE, *_special_keys(name, kind)))
    yield from _check_shape(at, value)
    yield from _check_special(at, value)
    words = [("value", value.get("value")), ("default", value.get("default"))]
    if isinstance(value.get("values"), dict):
        words += value["values"].items()
    for key, word in words:
        if word is not None and not _fits(name, kind, word):
            place = (*at, key) if key in value else (*at, "values", key)
            yield place, f"{word!r} is no {name}" + (f": {', '.join(WORDS[name])}" if name in WORDS else "")


def _special_keys(name: str, kind: pa.DataType) -> tuple[str, ...]:
    """Keys that only some contract columns have."""
    if name in REFERENCES:
        return ("namespace", "kind")
    if pa.types.is_timestamp(kind):
        return ("format", "timezone")
    if pa.types.is_date(kind):
        return ("format",)
    return ("factor",) if pa.types.is_decimal(kind) or pa.types.is_integer(kind) else ()


def _check_shape(at: KeyPath, value: dict[str, Any]) -> Mistakes:
    given = [key for key in ("value", "column", "columns") if key in value]
    if len(given) != 1:
        yield at, "needs one of value, column, columns"
        return
    if given != ["value"]:
        yield from _check_columns((*at, given[0]), value[given[0]])
    elif {"values", "default", "join"} & set(value):
        yield at, "value is a constant: values, default and join have nothing to work on"
    if "values" in value and not (isinstance(value["values"], dict) and value["values"]):
        yield (*at, "values"), "values is a mapping: what the file says → what it means"
    if "join" in value and not isinstance(value["join"], str):
        yield (*at, "join"), "join is a text"


def _check_special(at: KeyPath, value: dict[str, Any]) -> Mistakes:
    form = value.get("format")
    if form is not None and not _is_stamp_form(form):
        yield (*at, "format"), "format is a strptime form such as %d.%m.%Y %H:%M"
    zone = value.get("timezone")
    if zone is not None and zone not in available_timezones():
        near = get_close_matches(str(zone), list(available_timezones()), 1)
        yield (*at, "timezone"), f"unknown time zone {zone!r}" + (f"; did you mean {near[0]}?" if near else "")
    factor = value.get("factor", 1)
    if not isinstance(factor, int | float) or isinstance(factor, bool) or not factor:
        yield (*at, "factor"), "factor is a number other than 0"
    for name in ("namespace", "kind"):
        if name in value:
            yield from _check_text((*at, name), value[name])


def _is_stamp_form(form: Any) -> bool:
    example = datetime(2025, 12, 31, 23, 58, 59)
    try:
        return "%" in form and datetime.strptime(example.strftime(form), form) is not None
    except (TypeError, ValueError):
        return False


def _fits(name: str, kind: pa.DataType, word: Any) -> bool:
    """Whether a word of the mapping can stand in the contract column."""
    from customer360.sources import Source

    if name in WORDS:
        return word in WORDS[name]
    text = ("true" if word else "false") if isinstance(word, bool) else str(word)
    source = Source("check", "mapped", "*", ZoneInfo("UTC"))
    converted, misfit = convert(pa.array([text]), kind, source)
    return not misfit.any() and bool(converted[0].is_valid)


# Conditions and identifiers ---------------------------------------------------------------------------


def _check_when(at: KeyPath, when: Any) -> Mistakes:
    conditions = [when] if isinstance(when, dict) else when
    if not isinstance(conditions, list) or not conditions:
        yield at, "when is {column: name, in: [values]}, or a list of such conditions"
        return
    for condition in conditions:
        if not isinstance(condition, dict) or not isinstance(condition.get("column"), str):
            yield at, f"a condition names {_COLUMN}"
            continue
        tests = set(condition) - {"column"}
        if len(tests) != 1 or not tests <= {"in", "not_in", "present"}:
            yield at, "a condition has one of in, not_in, present"
        elif "present" in tests:
            if not isinstance(condition["present"], bool):
                yield at, "present is true or false"
        elif not isinstance(condition[tests.pop()], list):
            yield at, "in and not_in are lists of what the file says"


def _check_identifier(at: KeyPath, rule: Any) -> Mistakes:
    if not isinstance(rule, dict):
        yield at, "an identifier is a mapping with type and column"
        return
    yield from _unknown(at, rule, _IDENTIFIER)
    yield from _check_types(at, rule)
    for name in ("column", "value_column"):
        if name in rule:
            yield from _check_columns((*at, name), rule[name])
    for name in ("split", "namespace", "kind"):
        if name in rule:
            yield from _check_text((*at, name), rule[name])
    if "region" in rule:
        yield from _check_region((*at, "region"), rule["region"])
    if "when" in rule:
        yield from _check_when((*at, "when"), rule["when"])
    sections = rule.get("of", [])
    for section in [sections] if isinstance(sections, str) else sections:
        if section not in SECTIONS:
            yield (*at, "of"), f"of names sections: {', '.join(SECTIONS)}"


def _check_types(at: KeyPath, rule: dict[str, Any]) -> Mistakes:
    types: list[Any] = []
    if "type_column" in rule:
        if not isinstance(rule.get("types"), dict) or "value_column" not in rule:
            yield at, "type_column needs value_column and types"
            return
        yield from _check_text((*at, "type_column"), rule["type_column"], _COLUMN)
        types = list(rule["types"].values())
    elif "type" in rule and "column" in rule:
        types = [rule["type"]]
    else:
        yield at, "an identifier needs type and column, or type_column, value_column and types"
    for kind in types:
        if kind not in IDENTIFIER_TYPES:
            near = get_close_matches(str(kind), IDENTIFIER_TYPES, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield (*at, "type"), f"unknown identifier type {kind!r}{hint}; known: {', '.join(IDENTIFIER_TYPES)}"


def _check_region(at: KeyPath, region: Any) -> Mistakes:
    if isinstance(region, dict):
        yield from _unknown(at, region, ("column", "values", "default"))
        yield from _check_text((*at, "column"), region.get("column"), _COLUMN)
        words = list((region.get("values") or {}).values()) if isinstance(region.get("values", {}), dict) else [None]
        words += [region["default"]] if "default" in region else []
    else:
        words = [region]
    if not all(isinstance(word, str) and re.fullmatch("[A-Z]{2}", word) for word in words):
        yield at, "a region is two capital letters (ISO 3166-1), such as FR"


# Shared -----------------------------------------------------------------------------------------------


def _check_columns(at: KeyPath, value: Any) -> Mistakes:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        yield at, f"names {_COLUMN}; or a list of them"


def _check_text(at: KeyPath, value: Any, what: str = "a text") -> Mistakes:
    if not isinstance(value, str) or not value:
        yield at, f"{at[-1]} is {what}"


def _unknown(at: KeyPath, given: dict[str, Any], allowed: Collection[str]) -> Mistakes:
    for key in given:
        if key not in allowed:
            near = get_close_matches(str(key), list(allowed), 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(allowed)}"
            yield (*at, key), f"unknown key {key!r}{hint}"
