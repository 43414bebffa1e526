"""The web site: Snowplow's enriched events, Segment's messages, and the server's own log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from customer360.connectors.snowplow import COLUMNS
from customer360.demo.book import Purchase
from customer360.demo.formats.desk import BOTS, SHOP, Desk, berlin, browser, utc
from customer360.demo.people import Person, uuid
from customer360.demo.story import Event

_ASSETS: Final = ("/static/app.js", "/static/app.css", "/img/drill.webp", "/favicon.ico")
_CLICK_IDS: Final = {"google_ads": "gclid", "meta": "fbclid"}


def snowplow(desk: Desk, events: Iterable[Event], broken: Sequence[str] = ()) -> bytes:
    """Enriched TSV of 131 columns without header, then `broken` lines.

    A ping belongs to its page view: it is no record of its own in the truth where the view is in the same file.
    """
    lines: list[str] = []
    seen: set[tuple[str, str]] = set()
    for event in events:
        if event.kind in {"visit", "ping"} and event.person is not None:
            row = _enriched(desk, event, event.person)
            view = row["domain_sessionid"], row["page_url"]
            if event.kind == "visit" or view not in seen:
                _note_visit(desk, event, event.person, row["event_id"])
            seen.add(view)
            lines.append("\t".join([row.get(name, "") for name in COLUMNS]))
    return ("\n".join([*lines, *broken]) + "\n").encode() if lines else b""


def _note_visit(desk: Desk, event: Event, person: Person, identifier: str) -> None:
    on_own_device = event.data.get("cookie", person.cookie) == person.cookie
    shared = ("family_device",) if "family_device" in person.notes and on_own_device else ()
    desk.note("web_snowplow", "interaction", identifier, person, event, *shared)


def _enriched(desk: Desk, event: Event, person: Person) -> dict[str, str]:
    """The columns that are filled."""
    data = event.data
    stamp = utc(event.at, "%Y-%m-%d %H:%M:%S.000")
    query = _query(desk, event)
    parameters = dict(query)
    return {
        "app_id": "shop",
        "platform": "web",
        "etl_tstamp": stamp,
        "collector_tstamp": stamp,
        "dvce_created_tstamp": stamp,
        "derived_tstamp": stamp,
        "event": "page_ping" if event.kind == "ping" else "page_view",
        "event_name": "page_ping" if event.kind == "ping" else "page_view",
        "event_vendor": "com.snowplowanalytics.snowplow",
        "event_id": uuid(desk.rng),
        "v_tracker": "js-3.24.4",
        "domain_userid": data.get("cookie", person.cookie),
        "domain_sessionid": data["session"],
        "user_id": data.get("signed_in") or "",
        "page_url": f"{SHOP}{data['page']}{'?' + urlencode(query) if query else ''}",
        "page_urlscheme": "https",
        "page_urlhost": SHOP.removeprefix("https://"),
        "page_urlpath": data["page"],
        "page_urlquery": urlencode(query),
        "page_referrer": data.get("referrer") or "",
        "mkt_source": parameters.get("utm_source", ""),
        "mkt_medium": parameters.get("utm_medium", ""),
        "mkt_campaign": parameters.get("utm_campaign", ""),
        "useragent": browser(person),
    }


def _query(desk: Desk, event: Event) -> list[tuple[str, str]]:
    """Campaign parameters of a landing page, now and then as a careless marketer typed them."""
    campaign = event.data.get("campaign")
    if campaign is None:
        return []
    source = (
        campaign.utm_source
        if desk.rng.random() < 0.92
        else desk.rng.choice((campaign.utm_source.upper(), f"{campaign.utm_source} "))
    )
    query = [("utm_source", source), ("utm_medium", campaign.utm_medium), ("utm_campaign", campaign.name)]
    click_id = _CLICK_IDS.get(campaign.platform)
    if click_id and desk.rng.random() < 0.7:
        query.append((click_id, f"{desk.rng.getrandbits(80):020x}"))
    return query


def segment(desk: Desk, events: Iterable[Event], broken: Sequence[str] = ()) -> bytes:
    """JSON lines, `broken` ones first: forms as identify, shop orders as page and track."""
    messages: list[dict[str, Any]] = []
    for event in events:
        if event.kind in {"form", "bot_form"}:
            messages.append(_identify(desk, event))
        elif event.kind == "order_shop" and event.person is not None:
            messages += _checkout(desk, event, event.person)
    lines = [*broken, *(json.dumps(message, ensure_ascii=False) for message in messages)]
    return ("\n".join(lines) + "\n").encode() if lines else b""


def _message(desk: Desk, event: Event, kind: str, agent: str) -> dict[str, Any]:
    person = event.person
    stamp = utc(event.at)
    return {
        "messageId": f"seg-{desk.rng.getrandbits(96):024x}",
        "anonymousId": event.data.get("anonymous_id") or (person.anonymous_id if person else None),
        "userId": event.data.get("user_id", person.user_id if person else None),
        "type": kind,
        "originalTimestamp": stamp,
        "sentAt": stamp,
        "receivedAt": stamp,
        "timestamp": stamp,
        "context": {"userAgent": agent, "page": {"url": f"{SHOP}/kontakt", "path": "/kontakt"}},
    }


def _identify(desk: Desk, event: Event) -> dict[str, Any]:
    person = event.person
    message = _message(desk, event, "identify", browser(person) if person else BOTS[-1])
    desk.note("web_segment", "user", message["messageId"], person, event)
    traits: dict[str, Any] = {"email": event.data.get("email") or (person.email if person else None)}
    if person is None:
        return message | {"traits": traits | {"firstName": "Test", "lastName": "Test"}}
    traits |= {"firstName": person.given, "lastName": person.family}
    if event.data.get("email") is None and desk.rng.random() < 0.5:
        traits["phone"] = person.mobile
    if person.account:
        traits["company"] = {"name": person.account.name}
    return message | {"traits": traits}


def _checkout(desk: Desk, event: Event, person: Person) -> list[dict[str, Any]]:
    page = _message(desk, event, "page", browser(person)) | {"name": "Kasse", "properties": {"url": f"{SHOP}/kasse"}}
    desk.note("web_segment", "interaction", page["messageId"], person, event)
    order = _message(desk, event, "track", browser(person))
    for kind in ("interaction", "sales_order"):
        desk.note("web_segment", kind, order["messageId"], person, event)
    desk.book.orders["web_segment", "sales_order", order["messageId"]] = Purchase(
        person.person_id, event.data["amount"], event.at, event.at, "completed"
    )
    number = "-".join(map(str, event.data["key"]))
    properties = {"order_id": f"W{number}", "total": float(event.data["amount"]), "currency": "EUR"}
    return [page, order | {"event": "Order Completed", "properties": properties}]


def access(desk: Desk, events: Iterable[Event]) -> bytes:
    """The server's log in the combined format: hits of people and bots, which name nobody."""
    lines: list[str] = []
    seen: dict[str, int] = {}
    for event in events:
        if event.kind in {"hit", "bot_hit"}:
            line = _hit(desk, event)
            seen[line] = seen.get(line, 0) + 1
            # The line's own hash and which of its like it is: logs have no ids.
            digest = sha256(line.encode()).hexdigest()[:24]
            more = ("bot",) if event.kind == "bot_hit" else ()
            desk.note("web_access", "interaction", f"{digest}:{seen[line]}", None, event, *more)
            lines.append(line)
    return ("\n".join(lines) + "\n").encode() if lines else b""


def _hit(desk: Desk, event: Event) -> str:
    rng = desk.rng
    bot = event.kind == "bot_hit"
    agent = rng.choice(BOTS) if bot else browser(None)
    path = rng.choice(_ASSETS) if not bot and rng.random() < 0.4 else event.data["page"]
    referrer = "-" if bot else f"{SHOP}/"
    stamp = berlin(event.at, "%d/%b/%Y:%H:%M:%S %z")
    status = 404 if bot and rng.random() < 0.1 else 200
    return f'203.0.113.{rng.randrange(1, 255)} - - [{stamp}] "GET {path} HTTP/1.1" {status} {rng.randrange(500, 90_000)} "{referrer}" "{agent}"'
