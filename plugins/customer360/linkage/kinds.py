"""Data types of profile columns. Everything that linkage does with a column follows from its type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a column holds."""

    FULL_NAME = "full_name"
    GIVEN_NAME = "given_name"
    FAMILY_NAME = "family_name"
    BIRTH_DATE = "birth_date"
    GENDER = "gender"
    STREET_NUMBER = "street_number"
    ADDRESS_LINE = "address_line"
    LOCALITY = "locality"
    POSTCODE = "postcode"
    REGION = "region"
    OCCUPATION = "occupation"
    ORGANISATION = "organisation"
    EMAIL = "email"
    MAILBOX = "mailbox"  # an address of which only the whole says anything, as of one made from the name
    HANDLE = "handle"  # what somebody calls themselves
    PHONE = "phone"
    NATIONAL_ID = "national_id"
    USER_ID = "user_id"
    ACCOUNT_REF = "account_ref"


class Veto(StrEnum):
    """What makes two profiles two persons' however alike they are otherwise."""

    BIRTH_DATE = "birth_date"  # two well-formed dates that no slip explains
    TWINS = "twins"  # one birth date, family and household, different given names
    GENERATION = "generation"  # junior and senior
    USER_ID = "user_id"
    ACCOUNT_REF = "account_ref"


# Several columns may be of these types; of the others a table has one.
REPEATABLE = frozenset({Kind.ADDRESS_LINE})


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of a table of profiles: `unique_id` names the key, `columns` gives each other column's type;
    `vetoes` are in force where the columns they need are there.

    Raises ValueError where a type that can only be one column's is given to two, or there are no columns.
    """

    unique_id: str
    columns: Mapping[str, Kind]
    vetoes: frozenset[Veto] = frozenset(Veto)

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError("a profile without columns cannot be compared")
        once = [kind for kind in self.columns.values() if kind not in REPEATABLE]
        if len(once) != len(set(once)):
            raise ValueError("two columns of one type, of which a profile has one")

    @property
    def fields(self) -> dict[str, str]:
        """{field: column}: the field is the type's name, with a number from the second column of a type on."""
        found: dict[str, str] = {}
        for column, kind in self.columns.items():
            earlier = sum(kind_of(field) == kind for field in found)
            found[f"{kind}{earlier + 1}" if earlier else kind.value] = column
        return found


def kind_of(field: str) -> str:
    """Name of a field's type, which is the field without its number."""
    return field.rstrip("0123456789")
