"""Events in the formats that real systems write: one function per source, bytes out, truth noted."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlencode
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

from customer360.connectors.snowplow import COLUMNS as SNOWPLOW
from customer360.demo.people import NICKNAMES, Account, Person, salesforce_id
from customer360.demo.story import Event

BERLIN = ZoneInfo("Europe/Berlin")
OWN_NUMBER, OWN_TWILIO, OWN_HANDSET = "+493023125100", "+4915228817300", "+4915228817301"
SHOP = "https://www.nordlicht.example.com"
AGENTS = ("anja.brandt@nordlicht.example.com", "kai.lorenzen@nordlicht.example.com")
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PAGES = ("/", "/akkuschrauber", "/kreissaegen", "/kompressoren", "/angebote", "/haendler")


@dataclass
class Truth:
    """Whose each source record really is: (source, record_kind, source_record_id, person_id)."""

    records: list[tuple[str, str, str, int]] = field(default_factory=list)

    def note(self, source: str, kind: str, record_id: str, person: Person | None) -> None:
        if person is not None:
            self.records.append((source, kind, record_id, person.person_id))


@dataclass
class Writer:
    """Everything a format needs beside the events."""

    rng: random.Random
    truth: Truth
    accounts: Sequence[Account]
    sequence: int = 1_000

    def next(self) -> int:
        self.sequence += 1
        return self.sequence

    # Phone ----------------------------------------------------------------------------------------

    def pbx(self, events: Iterable[Event], custom: bool = False) -> bytes:
        """Asterisk CDR: accountcode first, or (`custom`) clid first; transferred calls have several rows."""
        rows: list[list[str]] = []
        for event in events:
            if event.kind not in {"call", "withheld", "internal_call"}:
                continue
            base = f"{int(event.at.timestamp())}.{self.next()}"
            self.truth.note("pbx", "interaction", base, event.person)
            answered = self.rng.random() < 0.8
            talk = self.rng.randrange(20, 600) if answered else 0
            legs = 2 if answered and self.rng.random() < 0.2 else 1
            for leg in range(legs):
                unique = base if leg == 0 else f"{int(event.at.timestamp())}.{self.next()}"
                rows.append(self._cdr(event, unique, base, answered, talk, custom, leg))
        return _csv(rows, quoting=csv.QUOTE_ALL if custom else csv.QUOTE_NONNUMERIC)

    def _cdr(
        self, event: Event, unique: str, linked: str, answered: bool, talk: int, custom: bool, leg: int
    ) -> list[str]:
        start = event.at.astimezone(BERLIN) + timedelta(seconds=15 * leg)
        outside, name = self._caller(event)
        inbound = event.data.get("inbound", True)
        extension = f"2{self.rng.randrange(10, 60)}"
        if event.kind == "internal_call":
            src, dst, context = extension, f"2{self.rng.randrange(10, 60)}", "from-internal"
        elif inbound:
            src, dst, context = outside, OWN_NUMBER if leg == 0 else extension, "from-trunk"
        else:
            src, dst, context = extension, outside, "from-internal"
        clid = f'"{name}" <{src}>' if name and inbound else f"<{src}>"
        stamp = "%Y-%m-%d %H:%M:%S"
        times = [start.strftime(stamp), (start + timedelta(seconds=8)).strftime(stamp) if answered else ""]
        times.append((start + timedelta(seconds=8 + talk)).strftime(stamp))
        common = [clid, f"SIP/trunk-{unique[-4:]}", f"SIP/{extension}", "Dial", f"SIP/{extension},30", *times]
        result = [str(talk + 8), str(talk), "ANSWERED" if answered else "NO ANSWER", "DOCUMENTATION"]
        if custom:
            return [clid, src, dst, context, *common[1:], *result, "", unique, "", str(leg)]
        return ["", src, dst, context, *common, *result, unique, "", "", linked, str(leg)]

    def _caller(self, event: Event) -> tuple[str, str | None]:
        person = event.person
        if person is None:
            return "anonymous", None
        if event.data.get("mobile") or not person.landline:
            return _national(person.mobile), person.name if self.rng.random() < 0.4 else None
        return _national(person.landline), None

    def twilio_calls(self, events: Iterable[Event]) -> bytes:
        """One page of Twilio's Calls API."""
        calls = []
        for event in events:
            if event.kind != "call_mobile" or event.person is None:
                continue
            sid = f"CA{self.rng.getrandbits(128):032x}"
            self.truth.note("twilio_calls", "interaction", sid, event.person)
            inbound = event.data["inbound"]
            ends = (event.person.mobile, OWN_TWILIO) if inbound else (OWN_TWILIO, event.person.mobile)
            seconds = self.rng.randrange(0, 400)
            calls.append(
                {
                    "sid": sid,
                    "date_created": format_datetime(event.at),
                    "start_time": format_datetime(event.at),
                    "end_time": format_datetime(event.at + timedelta(seconds=seconds)),
                    "from": ends[0],
                    "to": ends[1],
                    "direction": "inbound" if inbound else "outbound-dial",
                    "status": "completed" if seconds else "no-answer",
                    "duration": str(seconds),
                    "price": f"-{self.rng.randrange(1, 30) / 100:.2f}",
                    "price_unit": "EUR",
                    "caller_name": None,
                }
            )
        return _json({"calls": calls, "page": 0, "next_page_uri": None})

    # SMS ------------------------------------------------------------------------------------------

    def twilio_messages(self, events: Iterable[Event]) -> bytes:
        """One page of Twilio's Messages API."""
        messages = []
        for event in events:
            if event.kind not in {"sms_in", "sms_out", "stop"} or event.person is None:
                continue
            sid = f"SM{self.rng.getrandbits(128):032x}"
            self.truth.note("twilio_messages", "interaction", sid, event.person)
            inbound = event.kind != "sms_out"
            ends = (event.person.mobile, OWN_TWILIO) if inbound else (OWN_TWILIO, event.person.mobile)
            body = "STOP" if event.kind == "stop" else "Danke!" if inbound else "Ihre Bestellung ist unterwegs."
            messages.append(
                {
                    "sid": sid,
                    "date_created": format_datetime(event.at),
                    "date_sent": format_datetime(event.at),
                    "from": ends[0],
                    "to": ends[1],
                    "body": body,
                    "direction": "inbound" if inbound else "outbound-api",
                    "status": "received" if inbound else "delivered",
                    "num_segments": "1",
                    "num_media": "0",
                    "price": None if inbound else "-0.0750",
                    "price_unit": "EUR",
                    "error_code": None,
                }
            )
        return _json({"messages": messages, "page": 0, "next_page_uri": None})

    def handset(self, events: Iterable[Event]) -> bytes:
        """SMS Backup & Restore XML of the workshop's telephone, with emoji as surrogate references."""
        rows = []
        for event in events:
            if event.kind != "handset" or event.person is None:
                continue
            kind = 1 if event.data["inbound"] else 2
            body = quoteattr("Alles klar, danke SMILE").replace("SMILE", "&#55357;&#56842;")
            rows.append(
                f'  <sms protocol="0" address={quoteattr(event.person.mobile)} date="{int(event.at.timestamp() * 1000)}"'
                f' type="{kind}" subject="null" body={body} toa="null" sc_toa="null" service_center="null" read="1"'
                f' status="-1" locked="0" contact_name={quoteattr(event.person.name)} />'
            )
        head = f"<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n<smses count=\"{len(rows)}\">\n"
        return (head + "\n".join(rows) + "\n</smses>\n").encode()

    # Mail -----------------------------------------------------------------------------------------

    def mails(self, events: Iterable[Event], source: str, share: Callable[[Event], bool]) -> list[bytes]:
        """RFC 5322 messages of the events that `share` takes."""
        kinds = {"mail_in", "mail_out", "newsletter", "auto_reply", "bounce", "list_mail", "info_mail"}
        return [self._mail(event, source) for event in events if event.kind in kinds and share(event)]

    def _mail(self, event: Event, source: str) -> bytes:
        identifier = (
            f"{self.rng.getrandbits(96):024x}@{'nordlicht' if event.kind == 'mail_out' else 'mail'}.example.com"
        )
        self.truth.note(source, "interaction", identifier, event.person)
        at = event.at.astimezone(BERLIN)
        ahead = timedelta(hours=3) if self.rng.random() < 0.02 else timedelta()
        person, extra = event.person, []
        sender = f"{_display(person)} <{person.email}>" if person else "Newsletter <list@lists.example.org>"
        to = self.rng.choice(("service@nordlicht.example.com", "info@nordlicht.example.com"))
        if event.kind in {"mail_out", "newsletter"} and person:
            sender, to = f"Nordlicht Werkzeuge <{self.rng.choice(AGENTS)}>", f"{_display(person)} <{person.email}>"
        if event.kind == "newsletter":
            extra = ["List-Unsubscribe: <https://www.nordlicht.example.com/u>", "Precedence: bulk"]
        elif event.kind == "auto_reply":
            extra = ["Auto-Submitted: auto-replied"]
        elif event.kind == "bounce":
            sender = "Mail Delivery Subsystem <mailer-daemon@mail.example.com>"
            extra = ["Return-Path: <>", "Content-Type: multipart/report; report-type=delivery-status; boundary=b"]
        elif event.kind == "list_mail":
            extra = ["List-Id: tools <tools.lists.example.org>"]
        elif event.kind == "info_mail":
            account = self.rng.choice(self.accounts)
            sender = f"{account.name} <info@{account.domain}>"
        lines = [
            f"Received: from mx.example.com by mail.nordlicht.example.com; {format_datetime(at)}",
            *extra,
            f"Date: {format_datetime(at + ahead)}",
            f"From: {sender}",
            f"To: {to}",
            "Subject: =?utf-8?q?R=C3=BCckfrage_zu_Ihrem_Angebot?=",
            f"Message-ID: <{identifier}>",
            "",
            "Guten Tag,",
            "From now on please use this address.",
            "",
        ]
        return "\n".join(lines).encode("utf-8")

    # Web ------------------------------------------------------------------------------------------

    def snowplow(self, events: Iterable[Event]) -> bytes:
        """Enriched TSV of 131 columns, gzipped."""
        out = io.StringIO()
        for event in events:
            if event.kind != "visit" or event.person is None:
                continue
            identifier = _uuid(self.rng)
            self.truth.note("web_snowplow", "interaction", identifier, event.person)
            utm = event.data["utm"]
            path = self.rng.choice(PAGES)
            query = urlencode({f"utm_{name}": value for name, value in utm.items()})
            stamp = event.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.000")
            row = dict.fromkeys(SNOWPLOW, "")
            row |= {
                "app_id": "shop",
                "platform": "web",
                "collector_tstamp": stamp,
                "derived_tstamp": stamp,
                "event": "page_view",
                "event_name": "page_view",
                "event_id": identifier,
                "domain_userid": event.person.cookie,
                "domain_sessionid": event.data["session"],
                "user_id": event.person.user_id or "" if not event.data["first"] else "",
                "page_url": f"{SHOP}{path}{'?' + query if query else ''}",
                "page_urlhost": "www.nordlicht.example.com",
                "page_urlpath": path,
                "page_urlquery": query,
                "page_referrer": event.data["referrer"] or "",
                "mkt_source": utm.get("source", ""),
                "mkt_medium": utm.get("medium", "").upper(),
                "mkt_campaign": utm.get("campaign", ""),
                "useragent": BROWSER,
            }
            out.write("\t".join(row[name] for name in SNOWPLOW) + "\n")
        return gzip.compress(out.getvalue().encode(), mtime=0)

    def segment(self, events: Iterable[Event], extra: Sequence[str] = ()) -> bytes:
        """Segment JSON lines: forms as identify, shop orders as track."""
        lines = list(extra)
        for event in events:
            if event.kind not in {"form", "order_web"} or event.person is None:
                continue
            lines.append(json.dumps(self.segment_message(event), ensure_ascii=False))
        return ("\n".join(lines) + "\n").encode()

    def segment_message(self, event: Event) -> dict[str, object]:
        person = event.person
        assert person is not None  # noqa: S101  (callers pass events of persons)
        identifier = f"seg-{self.rng.getrandbits(96):024x}"
        stamp = event.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        message: dict[str, object] = {
            "messageId": identifier,
            "anonymousId": person.cookie,
            "userId": person.user_id,
            "timestamp": stamp,
            "context": {"userAgent": BROWSER, "page": {"url": f"{SHOP}/konto"}},
        }
        if event.kind == "form":
            self.truth.note("web_segment", "user", identifier, person)
            traits = {"email": person.email, "firstName": person.given, "lastName": person.family}
            if self.rng.random() < 0.5:
                traits["phone"] = _national(person.mobile)
            return message | {"type": "identify", "traits": traits}
        self.truth.note("web_segment", "sales_order", identifier, person)
        properties = {"order_id": event.data["key"], "total": float(event.data["amount"]), "currency": "EUR"}
        return message | {"type": "track", "event": "Order Completed", "properties": properties}

    def access(self, events: Iterable[Event]) -> bytes:
        """Combined log of the shop's web server, gzipped; bots among the hits."""
        lines = []
        for event in events:
            if event.kind in {"hit", "bot_hit"}:
                agent = BOT if event.kind == "bot_hit" else BROWSER
                stamp = event.at.astimezone(BERLIN).strftime("%d/%b/%Y:%H:%M:%S %z")
                client = f"203.0.113.{self.rng.randrange(1, 255)}"
                request = f"GET {self.rng.choice(PAGES)} HTTP/1.1"
                lines.append(f'{client} - - [{stamp}] "{request}" 200 {self.rng.randrange(500, 90000)} "-" "{agent}"')
        return gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0) if lines else b""

    # Trade fair -----------------------------------------------------------------------------------

    def fair(self, events: Iterable[Event], first_number: int = 1) -> bytes:
        """The visitors' list of a trade fair: German headers, semicolons, Windows code page."""
        rows = [["Nr", "Vorname", "Nachname", "Firma", "E-Mail", "Telefon", "Zeitpunkt", "Gespräch mit", "Interesse"]]
        for event in events:
            if event.kind != "fair" or event.person is None:
                continue
            person = event.person
            number = f"M{person.person_id:05d}"
            self.truth.note("trade_fair", "form", number, person)
            self.truth.note("trade_fair", "interaction", number, person)
            firm = person.account.name if person.account else ""
            at = event.at.astimezone(BERLIN).strftime("%d.%m.%Y %H:%M")
            rows.append([number, person.given, person.family, firm, person.email, _national(person.mobile), at,
                         "Brandt", f"{self.rng.randrange(1, 50)},5"])  # fmt: skip
        _ = first_number
        return _csv(rows, delimiter=";").decode().encode("cp1252", "replace") if len(rows) > 1 else b""


