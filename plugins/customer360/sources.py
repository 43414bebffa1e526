"""`sources.yml`: every source of contacts, and how its files are to be read."""

from __future__ import annotations

import codecs
import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from customer360 import yaml_lines
from customer360.yaml_lines import Document, KeyPath, YamlError

VERSION = 1
DATE_ORDERS = ("ymd", "dmy", "mdy")
ON_FAILURE = ("reject", "stop")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_CRON_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Lowest and highest value of each field, and the names that stand for values from the lowest on.
_CRON: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class OwnIdentities:
    """The company's own addresses: never a customer's. Values are normalised."""

    domains: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    phone_prefixes: tuple[str, ...] = ()  # E.164 prefixes of own number blocks

    def owns_email(self, value: str) -> bool:
        return value in self.emails or value.rpartition("@")[2] in self.domains

    def owns_phone(self, value: str) -> bool:
        return value in self.phones or (bool(self.phone_prefixes) and value.startswith(self.phone_prefixes))


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of `sources:`; every field is checked when the file is read."""

    name: str
    connector: str
    location: str  # glob below the landing root; a matched folder is one delivery of its new members
    timezone: ZoneInfo  # zone of stamps that carry none
    encoding: str = "auto"  # a codec name, or auto: BOM, strict UTF-8, GB18030, Latin-1
    date_order: str = "ymd"  # ymd | dmy | mdy, for stamps that leave it open
    phone_region: str | None = None  # ISO 3166-1 alpha-2, how local numbers are dialled
    schedule: str | None = None  # cron of ingest_<name>, in the company's time zone
    retention_days: int = 730
    expectations: str | None = None  # suite below expectations/, without .yml: raw/interactions
    on_failure: str = "reject"  # what a failed raw gate does: reject the file | stop the night
    system: str | None = None  # namespace of account_ref values; the connector's by default
    currency: str | None = None  # ISO 4217 of amounts that carry none
    options: dict[str, Any] = field(default_factory=dict)
    mapping: dict[str, Any] = field(default_factory=dict)  # connector `mapped` only


@dataclass(frozen=True, slots=True)
class SourcesConfig:
    """The whole file. `timezone` is the company's: nights are cut by it."""

    path: Path
    timezone: ZoneInfo
    own: OwnIdentities
    sources: dict[str, Source]
    currency: str | None = None


class SourcesError(Exception):
    """Invalid sources.yml; the text is `<path>:<line>: what is wrong, and what is allowed`."""


_SOURCE_KEYS = tuple(each.name for each in fields(Source) if each.name != "name")
_DEFAULT_KEYS = tuple(key for key in _SOURCE_KEYS if key not in {"connector", "location", "mapping", "options"})
_COMPANY_KEYS = ("timezone", "currency", "own_identities", "phone_region")
_OWN_KEYS = {
    "domains": "a domain",
    "emails": "an address",
    "phones": "a telephone number",
    "phone_prefixes": "an international prefix such as +493023125",
    "agents": "an address or a telephone number",
}


def load_sources(path: Path, check_connectors: bool = True, read_own: bool = True) -> SourcesConfig:
    """Read and check `path`. Raises SourcesError with the line of the first mistake.

    With `check_connectors` False, connector-specific options and mappings are left unread, with `read_own` False the
    company's own identities: what reads them takes a second to import, which is long for DAG files and where a night
    only asks for the company's time zone.
    """
    try:
        document = yaml_lines.read(path)
    except YamlError as error:
        raise SourcesError(str(error)) from None
    return _Reader(document, check_connectors, read_own).config()


