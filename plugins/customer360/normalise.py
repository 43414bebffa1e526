"""Identifier values, normalised once at ingest: phone to E.164, address lower-cased with IDNA domain.

Callers pass whole columns; each distinct value is worked on once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import rphonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email


class Normalised(NamedTuple):
    """`value` is None when nothing usable was given (withheld, empty).

    `is_valid` False: kept as an identifier, never used to link. `kind` says why, or 'ok':
    withheld | short_code | alpha_sender | invalid | placeholder | ok.
    """

    value: str | None
    is_valid: bool
    kind: str


class NormalisedColumn(NamedTuple):
    """The three fields of `Normalised` as Arrow arrays (string, bool, string) of one length."""

    value: pa.Array
    is_valid: pa.Array
    kind: pa.Array


_NOTHING: Final = Normalised(None, False, "withheld")
# What exchanges, carriers and telephones write for a number they do not know or may not show. The
# long figures are Twilio's ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE as dialled on a
# keypad; -1, -2 and -4 are Android's unknown, private and payphone.
_WITHHELD: Final = frozenset(
    "anonymous anonym restricted unknown unbekannt unterdrückt unavailable private withheld blocked "
    "asterisk null none nan n/a na - -- 0 s -1 -2 -3 -4 "
    "266696687 7378742833 2562533 8656696 86282452253".split()
) | {"unknown caller", "private number", "no caller id", "not available", "id unavailable", "insert-address-token"}
_NO_ADDRESS: Final = frozenset({"null", "none", "nan", "n/a", "na", "-", "--", "unknown", "undefined"})
_LABEL: Final = re.compile(r"^(?:(?:tel|sips?|whatsapp|phone|mobile|mob|cell|fon|telefon):|tel\.)\s*", re.IGNORECASE)
_EXTENSION: Final = re.compile(r"^\+?[\d\s()./-]+(?:x|ext\.?|extension)\s*\d+$", re.IGNORECASE)
_INTERNATIONAL: Final = re.compile(r"^\+[0-9]{7,15}\Z")
_NO_DIGITS: Final = re.compile(r"\D")
_LETTER: Final = re.compile(r"[^\W\d_]")
_EXCEL_FLOAT: Final = re.compile(r"^(\+?\d{6,})\.0+$")
_EXPONENT: Final = re.compile(r"^\d(?:[.,]\d+)?e\+?\d+$", re.IGNORECASE)
_CHINESE_SERVICE: Final = re.compile(r"^(?:95\d{3,}|106\d+)$")
_COUNTING: Final = "01234567890123456789"
_SHORT_CODE_DIGITS: Final = 6
# Fewer digits without '+' are more likely a national number than one with its country code.
_INTERNATIONAL_DIGITS: Final = 11

_PLAIN_ADDRESS: Final = re.compile(
    r"^(?=.{1,64}@)(?=.{1,254}$)[a-z0-9_%+-]+(?:\.[a-z0-9_%+-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9]|-(?!-)){0,61}(?<!-)\.)+(?P<top>[a-z]{2,63})$"
)
_SPECIAL_DOMAINS: Final = frozenset(SPECIAL_USE_DOMAIN_NAMES) - {"test"}


@lru_cache(maxsize=262_144)
def phone(raw: str | None, region: str | None) -> Normalised:
    """One number as written → E.164 (ITU-T E.164), read as dialled in `region` (ISO 3166-1 alpha-2).

    Short codes and service numbers (at most 6 digits; 95… and 106… in CN) come back with their
    digits and kind 'short_code'; sender names with kind 'alpha_sender'. An extension is dropped.
    Without '+' a number is first read as national, then, from 11 digits on, as international;
    the other way round if it starts with the country code of `region`.
    """
    if raw and _INTERNATIONAL.match(raw):  # as most systems write it: nothing to take off
        digits = raw[1:]
        return _NOTHING if digits in _WITHHELD else _classified(raw, digits, region)
    text = _phone_text(raw or "")
    if not text or text.lower().lstrip("+") in _WITHHELD:
        return _NOTHING
    digits = _NO_DIGITS.sub("", text)
    if _EXPONENT.match(text):
        return Normalised(text.lower(), False, "invalid")  # digits lost in a spreadsheet
    if not digits or (_LETTER.search(text) and not _EXTENSION.match(text)):
        return Normalised(text.lower(), False, "alpha_sender")
    return _classified(text, digits, region)


def _classified(text: str, digits: str, region: str | None) -> Normalised:
    """A number as written and its digits → its value, or why it is nobody's."""
    kind = _unlinkable(digits, international=text.startswith("+"), region=region)
    if kind:
        return Normalised(digits, False, kind)
    value = _e164(text, digits, region)
    if value:
        return Normalised(value, True, "ok")
    return Normalised(("+" if text.startswith("+") else "") + digits, False, "invalid")


def _phone_text(raw: str) -> str:
    """`raw` with ASCII digits, without invisible marks, labels, SIP host and parameters."""
    if not raw.isascii():
        folded = unicodedata.normalize("NFKC", raw)
        visible = (char for char in folded if unicodedata.category(char) != "Cf")
        raw = "".join(str(unicodedata.digit(char, char)) for char in visible)
    text = _LABEL.sub("", raw.strip().strip("'\""))
    text = text.split("@", 1)[0].split(";", 1)[0].strip()
    return _EXCEL_FLOAT.sub(r"\1", text)


