"""Salesforce exports: Data Loader CSV (API names), warehouse copies (snake_case) and reports (labels).

Contact, account, lead → `contact_record`; opportunity and its history → `opportunity`,
`opportunity_stage`; order → `sales_order`; event and task → `interaction`. Ids of 15 characters are
brought to 18 by Salesforce's checksum, so that reports and exports meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors import salesforce_fields as names
from customer360.connectors.base import Batch, Delivery, Rejected, UnreadableFile, register
from customer360.connectors.convert import join_texts, offsets
from customer360.connectors.crm import Builder, Names, chunks, content_ids, detect, json_consent
from customer360.connectors.text import Records
from customer360.connectors.web import each
from customer360.contracts import MONEY, TIMESTAMP

if TYPE_CHECKING:
    from customer360.sources import OwnIdentities, Source

Mask = npt.NDArray[np.bool_]

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_NONE: Final = pa.scalar(None, pa.string())


def id18(ids: pa.Array) -> pa.Array:
    """15-character ids with their 3-character checksum; others unchanged. Each distinct id once.

    Every 5 characters make one checksum letter: the bits say which of them are capital letters.
    """
    return each(ids, _id18)


def _id18(text: str) -> str:
    if len(text) != 15 or not text.isalnum() or not text.isascii():
        return text
    parts = (text[start : start + 5] for start in (0, 5, 10))
    return text + "".join(_ALPHABET[sum(char.isupper() << place for place, char in enumerate(part))] for part in parts)


@register
class Salesforce:
    """See the module's text."""

    name: ClassVar[str] = "salesforce"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "salesforce"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per stretch of each file.

        Refused: missing_id, missing_value, bad_value (with the column), not_a_stage, report_footer, and what
        reading text refuses. Raises UnreadableFile('unknown_object').
        """
        for file in delivery.files:
            kind = None
            for rows in chunks(file, source):
                kind = kind or _object(rows)
                rows.rejected = [_footer(each) for each in rows.rejected]
                build = Builder(rows, source, source.system or self.system)
                _refuse_footers(build)
                _READERS[kind](build)
                yield build.batch()


def _object(rows: Records) -> str:
    """By the columns; the first characters of the ids know better, where they are Salesforce's own."""
    kind = detect(rows.header, names.SHAPES).name
    if kind in names.HISTORIES or not rows.has("Id"):
        return kind
    known = [text for text in rows.values("Id") if text and len(text) in (15, 18) and text.isalnum()]
    prefixes = {text[:3] for text in known[:100]}
    if len(prefixes) != 1:
        return kind
    found = names.KEY_PREFIXES.get(prefixes.pop(), kind)
    if found not in _READERS:
        raise UnreadableFile("unknown_object", f"{found} records hold no contact")
    return found


def _footer(refused: Rejected) -> Rejected:
    """A report ends in lines of one cell, such as 'Grand Totals (3 Records)': no broken records."""
    one_cell = refused.reason == "bad_width" and (refused.detail or "").startswith("1 cells ")
    return replace(refused, reason="report_footer", detail=None) if one_cell and b" " in refused.raw else refused


def _refuse_footers(build: Builder) -> None:
    """Footers that were filled up to the width of the report."""
    rows, width = build.rows, len(build.rows.header)
    if width < 3 or not len(rows):
        return
    cells = np.array([cell != "" for cell in rows.cells], np.bool_).reshape(-1, width)
    first_only = (cells.sum(axis=1) == 1) & cells[:, 0]
    wordy = np.array([" " in rows.cells[place] for place in range(0, len(rows.cells), width)], np.bool_)
    build.refuse(first_only & wordy, "report_footer")


def _ids(build: Builder, kind: str) -> pa.Array:
    """Ids of the records; of a report without them, the contents."""
    aliases = names.IDS[kind]
    return id18(build.text(*aliases)) if build.has(*aliases) else content_ids(build.rows)


def _reference(build: Builder, kind: str, *aliases: str) -> pa.Array:
    return build.reference(kind, id18(build.text(*aliases)))


def _flag(build: Builder, *aliases: str) -> pa.Array:
    """A checkbox; false where the file says nothing."""
    return build.typed(pa.bool_(), *aliases).fill_null(False)


# People and organisations -----------------------------------------------------------------------------


