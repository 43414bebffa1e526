"""Identifier values: what becomes of a number or an address, held against the reference libraries."""

from __future__ import annotations

import random

import phonenumbers
import pyarrow as pa
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from customer360 import normalise
from customer360.normalise import Normalised, email, email_column, emails, phone, phone_column, phones

REGIONS = (None, "DE", "GB", "US", "CN", "RU", "FR", "BR", "IN", "IT", "JP", "AU")


@pytest.mark.parametrize(
    ("raw", "region", "expected"),
    [
        ("+49 30 23125 123", None, "+493023125123"),
        ("030/23125-123", "DE", "+493023125123"),
        ("(030) 23125 123 ext 5", "DE", "+493023125123"),
        ("004930 23125123", None, "+493023125123"),
        ("4915228817386", "DE", "+4915228817386"),
        ("4915228817386", None, "+4915228817386"),
        ("(0152) 28817386", "DE", "+4915228817386"),
        ("020 7946 0123", "GB", "+442079460123"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("12025550123", "DE", "+12025550123"),
        ("sip:+12025550123@pbx.example.com;user=phone", "US", "+12025550123"),
        ("tel:+1-202-555-0123;ext=44", None, "+12025550123"),
        ("whatsapp:+12025550123", None, "+12025550123"),
        ("\u202a+12025550123\u202c", None, "+12025550123"),
        ("＋１ ２０２ ５５５ ０１２３", None, "+12025550123"),
        ("٠٢٠٧٩٤٦٠١٢٣", "GB", "+442079460123"),
        ("2025550123.0", "US", "+12025550123"),
    ],
)
def test_numbers_that_link(raw: str, region: str | None, expected: str) -> None:
    assert phone(raw, region) == Normalised(expected, True, "ok")


@pytest.mark.parametrize(
    ("raw", "region", "value", "kind"),
    [
        (None, "US", None, "withheld"),
        (" ", "US", None, "withheld"),
        ("anonymous@anonymous.invalid", "US", None, "withheld"),
        ("Anonymous", "US", None, "withheld"),
        ("+266696687", "US", None, "withheld"),
        ("-2", "US", None, "withheld"),
        ("Private Number", "US", None, "withheld"),
        ("10086", "CN", "10086", "short_code"),
        ("95588123", "CN", "95588123", "short_code"),
        ("106575551234", "CN", "106575551234", "short_code"),
        ("211", None, "211", "short_code"),
        ("ALERTS", "US", "alerts", "alpha_sender"),
        ("1-800-FLOWERS", "US", "1-800-flowers", "alpha_sender"),
        ("5555555555", "US", "5555555555", "placeholder"),
        ("1234567890", "US", "1234567890", "placeholder"),
        ("0000000000", "US", "0000000000", "placeholder"),
        ("1.38001E+10", "CN", "1.38001e+10", "invalid"),
        ("2025550123", None, "2025550123", "invalid"),
        ("+49123", "DE", "+49123", "invalid"),
    ],
)
def test_numbers_that_never_link(raw: str | None, region: str | None, value: str | None, kind: str) -> None:
    assert phone(raw, region) == Normalised(value, False, kind)


def _numbers(count: int) -> list[tuple[str, str | None]]:
    """Example numbers of all regions, mutated and written in many ways. Seeded."""
    rng = random.Random(7)
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)
    kinds = [phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]
    forms = [
        phonenumbers.PhoneNumberFormat.E164,
        phonenumbers.PhoneNumberFormat.NATIONAL,
        phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    ]
    made: list[tuple[str, str | None]] = []
    while len(made) < count:
        home = rng.choice(regions)
        number = phonenumbers.example_number_for_type(home, rng.choice(kinds))
        if number is None:
            continue
        number.national_number = int(str(number.national_number)[:-3] + f"{rng.randrange(1000):03d}")
        text = phonenumbers.format_number(number, rng.choice(forms))
        change = rng.randrange(6)
        if change == 0:
            text = text.lstrip("+")
        elif change == 1:
            text = text[: -rng.randint(1, 4)]
        elif change == 2:
            text += str(rng.randrange(1000))
        elif change == 3:
            text = "00" + text.lstrip("+")
        made.append((text, home if rng.random() < 0.7 else rng.choice(REGIONS)))
    return made