def _unlinkable(digits: str, *, international: bool, region: str | None) -> str | None:
    """Kind of a number that is nobody's own: repeated or counted digits, short and service codes."""
    core = digits.lstrip("0")
    if core.count(core[:1]) >= len(core) or (len(digits) > _SHORT_CODE_DIGITS and digits in _COUNTING):
        return "placeholder"
    service = region == "CN" and _CHINESE_SERVICE.match(digits)
    if not international and (len(digits) <= _SHORT_CODE_DIGITS or service):
        return "short_code"
    return None


def _e164(text: str, digits: str, region: str | None) -> str | None:
    """The valid number that `text` is, or None."""
    candidates = [text]
    if not text.startswith("+"):
        if digits.startswith("00"):
            candidates.append("+" + digits[2:])
        elif len(digits) >= _INTERNATIONAL_DIGITS:
            # Written with the region's own country code: '49152…' is a mobile in DE, not area code 0491.
            own = digits.startswith(_country_code(region))
            candidates.insert(0 if own else 1, "+" + digits)
    for candidate in candidates:
        try:
            parsed = rphonenumbers.parse(candidate, region)
        except rphonenumbers.NumberParseException:
            continue
        if rphonenumbers.is_valid_number(parsed):
            return str(rphonenumbers.format_number(parsed, rphonenumbers.PhoneNumberFormat.E164))
    return None


@lru_cache(maxsize=512)
def _country_code(region: str | None) -> str:
    """Digits of the region's country code; '+', which starts no digits, for none."""
    return str((region and rphonenumbers.country_code_for_region(region)) or "+")


@lru_cache(maxsize=262_144)
def email(raw: str | None) -> Normalised:
    """One address as written → lower-case local part @ IDNA (ASCII) domain, lower-cased."""
    text = (raw or "").strip()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    text = text.strip("<>'\" \t,;").removeprefix("mailto:").strip()
    lowered = text.lower()
    if not text or lowered in _NO_ADDRESS:
        return _NOTHING
    plain = _PLAIN_ADDRESS.match(lowered)
    if plain and plain["top"] not in _SPECIAL_DOMAINS:
        return Normalised(lowered, True, "ok")
    try:
        parts = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return Normalised(lowered, False, "invalid")
    return Normalised(f"{parts.local_part.lower()}@{parts.ascii_domain.lower()}", True, "ok")


def phones(raw: Iterable[str | None], region: str | None) -> list[Normalised]:
    """`phone` over a column, once per distinct value."""
    return _distinct(raw, lambda value: phone(value, region))


def emails(raw: Iterable[str | None]) -> list[Normalised]:
    """`email` over a column, once per distinct value."""
    return _distinct(raw, email)


def phone_column(raw: pa.Array | pa.ChunkedArray, region: str | None) -> NormalisedColumn:
    """`phone` over an Arrow string column, once per distinct value; nulls are 'withheld'."""
    return _column(raw, f"phone {region}", lambda value: phone(value, region))


def email_column(raw: pa.Array | pa.ChunkedArray) -> NormalisedColumn:
    """`email` over an Arrow string column, once per distinct value; nulls are 'withheld'."""
    return _column(raw, "email", email)


def _distinct(raw: Iterable[str | None], function: Callable[[str | None], Normalised]) -> list[Normalised]:
    values: Sequence[str | None] = raw if isinstance(raw, Sequence) else list(raw)
    known = {value: function(value) for value in set(values)}
    return [known[value] for value in values]


class _Known(NamedTuple):
    """Values seen before and what became of them, as columns: a look-up needs no Python object a row."""

    raw: pa.Array
    result: NormalisedColumn

    def with_values(self, new: pa.Array, function: Callable[[str | None], Normalised]) -> _Known:
        found = [function(value) for value in new.to_pylist()]
        result = NormalisedColumn(
            pa.array([each.value for each in found], pa.string()),
            pa.array([each.is_valid for each in found], pa.bool_()),
            pa.array([each.kind for each in found], pa.string()),
        )
        if len(self.raw) + len(new) > _REMEMBERED:
            return _Known(new, result)
        both = (pa.concat_arrays(pair) for pair in zip(self.result, result, strict=True))
        return _Known(pa.concat_arrays([self.raw, new]), NormalisedColumn(*both))


_REMEMBERED: Final = 262_144
# Not `pa.array`, which imports pandas.
_NONE_KNOWN: Final = _Known(
    pa.nulls(0, pa.string()),
    NormalisedColumn(pa.nulls(0, pa.string()), pa.nulls(0, pa.bool_()), pa.nulls(0, pa.string())),
)
_known: dict[str, _Known] = {}


def _column(
    raw: pa.Array | pa.ChunkedArray, kind: str, function: Callable[[str | None], Normalised]
) -> NormalisedColumn:
    whole = raw.combine_chunks() if isinstance(raw, pa.ChunkedArray) else raw
    known = _known.get(kind, _NONE_KNOWN)
    places = pc.index_in(whole, value_set=known.raw)
    if places.null_count:
        missing = places.is_null()
        unknown = whole.filter(missing)
        new = pc.unique(unknown)
        if len(known.raw) + len(new) > _REMEMBERED:  # what was known is forgotten
            known = _known[kind] = known.with_values(pc.unique(whole), function)
            places = pc.index_in(whole, value_set=known.raw)
        else:
            first = pa.scalar(len(known.raw), pa.int32())
            found = pc.add(pc.index_in(unknown, value_set=new), first)
            known = _known[kind] = known.with_values(new, function)
            places = pc.replace_with_mask(places, missing, found)
    return NormalisedColumn(*(values.take(places) for values in known.result))
