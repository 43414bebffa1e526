"""Traits of Segment's identify and group messages → columns of `contact_record`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

from customer360.connectors.stamps import parse_stamps
from customer360.connectors.text import fold

if TYPE_CHECKING:
    from customer360.sources import Source

Object = dict[str, Any]

# Contract column → folded names of the trait, the documented one first.
_TRAITS: Final = {
    "given_name": ("firstname", "givenname"),
    "family_name": ("lastname", "familyname", "surname"),
    "full_name": ("name", "fullname"),
    "job_title": ("title", "jobtitle", "position"),
}
_ADDRESS: Final = {
    "address_line": ("street", "addressline", "line1"),
    "city": ("city",),
    "postal_code": ("postalcode", "zip", "zipcode"),
    "region": ("state", "region"),
    "country": ("country",),
}
_WITH_COLUMN: Final = frozenset(name for names in (*_TRAITS.values(), *_ADDRESS.values()) for name in names) | {
    "email",
    "phone",
    "company",
    "address",
}


def merged(remembered: pa.Array, stated: pa.Array) -> list[Object]:
    """Objects from two columns of JSON texts; what the message states goes before what its sender remembers."""
    pairs = zip(remembered.to_pylist(), stated.to_pylist(), strict=True)
    return [_object(remembers) | _object(states) for remembers, states in pairs]


def contact_columns(traits: Sequence[Object], groups: Sequence[bool], source: Source) -> dict[str, pa.Array]:
    """Columns of one contact record per element of `traits`, and `company_id`; where `groups`, the traits tell
    of an organisation.

    `created_at` and `birth_date` are null where they are not given or cannot be read; as every trait without
    a column of its own they stand in `attributes` as well.
    """
    folded = [{fold(name): value for name, value in each.items()} for each in traits]
    places = [each | _address(each.get("address")) for each in folded]
    columns = {name: [_first(each, names) for each in folded] for name, names in _TRAITS.items()}
    columns |= {name: [_first(each, names) for each in places] for name, names in _ADDRESS.items()}
    columns["organisation"] = [_company(each, "name") for each in folded]
    columns["company_id"] = [_company(each, "id") for each in folded]
    columns["attributes"] = [_attributes(each) for each in traits]
    for place, is_group in enumerate(groups):
        if is_group:
            columns["organisation"][place], columns["full_name"][place] = columns["full_name"][place], None
    born = parse_stamps([_day(_first(each, ("birthday", "birthdate"))) for each in folded], source)
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return arrays | {
        "birth_date": born.instant.cast(pa.timestamp("us")).cast(pa.date32(), safe=False),
        "created_at": parse_stamps([_first(each, ("createdat",)) for each in folded], source).instant,
    }


def _object(json: str | None) -> Object:
    value = msgspec.json.decode(json) if json and json.startswith("{") else None
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """A scalar as text, trimmed; None for nothing, objects and lists."""
    if value is None or isinstance(value, dict | list):
        return None
    return str(value).strip() or None


def _first(values: Object, names: Sequence[str]) -> str | None:
    return next((found for name in names if (found := _text(values.get(name)))), None)


def _address(value: Any) -> Object:
    """An address is told in parts, or in one text."""
    if isinstance(value, dict):
        return {fold(name): part for name, part in value.items()}
    return {"street": value} if isinstance(value, str) else {}


def _company(values: Object, member: str) -> str | None:
    """An organisation is told as an object, or by its name."""
    company = values.get("company")
    if isinstance(company, dict):
        return _text(company.get(member))
    return _text(company) if member == "name" else None


def _day(stamp: str | None) -> str | None:
    """Date of a birthday, which senders write as an instant: no zone may move it."""
    return None if stamp is None else f"{stamp[:10]}T00:00:00Z"


def _attributes(traits: Object) -> str | None:
    rest = {name: value for name, value in traits.items() if fold(name) not in _WITH_COLUMN}
    return msgspec.json.encode(rest, order="sorted").decode() if rest else None