def _person(kind: str) -> Callable[[Builder], None]:
    def read(build: Builder) -> None:
        ids = _ids(build, kind)
        columns = build.columns("contact_record", names.PERSON) | {"record_kind": build.constant(kind)}
        if kind == "contact":
            columns["account_ref"] = _reference(build, "account", "AccountId")
        if kind == "lead":
            columns["account_ref"] = _reference(build, "account", "ConvertedAccountId")
        _add_record(build, kind, ids, columns)
        if kind == "lead":  # a converted lead is the contact it became
            build.identify("lead", ids, "account_ref", _reference(build, "contact", "ConvertedContactId"))

    return read


def _account(build: Builder) -> None:
    """An organisation; a person account is a contact, known by its account's and its own contact id."""
    ids = _ids(build, "account")
    person = _flag(build, "IsPersonAccount")
    kinds = pc.if_else(person, "contact", "account")
    columns = build.columns("contact_record", names.PERSON) | {"record_kind": kinds}
    name = build.text("AccountName", "Name")
    columns["organisation"] = pc.if_else(person, _NONE, name)
    columns["full_name"] = pc.if_else(person, name, _NONE)
    _add_record(build, "account", ids, columns)
    contact = pc.if_else(person, id18(build.text("PersonContactId")), _NONE)
    build.identify(kinds, ids, "account_ref", build.reference("contact", contact))


def _add_record(build: Builder, kind: str, ids: pa.Array, columns: dict[str, pa.Array]) -> None:
    columns["merged_into"] = id18(build.text("MasterRecordId"))
    if any(build.has(*aliases) for aliases in names.OPT_OUT.values()):
        columns["consent"] = json_consent(
            {
                channel: build.typed(pa.bool_(), *aliases)
                for channel, aliases in names.OPT_OUT.items()
                if build.has(*aliases)
            }
        )
    build.add("contact_record", ids, columns)
    kinds = columns["record_kind"]
    for reference in (ids, columns["merged_into"]):  # whoever was merged is the one who stayed
        build.identify(kinds, ids, "account_ref", build.reference(kind, reference))
    for identifier_type, columns_of_type in names.WAYS.items():
        for name in columns_of_type:
            if build.has(name):
                build.identify(kinds, ids, identifier_type, build.text(name))


# Sales ------------------------------------------------------------------------------------------------


def _opportunity(build: Builder) -> None:
    _add_opportunity(build, None)


def _add_opportunity(build: Builder, where: pa.Array | None) -> None:
    ids = _ids(build, "opportunity")
    columns = build.columns("opportunity", names.OPPORTUNITY)
    stage = pc.utf8_lower(build.text("StageName", "Stage")).fill_null("")
    won = build.typed(pa.bool_(), "IsWon", "Won")
    closed = build.typed(pa.bool_(), "IsClosed", "Closed")
    columns["is_won"] = pc.coalesce(won, pc.equal(stage, "closed won"))
    columns["is_closed"] = pc.coalesce(closed, pc.starts_with(stage, "closed"))
    columns["probability"] = _probability(build)
    columns["contact_ref"] = _reference(build, "contact", "ContactId")
    columns["account_ref"] = _reference(build, "account", "AccountId")
    columns["currency"] = _currency(build)
    build.add("opportunity", ids, columns, where)
    contact = columns["contact_ref"] if where is None else pc.if_else(where, columns["contact_ref"], _NONE)
    build.identify("opportunity", ids, "account_ref", contact)


def _currency(build: Builder) -> pa.Array:
    usual = build.constant(build.source.currency).cast(pa.string())
    return pc.coalesce(build.text("CurrencyIsoCode", "AmountCurrency", "OrderAmountCurrency"), usual)


def _probability(build: Builder) -> pa.Array:
    """Percent; figures outside 0–100 (obfuscated exports have them) are not probabilities: null."""
    figure = build.converted(pc.utf8_rtrim(build.text("Probability"), " %"), MONEY, build.called("Probability"))
    inside = pc.and_(pc.greater_equal(figure, 0), pc.less_equal(figure, 100))
    return pc.if_else(inside, figure, pa.scalar(None, figure.type)).cast(pa.decimal128(7, 4), safe=False)


def _stage_history(build: Builder) -> None:
    made = _stages(build, ("StageName", "ToStage"), ("CreatedDate", "SystemModstamp", "LastModified", "EditDate"))
    ids = build.text("Id") if build.has("Id") else made.pop("made")
    made.pop("made", None)
    build.add("opportunity_stage", ids, made)


