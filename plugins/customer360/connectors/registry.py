"""Connectors by name. Importing this module imports no connector."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from customer360.connectors.base import Connector

MODULES = {
    "access_log": "access_log",
    "ad_spend": "ad_spend",
    "asterisk_cdr": "asterisk",
    "hubspot": "hubspot",
    "mail": "mail",
    "mapped": "mapped",
    "salesforce": "salesforce",
    "segment": "segment",
    "sms_backup": "sms_backup",
    "snowplow": "snowplow",
    "twilio": "twilio",
}
_REGISTRY: dict[str, type[Connector]] = {}


def register(connector: type[Connector]) -> type[Connector]:
    """Class decorator: make the connector known by its `name`."""
    _REGISTRY[connector.name] = connector
    return connector


def names() -> tuple[str, ...]:
    """Names allowed as `connector:` in sources.yml."""
    return tuple(sorted({*MODULES, *_REGISTRY}))


def get(name: str) -> Connector:
    """The connector called `name`; its module is imported on first use. KeyError if unknown."""
    if name not in _REGISTRY:
        importlib.import_module(f"customer360.connectors.{MODULES[name]}")
    return _REGISTRY[name]()
