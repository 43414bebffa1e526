"""`sources.yml`: every source of contacts, and how its files are to be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo


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
    location: str  # glob below the landing root; for folder connectors, of the folders
    timezone: ZoneInfo  # zone of stamps that carry none
    encoding: str = "auto"  # a codec name, or auto: BOM, strict UTF-8, GB18030, Latin-1
    date_order: str = "ymd"  # ymd | dmy | mdy, for stamps that leave it open
    phone_region: str | None = None  # ISO 3166-1 alpha-2, how local numbers are dialled
    schedule: str | None = None  # cron of ingest_<name>
    retention_days: int = 730
    expectations: str | None = None  # suite below expectations/raw/, without .yml
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


def load_sources(path: Path) -> SourcesConfig:
    """Read and check `path`. Raises SourcesError with the line of the first mistake."""
    raise NotImplementedError