def _field_history(build: Builder) -> None:
    """Changes of any field: those of the stage count."""
    field = each(pc.utf8_lower(build.text("Field", "FieldEvent")), lambda text: text.replace(" ", ""))
    is_stage = pc.is_in(field, pa.array(["stagename", "stage"]))
    build.refuse(~is_stage.to_numpy(zero_copy_only=False), "not_a_stage", build.called("Field", "FieldEvent"))
    made = _stages(build, ("NewValue",), ("CreatedDate", "EditDate"))
    ids = pc.coalesce(build.text("Id"), made.pop("made"))
    build.add("opportunity_stage", ids, made, is_stage)


def _stages(build: Builder, stage: Names, entered: Names) -> dict[str, pa.Array]:
    """Columns of `opportunity_stage`, and `made`: an id for rows that have none."""
    opportunity = id18(build.text("OpportunityId", "Id"))
    at = build.typed(TIMESTAMP, *entered)
    name = build.text(*stage)
    return {
        "opportunity_ref": opportunity,
        "stage": name,
        "amount": build.typed(MONEY, "Amount"),
        "entered_at": at,
        "observed_at": at,
        "made": pc.binary_join_element_wise(opportunity, name, at.cast(pa.string()), "|"),
    }


def _snapshots(build: Builder) -> None:
    """Versions of opportunities, one for each change of anything.

    A version enters a stage if the one before was in another; a current version is also the opportunity.
    """
    made = _stages(build, ("StageName",), ("_fivetran_start",))
    current = _flag(build, "_fivetran_active")
    entering, entered_by = _entering(made["opportunity_ref"], made["stage"], made["entered_at"])
    absorbed = ~entering & ~current.to_numpy(zero_copy_only=False)
    for index in np.flatnonzero(absorbed).tolist():
        kept = build.rows.row_number[int(entered_by[index])]
        build.collapsed[kept] = build.collapsed.get(kept, 0) + 1
    ids = made.pop("made")
    build.add("opportunity_stage", ids, made, pa.array(entering))
    _add_opportunity(build, current)


def _entering(opportunity: pa.Array, stage: pa.Array, at: pa.Array) -> tuple[Mask, npt.NDArray[np.int64]]:
    """Which versions enter their stage, and for each version the one that entered the stage it is in.

    Versions without an opportunity, a stage or a time enter, so that they are refused by name.
    """
    order = pc.sort_indices(
        pa.table({"opportunity": opportunity, "at": at}),
        sort_keys=[("opportunity", "ascending"), ("at", "ascending")],
    ).to_numpy()
    opportunities, stages = opportunity.to_pylist(), stage.to_pylist()
    whole = pc.and_(pc.and_(opportunity.is_valid(), stage.is_valid()), at.is_valid()).to_pylist()
    entering = np.ones(len(stages), np.bool_)
    entered_by = np.arange(len(stages))
    for before, index in zip(order[:-1].tolist(), order[1:].tolist(), strict=True):
        same = opportunities[before] == opportunities[index] and stages[before] == stages[index]
        if same and whole[before] and whole[index]:
            entering[index] = False
            entered_by[index] = entered_by[before]
    return entering, entered_by


def _order(build: Builder) -> None:
    ids = _ids(build, "order")
    ordered = build.typed(TIMESTAMP, "EffectiveDate", "OrderStartDate", "CreatedDate", "OrderDate")
    activated = pc.is_in(pc.utf8_lower(build.text("StatusCode", "Status")), pa.array(names.DELIVERED))
    delivered = pc.coalesce(build.typed(TIMESTAMP, "ActivatedDate"), ordered)
    columns = {
        "contact_ref": _reference(build, "contact", "BillToContactId", "ContactId", "CustomerAuthorizedById"),
        "account_ref": _reference(build, "account", "AccountId"),
        "opportunity_ref": id18(build.text("OpportunityId")),
        "status": build.text("Status"),
        "amount": build.typed(MONEY, "TotalAmount", "OrderAmount", "Amount"),
        "currency": _currency(build),
        "ordered_at": ordered,
        "delivered_at": pc.if_else(activated, delivered, pa.scalar(None, TIMESTAMP)),
        "is_deleted": build.typed(pa.bool_(), "IsDeleted"),
        "observed_at": build.typed(TIMESTAMP, *names.OBSERVED),
    }
    build.add("sales_order", ids, columns)
    build.identify("sales_order", ids, "account_ref", columns["contact_ref"])


