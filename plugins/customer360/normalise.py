"""Identifier values, normalised once at ingest: phone to E.164, address lower-cased with IDNA domain.

Callers pass whole columns; each distinct value is worked on once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import rphonenumbers
from email_validator import EmailNotValidError, validate_email


class Normalised(NamedTuple):
    """`value` is None when nothing usable was given (withheld, empty).

    `is_valid` False: kept as an identifier, never used to link. `kind` says why, or 'ok':
    withheld | short_code | alpha_sender | invalid | placeholder | ok.
    """

    value: str | None
    is_valid: bool
    kind: str


_NOTHING = Normalised(None, False, "withheld")
_WITHHELD = frozenset(
    "anonymous restricted unknown unavailable private withheld blocked null none nan n/a na - 0 "
    "+266696687 266696687 +7378742833 +2562533 +8656696 +86282452253".split()
)
_PHONE_JUNK = re.compile(r"^(?:tel:|sips?:)", re.IGNORECASE)


@lru_cache(maxsize=262_144)
def phone(raw: str | None, region: str | None) -> Normalised:
    """One number as written → E.164 (ITU-T E.164), read as dialled in `region` (ISO 3166-1 alpha-2).

    Short codes and service numbers (at most 6 digits; 95… and 106… in CN) come back with their
    digits and kind 'short_code'; sender names with kind 'alpha_sender'.
    """
    text = unicodedata.normalize("NFKC", raw or "").strip().strip("'\"")
    text = _PHONE_JUNK.sub("", text).split("@", 1)[0].split(";", 1)[0].strip()
    if not text or text.lower() in _WITHHELD:
        return _NOTHING
    digits = re.sub(r"\D", "", text)
    if not digits:
        return Normalised(text.lower(), False, "alpha_sender")
    if re.search(r"[A-Za-z]", text) and not re.search(r"^\+?[\d\s().-]+(?:x|ext\.?)\s*\d+$", text, re.I):
        return Normalised(text.lower(), False, "alpha_sender")
    if len(set(digits.lstrip("0"))) <= 1:
        return Normalised(digits, False, "placeholder")
    if not text.startswith("+") and (
        len(digits) <= 6 or (region == "CN" and re.match(r"95\d{3,}|106\d+|10\d{3}$", digits))
    ):
        return Normalised(digits, False, "short_code")
    for candidate in (text, None if text.startswith("+") else "+" + digits):
        if candidate is None:
            continue
        try:
            parsed = rphonenumbers.parse(candidate, region)
        except rphonenumbers.NumberParseException:
            continue
        if rphonenumbers.is_valid_number(parsed):
            value = rphonenumbers.format_number(parsed, rphonenumbers.PhoneNumberFormat.E164)
            return Normalised(value, True, "ok")
    return Normalised(("+" if text.startswith("+") else "") + digits, False, "invalid")


@lru_cache(maxsize=262_144)
def email(raw: str | None) -> Normalised:
    """One address as written → lower-case local part @ IDNA (ASCII) domain, lower-cased."""
    text = unicodedata.normalize("NFKC", raw or "").strip().strip("<>'\"").removeprefix("mailto:").strip()
    if not text or text.lower() in {"null", "none", "nan", "n/a", "-"}:
        return _NOTHING
    try:
        parts = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return Normalised(text.lower(), False, "invalid")
    return Normalised(f"{parts.local_part.lower()}@{parts.ascii_domain.lower()}", True, "ok")


def phones(raw: Iterable[str | None], region: str | None) -> list[Normalised]:
    """`phone` over a column, once per distinct value."""
    return _distinct(raw, lambda value: phone(value, region))


def emails(raw: Iterable[str | None]) -> list[Normalised]:
    """`email` over a column, once per distinct value."""
    return _distinct(raw, email)


def _distinct(raw: Iterable[str | None], function) -> list[Normalised]:  # type: ignore[no-untyped-def]
    values: Sequence[str | None] = raw if isinstance(raw, Sequence) else list(raw)
    known = {value: function(value) for value in set(values)}
    return [known[value] for value in values]
