"""Text messages: pages of Twilio's Messages API, and the backup of a telephone."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import format_datetime
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from customer360.demo.formats.desk import OWN_CLOUD_NUMBER, Desk, berlin
from customer360.demo.formats.phone import pages
from customer360.demo.people import Person
from customer360.demo.story import Event

_SENT, _RECEIVED, _DRAFT = "2", "1", "3"
_EMOJI: Final = "&#55357;&#56842;"  # as the app writes U+1F60A: two references to surrogates


def twilio_messages(desk: Desk, events: Iterable[Event]) -> list[bytes]:
    """Pages of the Messages API."""
    messages = [_message(desk, event) for event in events if event.kind in {"sms_in", "sms_out", "stop", "spam_sms"}]
    return pages(desk, "messages", "twilio_messages", messages)


def _message(desk: Desk, event: Event) -> dict[str, Any]:
    sid = desk.sid("SM")
    inbound = event.kind != "sms_out"
    other, more = _other_side(desk, event)
    ends = (other, OWN_CLOUD_NUMBER) if inbound else (OWN_CLOUD_NUMBER, other)
    body = {"stop": "STOP", "sms_out": "Ihre Bestellung ist unterwegs."}.get(event.kind, "Danke!")
    if event.kind == "sms_in" and desk.rng.random() < 0.004:
        body, more = "Danke!\0", (*more, "nul_byte")
    desk.note("twilio_messages", "interaction", sid, event.person, event, *more)
    return {
        "sid": sid,
        "account_sid": "AC" + "0" * 32,
        "messaging_service_sid": None,
        "date_created": format_datetime(event.at),
        "date_sent": format_datetime(event.at),
        "date_updated": format_datetime(event.at),
        "from": ends[0],
        "to": ends[1],
        "body": body,
        "direction": "inbound" if inbound else "outbound-api",
        "status": "received" if inbound else "delivered",
        "num_segments": "1",
        "num_media": "0",
        "price": None if inbound else "-0.07500",
        "price_unit": "EUR",
        "error_code": None,
        "error_message": None,
        "uri": f"/2010-04-01/Accounts/AC{'0' * 32}/Messages/{sid}.json",
    }


def _other_side(desk: Desk, event: Event) -> tuple[str, tuple[str, ...]]:
    if event.person is None:
        return desk.rng.choice(("70999", "PAKETINFO")), ("short_code_or_name",)
    more = ("opt_out",) if event.kind == "stop" else ()
    return event.person.mobile, (*more, *(("recycled_number",) if "recycled_number" in event.person.notes else ()))


def handset(desk: Desk, events: Iterable[Event], people: list[Person]) -> bytes:
    """SMS Backup & Restore XML of the workshop's telephone: emoji as surrogate references, groups, drafts."""
    rows = []
    for event in events:
        if event.kind == "handset" and event.person is not None:
            kind = _RECEIVED if event.data["inbound"] else _SENT
            rows.append(_sms(desk, event, event.person.mobile, kind, event.person))
        elif event.kind == "group_sms":
            several = desk.rng.sample(people, 3)
            rows.append(_sms(desk, event, "~".join(person.mobile for person in several), _SENT, None))
        elif event.kind == "draft_sms":
            rows.append(_sms(desk, event, desk.rng.choice(people).mobile, _DRAFT, None))
    if not rows:
        return b""
    head = "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n"
    return (
        head + f'<smses count="{len(rows)}" backup_set="demo" type="full">\n' + "\n".join(rows) + "\n</smses>\n"
    ).encode()


def record_id(stamp: int, kind: str, address: str) -> str:
    """What identifies a message in a backup, which has no ids: its instant, its direction and its other side."""
    return f"{stamp}:{kind}:{'~'.join(sorted(address.split('~')))}"


def _sms(desk: Desk, event: Event, address: str, kind: str, person: Person | None) -> str:
    stamp = int(event.at.timestamp() * 1000)
    more = {"group_sms": ("group_message",)}.get(event.kind, ())
    if kind != _DRAFT:  # a draft was never sent: it is refused, and nobody's
        desk.note("sms_phone", "interaction", record_id(stamp, kind, address), person, event, *more)
    body = quoteattr("Alles klar, danke SMILE").replace("SMILE", _EMOJI)
    name = quoteattr(person.name if person else "(Unknown)")
    return (
        f'  <sms protocol="0" address={quoteattr(address)} date="{stamp}" type="{kind}" subject="null" body={body}'
        f' toa="null" sc_toa="null" service_center="null" read="1" status="-1" locked="0" date_sent="0" sub_id="-1"'
        f' readable_date="{berlin(event.at, "%d.%m.%Y %H:%M:%S")}" contact_name={name} />'
    )