# Activities -------------------------------------------------------------------------------------------


def _activity(at: Names, fallback: str | None) -> Callable[[Builder], None]:
    """Events are meetings unless their type says otherwise; a task without a telling type is no contact.

    What is still planned, and tasks that are no contact, are internal: they never earn credit.
    """

    def read(build: Builder) -> None:
        ids = build.text("Id", "Activity ID") if build.has("Id", "Activity ID") else content_ids(build.rows)
        told = _channel(build)
        channel = told if fallback is None else told.fill_null(fallback)
        planned = pc.or_(_planned(build), channel.is_null())
        meeting = pc.equal(channel, "in_person").fill_null(False)
        calling = pc.utf8_lower(join_texts([build.text("CallType"), build.text("Subject")], " ")).fill_null("")
        inbound = pc.or_(meeting, pc.match_substring(calling, "inbound"))
        occurred = build.typed(TIMESTAMP, *at)
        columns = {
            "channel": channel.fill_null("phone"),
            "direction": pc.if_else(planned, "internal", pc.if_else(inbound, "inbound", "outbound")),
            "occurred_at": occurred,
            "utc_offset_minutes": offsets(occurred, build.source),
            "event_name": pc.if_else(meeting, "meeting", channel.fill_null("task")),
            "company_side": build.text("OwnerId", "Assigned"),
            "subject": build.text("Subject"),
            "duration_s": _duration(build),
            "outcome": build.text("CallDisposition", "CallResult", "Status"),
            "interaction_class": pc.if_else(planned, "internal", "person"),
            "is_touch": pc.and_(inbound, pc.invert(planned)),
        }
        build.add("interaction", ids, columns)
        _identify_activity(build, ids)

    return read


def _planned(build: Builder) -> pa.Array:
    closed = build.typed(pa.bool_(), "IsClosed", "Closed")
    status = pc.utf8_lower(build.text("Status"))
    open_ = pc.is_in(status, pa.array(names.OPEN_STATUSES))
    return pc.coalesce(pc.invert(closed), open_)


def _duration(build: Builder) -> pa.Array:
    seconds = build.typed(pa.int32(), "CallDurationInSeconds", "Call Duration (seconds)", "Call Duration")
    minutes = build.typed(pa.int32(), "DurationInMinutes", "Duration")
    return pc.coalesce(seconds, pc.multiply(minutes, 60).cast(pa.int32()))


def _identify_activity(build: Builder, ids: pa.Array) -> None:
    """By the contact or lead it was with; else by the account."""
    who = id18(build.text("WhoId", "ContactId", "LeadId"))
    is_lead = pc.starts_with(who.fill_null(""), "00Q")
    account = id18(build.text("AccountId", "WhatId"))
    is_account = pc.and_(who.is_null(), pc.starts_with(account.fill_null(""), "001"))
    for kind, chosen in (
        ("contact", pc.if_else(is_lead, _NONE, who)),
        ("lead", pc.if_else(is_lead, who, _NONE)),
        ("account", pc.if_else(is_account, account, _NONE)),
    ):
        build.identify("interaction", ids, "account_ref", build.reference(kind, chosen))


def _channel(build: Builder) -> pa.Array:
    """Channel by type, else by subtype, else by how the subject begins; null where nothing tells."""
    types = [pc.utf8_lower(build.text(*aliases)) for aliases in (("Type",), ("TaskSubtype", "EventSubtype"))]
    subject = pc.utf8_lower(build.text("Subject"))
    return pc.coalesce(*(each(text, _by_word) for text in types), each(subject, _by_start))


def _by_word(text: str) -> str | None:
    return next((channel for word, channel in names.CHANNEL_WORDS if word in text), None)


def _by_start(text: str) -> str | None:
    return next((channel for word, channel in names.CHANNEL_WORDS if text.startswith(word)), None)


_READERS: Final[dict[str, Callable[[Builder], None]]] = {
    "contact": _person("contact"),
    "lead": _person("lead"),
    "account": _account,
    "opportunity": _opportunity,
    "stage_history": _stage_history,
    "stage_snapshot": _snapshots,
    "field_history": _field_history,
    "order": _order,
    "event": _activity(
        ("StartDateTime", "Start", "ActivityDateTime", "ActivityDate", "Date", "CreatedDate"), "in_person"
    ),
    "task": _activity(("CompletedDateTime", "ActivityDate", "Date", "DueDate", "CreatedDate"), None),
}