def salesforce(writer: Writer, events: Sequence[Event], full: bool) -> dict[str, bytes]:
    """Data Loader exports: contacts, accounts, opportunities with history, orders (changes of the window)."""
    contacts, opportunities, history, orders = [], {}, [], {}
    for event in events:
        person = event.person
        if person is None or person.account is None:
            continue
        at = event.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        contact = salesforce_id("003", person.person_id)
        if event.kind == "crm":
            writer.truth.note("salesforce", "contact", contact, person)
            given = NICKNAMES.get(person.given, person.given) if writer.rng.random() < 0.3 else person.given
            source = _stated(writer.rng, person)
            contacts.append([contact, person.account.crm_id, given, _typo(writer.rng, person.family), person.email,
                             person.mobile if writer.rng.random() < 0.7 else "", person.account.switchboard, source, at, at,
                             "false"])  # fmt: skip
        elif event.kind == "deal":
            opportunity = salesforce_id("006", _number(event))
            place = event.data["now"]
            stage = event.data["stages"][place][0]
            opportunities[opportunity] = [opportunity, person.account.crm_id, contact, event.data["product"], stage,
                event.data["amount"], event.data["stages"][-1][1].date() if stage.startswith("Closed") else "",
                str(stage.startswith("Closed")).lower(), str(stage == "Closed Won").lower(),
                event.data["opened"].strftime("%Y-%m-%dT%H:%M:%S.000Z"), at]  # fmt: skip
            history.append(
                [salesforce_id("008", _number(event) * 10 + place), opportunity, stage, event.data["amount"], at]
            )
            writer.truth.note("salesforce", "opportunity", opportunity, person)
        elif event.kind == "order":
            order = salesforce_id("801", _number(event))
            done = event.data["done"]
            ordered = event.data["ordered"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
            orders[order] = [order, person.account.crm_id, salesforce_id("006", _number(event)), contact, "Activated" if done else
                "Draft", ordered, event.data["delivered"].strftime("%Y-%m-%dT%H:%M:%S.000Z") if done else "",
                event.data["amount"], at]  # fmt: skip
            writer.truth.note("salesforce", "sales_order", order, person)
    accounts = [[a.crm_id, a.name, a.switchboard, f"www.{a.domain}"] for a in writer.accounts] if full else []
    return _tables(
        Contact=(["Id", "AccountId", "FirstName", "LastName", "Email", "MobilePhone", "Phone", "LeadSource", "CreatedDate",
                  "LastModifiedDate", "HasOptedOutOfEmail"], contacts),
        Account=(["Id", "Name", "Phone", "Website"], accounts),
        Opportunity=(["Id", "AccountId", "ContactId", "Name", "StageName", "Amount", "CloseDate", "IsClosed", "IsWon",
                      "CreatedDate", "LastModifiedDate"], list(opportunities.values())),
        OpportunityHistory=(["Id", "OpportunityId", "StageName", "Amount", "CreatedDate"], history),
        Order=(["Id", "AccountId", "OpportunityId", "BillToContactId", "Status", "EffectiveDate", "ActivatedDate",
                "TotalAmount", "LastModifiedDate"], list(orders.values())),
    )  # fmt: skip


def hubspot(writer: Writer, events: Sequence[Event]) -> dict[str, bytes]:
    """The app's CSV exports for private customers: contacts and deals."""
    contacts, deals, stages = [], {}, []
    for event in events:
        person = event.person
        if person is None or person.account is not None or person.crm_id is None:
            continue
        at = event.at.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S")
        if event.kind == "crm":
            writer.truth.note("hubspot", "contact", person.crm_id, person)
            own = OWN_NUMBER if writer.rng.random() < 0.02 else None  # an agent typed the company's number
            phone = own or (_national(person.mobile) if writer.rng.random() < 0.6 else person.landline or "")
            email = "keine@mail.example.com" if writer.rng.random() < 0.01 else person.email
            contacts.append([person.crm_id, person.given, _typo(writer.rng, person.family), email, phone,
                             _stated(writer.rng, person), at, at])  # fmt: skip
        elif event.kind == "deal":
            deal, stage = str(9_000_000 + _number(event)), event.data["stages"][event.data["now"]][0]
            deals[deal] = [deal, event.data["product"], stage, event.data["amount"], person.crm_id,
                           event.data["opened"].astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S"),
                           at if stage.startswith("Closed") else "", at]  # fmt: skip
            stages.append([deal, stage, at])
            writer.truth.note("hubspot", "opportunity", deal, person)
    return _tables(
        contacts=(["Record ID", "First Name", "Last Name", "Email", "Phone Number", "Original Source", "Create Date",
                   "Last Modified Date"], contacts),
        deals=(["Record ID", "Deal Name", "Deal Stage", "Amount", "Associated Contact IDs", "Create Date", "Close Date",
                "Last Modified Date"], list(deals.values())),
        deal_stages=(["deal_id", "value", "date_entered"], stages),
    )  # fmt: skip


def shop_orders(events: Sequence[Event]) -> list[Event]:
    """Orders of private customers that came through a deal are placed in the shop when it is won."""
    found = []
    for event in events:
        if event.kind == "order" and event.person and event.person.account is None and not event.data["done"]:
            found.append(
                Event("order_web", event.at, event.person, {"key": event.data["key"], "amount": event.data["amount"]})
            )
    return found


def ad_spend(rng: random.Random, days: Sequence[datetime], platform: str, names: Sequence[str]) -> bytes:
    """Google Ads' download (title, range, totals) or Meta's export, a row per day and campaign."""
    rows, total = [], 0
    for day in days:
        for number, name in enumerate(names):
            cents = rng.randrange(1_500, 9_000)
            total += cents
            shown, clicks = rng.randrange(800, 9000), rng.randrange(10, 190)
            cost = f"{cents / 100:,.2f}"
            if platform == "google_ads":
                rows.append(
                    [day.strftime("%Y-%m-%d"), name, str(21_000_000 + number), "EUR", f"{shown:,}", str(clicks), cost]
                )
            else:
                rows.append(
                    [
                        day.strftime("%Y-%m-%d"),
                        name,
                        str(23_800_000 + number),
                        str(shown),
                        str(clicks),
                        f"{cents / 100:.2f}",
                    ]
                )
    if platform == "google_ads":
        span = f"{days[0]:%B %-d, %Y} - {days[-1]:%B %-d, %Y}"
        head = [
            ["Campaign report"],
            [span],
            ["Day", "Campaign", "Campaign ID", "Currency code", "Impr.", "Clicks", "Cost"],
        ]
        return _csv([*head, *rows, ["Total: Campaigns", "--", "--", "EUR", "", "", f"{total / 100:,.2f}"]])
    head = [["Day", "Campaign name", "Campaign ID", "Impressions", "Link clicks", "Amount spent (EUR)"]]
    return _csv([*head, *rows])


def _tables(**tables: tuple[list[str], list[list[object]]]) -> dict[str, bytes]:
    return {name: _csv([header, *rows]) for name, (header, rows) in tables.items() if rows}


def _csv(rows: Iterable[Sequence[object]], delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return out.getvalue().encode()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


def _number(event: Event) -> int:
    person, cycle = event.data["key"].split("-")
    return int(person) * 4 + int(cycle)


def _national(number: str) -> str:
    return "0" + number.removeprefix("+49") if number.startswith("+49") else number


def _display(person: Person) -> str:
    plain = person.name.encode("ascii", "ignore").decode()
    return plain if plain == person.name else f"=?utf-8?b?{_base64(person.name)}?="


def _base64(text: str) -> str:
    import base64

    return base64.b64encode(text.encode()).decode()


def _uuid(rng: random.Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _typo(rng: random.Random, name: str) -> str:
    """One name in twenty is typed wrong: two neighbouring letters swapped."""
    if len(name) < 5 or rng.random() > 0.05:
        return name
    at = rng.randrange(1, len(name) - 2)
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


def _stated(rng: random.Random, person: Person) -> str:
    """What the CRM says brought the customer: right four times in five."""
    right = person.campaign.acquisition_source
    return right if rng.random() < 0.8 else rng.choice(("media", "website", "event", "referral", "sales_rep"))