def test_no_difference_from_the_reference_library(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = _numbers(4000)
    ours = [phone.__wrapped__(text, region) for text, region in numbers]
    monkeypatch.setattr(normalise, "rphonenumbers", phonenumbers)
    reference = [phone.__wrapped__(text, region) for text, region in numbers]
    assert [pair for pair in zip(numbers, ours, reference, strict=True) if pair[1] != pair[2]] == []
    assert sum(result.is_valid for result in ours) > 2000


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=25), st.sampled_from(REGIONS))
def test_any_text_gives_an_answer_that_stays(raw: str, region: str | None) -> None:
    first = phone(raw, region)
    assert first.is_valid == (first.kind == "ok")
    assert (first.value is None) == (first.kind == "withheld")
    if first.is_valid:
        assert first.value is not None
        assert first.value.isascii()
        assert phone(first.value, None) == first


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("A.B@Example.COM", "a.b@example.com"),
        (" <a@example.com>; ", "a@example.com"),
        ("mailto:x@example.test", "x@example.test"),
        ("x@bücher.example", "x@xn--bcher-kva.example"),
        ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
        ("o'brien+tag@example.com", "o'brien+tag@example.com"),
        ("\u200ba@example.com", "a@example.com"),
    ],
)
def test_addresses_that_link(raw: str, expected: str) -> None:
    assert email(raw) == Normalised(expected, True, "ok")


@pytest.mark.parametrize(
    "raw", ["a@b", "a..b@example.com", "a@-b.example", "a@b.local", ".a@example.com", "x y@example.com"]
)
def test_addresses_that_never_link(raw: str) -> None:
    assert email(raw) == Normalised(raw.lower(), False, "invalid")


@pytest.mark.parametrize("raw", [None, "", " ", "NULL", "n/a", "-"])
def test_no_address(raw: str | None) -> None:
    assert email(raw) == Normalised(None, False, "withheld")


_PART = st.text(alphabet="abzAZ019._%+-", min_size=1, max_size=12)
_TOP = st.sampled_from(["com", "de", "c", "local", "invalid", "test", "museum", "1a", "xn--p1ai", "co.uk"])


@settings(max_examples=1500, deadline=None)
@given(_PART, _PART, _TOP)
def test_short_way_for_plain_addresses_agrees_with_the_validator(local: str, domain: str, top: str) -> None:
    address = f"{local}@{domain}.{top}"
    try:
        parts = validate_email(address, check_deliverability=False, test_environment=True)
        expected = Normalised(f"{parts.local_part}@{parts.ascii_domain}".lower(), True, "ok")
    except EmailNotValidError:
        expected = Normalised(address.lower(), False, "invalid")
    assert email(address) == expected


def test_columns_are_the_single_function_at_every_place() -> None:
    raw = ["+12025550123", None, "anonymous", "(202) 555-0123", "211"] * 3
    single = [phone(value, "US") for value in raw]
    assert phones(raw, "US") == single
    column = phone_column(pa.chunked_array([raw[:4], raw[4:]]), "US")
    assert [Normalised(*row) for row in zip(*(field.to_pylist() for field in column), strict=True)] == single
    mails = ["A@example.com", None, "a@b", "a@example.com"]
    assert emails(iter(mails)) == [email(value) for value in mails]
    assert email_column(pa.array(mails)).value.to_pylist() == ["a@example.com", None, "a@b", "a@example.com"]
    assert len(phone_column(pa.array([], pa.string()), "US").value) == 0


def test_what_is_forgotten_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalise, "_REMEMBERED", 3)
    values = ["202555010" + str(digit) for digit in range(10)]
    for start in (0, 2, 7, 0):
        raw = [*values[start : start + 3], None, values[start]]
        expected = [phone(value, "US").value for value in raw]
        assert phone_column(pa.array(raw, pa.string()), "US").value.to_pylist() == expected
        assert phone_column(pa.array(raw, pa.string()), "DE").value.to_pylist() == [phone(v, "DE").value for v in raw]