class _Reader:
    """Checks one document, top down; the first mistake raises."""

    def __init__(self, document: Document, check_connectors: bool, read_own: bool) -> None:
        self.document = document
        self.check_connectors = check_connectors
        self.read_own = read_own

    def config(self) -> SourcesConfig:
        top = self.mapping((), ("version", "company", "defaults", "sources"))
        if top.get("version") != VERSION:
            raise self.error(("version",), f"version must be {VERSION}")
        company = self.mapping(("company",), _COMPANY_KEYS)
        region = self.region(("company", "phone_region"), company.get("phone_region"))
        defaults = self.mapping(("defaults",), _DEFAULT_KEYS) if "defaults" in top else {}
        if not isinstance(top.get("sources"), dict) or not top["sources"]:
            raise self.error(("sources",), "sources must name at least one source")
        return SourcesConfig(
            path=self.document.path,
            timezone=self.zone(("company", "timezone"), company.get("timezone")),
            own=self.own(company.get("own_identities"), region),
            sources={name: self.source(name, defaults, company, region) for name in top["sources"]},
            currency=self.currency(("company", "currency"), company.get("currency")),
        )

    def source(self, name: str, defaults: Mapping[str, Any], company: Mapping[str, Any], region: str | None) -> Source:
        at: KeyPath = ("sources", name)
        if not _NAME.fullmatch(name):
            raise self.error(at, f"source name {name!r} must be snake_case: a-z, 0-9 and _")
        given = self.mapping(at, _SOURCE_KEYS)
        for required in ("connector", "location"):
            if not isinstance(given.get(required), str) or not given[required]:
                raise self.error(at, f"source {name} lacks {required}")
        merged = {"phone_region": region, "currency": company.get("currency"), **defaults, **given}
        if merged.get("timezone") is None:
            raise self.error(at, f"source {name} lacks timezone, and defaults has none")
        checked = {
            key: getattr(self, _CHECKS[key])(self.place(at, key), value) if key in _CHECKS else value
            for key, value in merged.items()
        }
        source = Source(name=name, **checked)
        self.connector(at, source)
        return source

    def place(self, at: KeyPath, key: str) -> KeyPath:
        """Where a value was written: in the source, in defaults, or in company."""
        for candidate in ((*at, key), ("defaults", key), ("company", key)):
            if candidate in self.document.lines:
                return candidate
        return at

    def connector(self, at: KeyPath, source: Source) -> None:
        from customer360.connectors import registry

        if source.connector not in registry.names():
            raise self.choice((*at, "connector"), "connector", source.connector, registry.names())
        if source.mapping and source.connector != "mapped":
            raise self.error((*at, "mapping"), "mapping belongs to connector mapped only")
        if source.connector == "mapped" and not source.mapping:
            raise self.error(at, "connector mapped needs a mapping")
        if not self.check_connectors:
            return
        connector = registry.get(source.connector)
        for option in source.options:
            if option not in connector.options:
                raise self.choice((*at, "options", option), "option", option, connector.options)
        check_mapping = getattr(connector, "check_mapping", None)
        if check_mapping is not None:
            for key, message in check_mapping(source.mapping):
                raise self.error((*at, "mapping", *key), message)

    # Values ---------------------------------------------------------------------------------------

    def zone(self, at: KeyPath, value: Any) -> ZoneInfo:
        if not isinstance(value, str):
            raise self.error(at, "timezone is missing; give an IANA name such as Europe/Berlin")
        if value not in _zones():
            raise self.choice(at, "time zone", value, _zones())
        return ZoneInfo(value)

    def encoding(self, at: KeyPath, value: Any) -> str:
        if value == "auto":
            return "auto"
        try:
            b" ".decode(str(value))  # refuses what is no text encoding, too (base64)
            return codecs.lookup(str(value)).name
        except (LookupError, UnicodeError, ValueError):
            raise self.error(at, f"encoding {value!r} is not a text codec; auto, utf-8, cp1252, gb18030, …") from None

    def location(self, at: KeyPath, value: Any) -> str:
        text = self.text(at, value)
        if text is None or "://" in text or text.startswith("/") or ".." in text.split("/"):
            raise self.error(
                at, f"location {value!r} must be a path or glob below the landing root, such as phone/*.csv"
            )
        return text

    def date_order(self, at: KeyPath, value: Any) -> str:
        return self.one_of(at, "date_order", value, DATE_ORDERS)

    def failure(self, at: KeyPath, value: Any) -> str:
        return self.one_of(at, "on_failure", value, ON_FAILURE)

    def region(self, at: KeyPath, value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{2}", value):
            raise self.error(at, f"phone_region {value!r} must be two capital letters (ISO 3166-1), such as DE or 'NO'")
        return value

    def currency(self, at: KeyPath, value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{3}", value):
            raise self.error(at, f"currency {value!r} must be three capital letters (ISO 4217), such as EUR")
        return value

    def schedule(self, at: KeyPath, value: Any) -> str | None:
        if value is None:
            return None
        parts = str(value).split()
        if len(parts) != len(_CRON):
            raise self.error(at, f"schedule {value!r} is not a cron expression of five fields, such as 30 1 * * *")
        for part, (name, low, high, names) in zip(parts, _CRON, strict=True):
            if not all(_cron_part_ok(each, low, high, names) for each in part.split(",")):
                raise self.error(at, f"schedule {value!r}: {part!r} is no {name} ({low}-{high})")
        return " ".join(parts)

    def days(self, at: KeyPath, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.error(at, f"retention_days must be a whole number of days, at least 1, not {value!r}")
        return value

    def text(self, at: KeyPath, value: Any) -> str | None:
        if value is not None and (not isinstance(value, str) or not value):
            raise self.error(at, f"{at[-1]} must be a text")
        return value

    def dictionary(self, at: KeyPath, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(at, f"{at[-1]} must be a mapping")
        return value

    # The company's own ----------------------------------------------------------------------------

    def own(self, name: Any, region: str | None) -> OwnIdentities:
        if name is None or not self.read_own:
            return OwnIdentities()
        path = self.document.path.parent / str(name)
        if not path.is_file():
            raise self.error(("company", "own_identities"), f"own_identities names {name}, which is not there")
        try:
            return load_own_identities(path, region)
        except YamlError as error:
            raise SourcesError(str(error)) from None

    # Errors ---------------------------------------------------------------------------------------

    def mapping(self, at: KeyPath, allowed: Collection[str]) -> dict[str, Any]:
        value: Any = self.document.data
        for key in at:
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, dict):
            raise self.error(at, f"{'.'.join(map(str, at)) or 'the file'} must be a mapping")
        for key in value:
            if key not in allowed:
                raise self.choice((*at, key), "key", key, allowed)
        return value

    def one_of(self, at: KeyPath, what: str, value: Any, allowed: Collection[str]) -> str:
        if value not in allowed:
            raise self.choice(at, what, value, allowed)
        return str(value)

    def choice(self, at: KeyPath, what: str, value: Any, allowed: Collection[str]) -> SourcesError:
        near = difflib.get_close_matches(str(value), list(allowed), 1)
        known = f"; known: {', '.join(sorted(allowed))}" if len(allowed) <= 40 else ""
        hint = f"; did you mean {near[0]}?" if near else ""
        return self.error(at, f"unknown {what} {value!r}{hint}{known}")

    def error(self, at: KeyPath, message: str) -> SourcesError:
        return SourcesError(f"{self.document.where(at)}: {message}")


_CHECKS = {
    "timezone": "zone",
    "encoding": "encoding",
    "date_order": "date_order",
    "on_failure": "failure",
    "phone_region": "region",
    "currency": "currency",
    "schedule": "schedule",
    "retention_days": "days",
    "connector": "text",
    "location": "location",
    "expectations": "text",
    "system": "text",
    "options": "dictionary",
    "mapping": "dictionary",
}


def _cron_part_ok(part: str, low: int, high: int, names: Collection[str]) -> bool:
    """One element of a cron field's list: `*`, a value, a range, each with an optional step."""
    match = _CRON_PART.fullmatch(part)
    if match is None or (match["step"] is not None and not 1 <= int(match["step"]) <= high):
        return False
    if match["first"] is None:
        return True
    named = {name: index for index, name in enumerate(names, low)}
    ends = [named.get(text.lower(), text) for text in (match["first"], match["last"] or match["first"])]
    if not all(str(end).isdecimal() for end in ends):
        return False
    first, last = (int(end) for end in ends)
    return low <= first <= last <= high


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def load_own_identities(path: Path, region: str | None) -> OwnIdentities:
    """Read the company's own domains, mailboxes, numbers and agents' addresses, normalised.

    Raises YamlError with the line of a wrong key or of a value that is no address, number or domain.
    """
    document = yaml_lines.read(path)
    if not isinstance(document.data, dict):
        raise YamlError(f"{path}:1: must be a mapping of {', '.join(_OWN_KEYS)}")
    found: dict[str, set[str]] = {"domains": set(), "emails": set(), "phones": set(), "phone_prefixes": set()}
    for key, values in document.data.items():
        if key not in _OWN_KEYS:
            raise YamlError(f"{document.where((key,))}: unknown key {key!r}; known: {', '.join(_OWN_KEYS)}")
        if values is not None and not isinstance(values, list):
            raise YamlError(f"{document.where((key,))}: {key} must be a list")
        for index, value in enumerate(values or ()):
            where = document.where((key, index))
            if not isinstance(value, str):
                raise YamlError(f"{where}: must be a text; put numbers in quotes")
            kind, normalised = _own_value(key, value, region)
            if normalised is None:
                raise YamlError(f"{where}: not {_OWN_KEYS[key]}")
            found[kind].add(normalised)
    return OwnIdentities(
        domains=frozenset(found["domains"]),
        emails=frozenset(found["emails"]),
        phones=frozenset(found["phones"]),
        phone_prefixes=tuple(sorted(found["phone_prefixes"])),
    )


def _own_value(key: str, value: str, region: str | None) -> tuple[str, str | None]:
    """Which set an entry of the list `key` belongs to, and its normalised value; None if it is none."""
    from customer360 import normalise

    if key == "domains":
        address = normalise.email(f"postmaster@{value.strip().removeprefix('@')}")
        return key, address.value.rpartition("@")[2] if address.value and address.is_valid else None
    if key == "phone_prefixes":
        digits = re.sub(r"[\s()./-]", "", value)
        return key, digits if re.fullmatch(r"\+[1-9]\d*", digits) else None
    if "@" in value and key != "phones":
        address = normalise.email(value)
        return "emails", address.value if address.is_valid else None
    number = normalise.phone(value, region)
    # An extension, or a number newer than the numbering plan we know, is one too; a name is not.
    is_number = re.fullmatch(r"\+?\d+", number.value or "") and number.kind in {"ok", "short_code", "invalid"}
    return "phones", number.value if key != "emails" and is_number else None
