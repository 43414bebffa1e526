"""`mapped`: any CSV, JSON, Parquet or XLSX whose columns the user maps to the contracts in YAML.

The page docs/operator/mapped.md shows the mapping. Everything works on whole columns; a value that
does not fit refuses its record and names the column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors import mapping_check
from customer360.connectors.amounts import currency_in
from customer360.connectors.base import Batch, Delivery, InputFile, Rejected, register, table
from customer360.connectors.content_ids import ContentIds
from customer360.connectors.convert import as_text, convert, join_texts, offsets, read_stamps
from customer360.connectors.frame import Frame
from customer360.connectors.frames import detect_format, read_frames
from customer360.connectors.mapped_identifiers import Found, find, holds, look_up
from customer360.connectors.mapping import REFERENCES, WORDS, Mapping, Section, Value, column_type, compile_mapping
from customer360.connectors.web import Page, bots, campaign_value, host, pages
from customer360.connectors.web import each as by_value
from customer360.contracts import ENTITY_FIELDS, MONEY

if TYPE_CHECKING:
    from customer360.sources import OwnIdentities, Source

Mask = npt.NDArray[np.bool_]

_CAMPAIGN: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_NAMELESS: Final = frozenset({"opportunity_stage", "ad_spend"})  # entities whose rows name nobody
_CLOCK: Final = r"^\d+:[0-5]\d(?::[0-5]\d)?$"


@register
class Mapped:
    """See the module's text."""

    name: ClassVar[str] = "mapped"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "mapped"
    options: ClassVar[frozenset[str]] = frozenset()

    @staticmethod
    def check_mapping(mapping: dict[str, Any]) -> list[tuple[mapping_check.KeyPath, str]]:
        """Mistakes of a mapping, for sources.yml."""
        return mapping_check.check(mapping)

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per frame.

        Refused: missing_id, missing_value, bad_value, unknown_value (all name the column), no_section, and
        what the format itself breaks: bad_width, broken_quote, nul_byte, bad_json. Raises UnreadableFile
        for a missing column or an unreadable file.
        """
        mapping = compile_mapping(source.mapping)
        for file in delivery.files:
            with ContentIds() as content_ids:
                for frame in _frames(file, mapping, source):
                    yield _Frame(frame, file.path, mapping, source, content_ids).batch()


def _frames(file: InputFile, mapping: Mapping, source: Source) -> Iterator[Frame]:
    form = mapping.format or ("json" if mapping.records else detect_format(file))
    return read_frames(
        file,
        form,
        mapping.columns(),
        encoding=source.encoding,
        delimiter=mapping.delimiter,
        sheet=mapping.sheet,
        header_row=mapping.header_row,
        records=mapping.records,
        content=mapping.needs_content(),
    )


@dataclass(slots=True)
class _Built:
    """A section's rows before refused records are taken out. Columns are as long as the frame."""

    section: Section
    taken: Mask  # rows of the frame that the section takes
    ids: pa.Array
    columns: dict[str, pa.Array]


@dataclass
class _Frame:
    """One frame on its way to a Batch."""

    frame: Frame
    path: str
    mapping: Mapping
    source: Source
    content_ids: ContentIds
    refused: dict[int, tuple[str, str | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.system = self.source.system or self.source.name
        self.row_ids = self.content_ids.of(self.frame.content) if self.mapping.needs_content() else None

    def batch(self) -> Batch:
        """Everything of the frame: rows of each section, identifiers, refusals."""
        built = [self.build(section) for section in self.mapping.sections]
        self.refuse(~np.logical_or.reduce([each.taken for each in built]), "no_section", None)
        keep = np.ones(len(self.frame), np.bool_)
        keep[list(self.refused)] = False
        numbers = pa.array(self.frame.row_number, pa.int64())
        contact = next((each for each in built if each.section.entity == "contact_record"), None)
        rules = [
            found
            for rule in self.mapping.identifiers
            for found in find(rule, self.frame, self.system, self.source.phone_region)
        ]
        tables: dict[str, pa.Table] = {}
        identifiers: list[pa.Table] = []
        for each in built:
            kept = each.taken & keep
            whole = {**each.columns, "source_record_id": each.ids, "row_number": numbers}
            where = pa.array(kept)
            tables[each.section.entity] = table(
                each.section.entity, {name: column.filter(where) for name, column in whole.items()}
            )
            identifiers += self.identifiers(each, contact, rules, kept, whole)
        if identifiers:
            tables["identifier"] = pa.concat_tables(identifiers)
        rejected = [*self.frame.rejected, *self.rejects()]
        return Batch(len(self.frame) + len(self.frame.rejected), tables, rejected)

    # Sections -----------------------------------------------------------------------------------------

    def build(self, section: Section) -> _Built:
        taken = holds(section.when, self.frame)
        columns: dict[str, pa.Array] = {}
        for name, value in section.values.items():
            columns[name] = self.column(section, name, value, taken, columns)
        if section.consent:
            columns["consent"] = self.consent(section, taken)
        if section.attributes:
            columns["attributes"] = self.objects({name: name for name in section.attributes}, as_text)
        if section.entity == "interaction":
            self.complete_interaction(section, columns)
        self.complete_currency(section, columns)
        for required in ENTITY_FIELDS[section.entity]:
            if not required.nullable:
                missing = columns[required.name].is_null().to_numpy(zero_copy_only=False)
                self.refuse(taken & missing, "missing_value", _origin(section, required.name))
        return _Built(section, taken, self.record_ids(section, taken), columns)

    def record_ids(self, section: Section, taken: Mask) -> pa.Array:
        """Cells of the section's or the mapping's `record_id`, joined by '|'; else by content."""
        names = section.record_id or self.mapping.record_id
        if not names:
            return self.row_ids
        ids = pc.binary_join_element_wise(*(as_text(self.frame.columns[name]) for name in names), "|")
        self.refuse(taken & ids.is_null().to_numpy(zero_copy_only=False), "missing_id", names[0])
        return ids.fill_null("")

    def column(self, section: Section, name: str, value: Value, taken: Mask, columns: dict[str, pa.Array]) -> pa.Array:
        """One contract column; records whose value does not fit are refused."""
        raw = self.raw(value)
        if value.lookup is not None or value.default is not None:
            raw, unknown = look_up(raw, value)
            self.refuse(taken & unknown, "unknown_value", _origin(section, name))
        kind = column_type(section.entity, name)
        if name == "occurred_at":
            stamps = read_stamps(raw, self.source, value.format, value.timezone)
            converted, misfit = stamps.instant, stamps.unreadable
            stated = offsets(converted, self.source, value.timezone)
            columns.setdefault("utc_offset_minutes", pc.coalesce(stamps.offset_minutes, stated))
            columns["flags"] = join_texts([columns[at] for at in ("flags",) if at in columns] + [stamps.flags], ",")
        else:
            converted, misfit = self.converted(name, raw, kind, value)
        self.refuse(taken & misfit, "bad_value", _origin(section, name))
        if name in WORDS:
            converted, unknown = _words(name, converted)
            self.refuse(taken & unknown, "unknown_value", _origin(section, name))
        return self.finished(name, value, converted)

    def converted(self, name: str, raw: pa.Array, kind: pa.DataType, value: Value) -> tuple[pa.Array, Mask]:
        if name == "duration_s":
            raw = _clock_seconds(raw)
        if value.factor is not None:
            figures, misfit = convert(raw, MONEY, self.source, decimal_comma=self.mapping.decimal_comma)
            product, too_large = convert(pc.multiply(figures.cast(pa.float64()), value.factor), kind, self.source)
            return product, misfit | too_large
        return convert(
            raw,
            kind,
            self.source,
            form=value.format,
            zone=value.timezone,
            decimal_comma=self.mapping.decimal_comma,
        )

    def raw(self, value: Value) -> pa.Array:
        if not value.columns:
            return pa.repeat(pa.scalar(value.constant, pa.string()), len(self.frame))
        if len(value.columns) == 1:
            return self.frame.columns[value.columns[0]]
        return join_texts([as_text(self.frame.columns[name]) for name in value.columns], value.join)

    def finished(self, name: str, value: Value, column: pa.Array) -> pa.Array:
        """What a contract column asks for beyond its type."""
        if name in REFERENCES:
            prefix = f"{value.namespace or self.system}:{value.kind or REFERENCES[name]}:"
            return pc.binary_join_element_wise(prefix, column, "")
        if name in _CAMPAIGN:
            return by_value(column, campaign_value)
        if name == "referrer_host":
            return by_value(column, lambda text: host(text if "//" in text else f"//{text}"))
        if name == "currency":
            return by_value(column, lambda text: currency_in(text.upper()) or text.upper())
        return column

    def consent(self, section: Section, taken: Mask) -> pa.Array:
        def as_boolean(name: str) -> Callable[[pa.Array], pa.Array]:
            def read(column: pa.Array) -> pa.Array:
                stated, misfit = convert(column, pa.bool_(), self.source)
                self.refuse(taken & misfit, "bad_value", name)
                return stated

            return read

        columns = {channel: as_boolean(name)(self.frame.columns[name]) for channel, name in section.consent.items()}
        return _objects(columns, len(self.frame))

    def objects(self, members: dict[str, str], read: Callable[[pa.Array], pa.Array]) -> pa.Array:
        return _objects({member: read(self.frame.columns[name]) for member, name in members.items()}, len(self.frame))

    def complete_interaction(self, section: Section, columns: dict[str, pa.Array]) -> None:
        """Defaults: inbound; a person, or a bot if its user agent says so; a touch when inbound and a person."""
        rows = len(self.frame)
        if section.page_url is not None:
            found = pages(as_text(self.frame.columns[section.page_url]))
            for name in Page._fields[2:]:
                columns[name] = pc.coalesce(columns.get(name, pa.nulls(rows, pa.string())), found[name])
            columns["page_path"] = pc.coalesce(columns.get("page_path", found["path"]), found["path"])
        inbound = pa.repeat("inbound", rows)
        columns["direction"] = columns.get("direction", inbound).fill_null("inbound")
        kind = columns.get("interaction_class", pa.nulls(rows, pa.string()))
        columns["interaction_class"] = pc.coalesce(kind, _class_by_agent(columns.get("user_agent"), rows))
        touch = pc.and_(pc.equal(columns["direction"], "inbound"), pc.equal(columns["interaction_class"], "person"))
        columns["is_touch"] = pc.coalesce(columns.get("is_touch", pa.nulls(rows, pa.bool_())), touch)

    def complete_currency(self, section: Section, columns: dict[str, pa.Array]) -> None:
        """The source's currency for amounts that state none."""
        money = columns.get("cost", columns.get("amount"))
        names = {each.name for each in ENTITY_FIELDS[section.entity]}
        if money is None or self.source.currency is None or "currency" not in names:
            return
        usual = pc.if_else(money.is_valid(), self.source.currency, pa.scalar(None, pa.string()))
        columns["currency"] = pc.coalesce(columns["currency"], usual) if "currency" in columns else usual

    # Identifiers --------------------------------------------------------------------------------------

    def identifiers(
        self, built: _Built, contact: _Built | None, rules: list[Found], kept: Mask, whole: dict[str, pa.Array]
    ) -> Iterator[pa.Table]:
        """Identifier rows of one section's kept records: references that go without saying, then the rules'."""
        entity = built.section.entity
        if entity in _NAMELESS:
            return
        place = {name: whole[name] for name in ("source_record_id", "row_number")}
        place["record_kind"] = whole.get("record_kind", pa.repeat(entity, len(self.frame)))
        for reference in self.references(built, contact):
            there = reference.is_valid()
            index = np.flatnonzero(there.to_numpy(zero_copy_only=False))
            valid = pa.repeat(True, len(index))
            yield Found("account_ref", index, reference.filter(there), valid, ()).rows(kept, place)
        for found in rules:
            if entity in found.sections:
                yield found.rows(kept, place)

    def references(self, built: _Built, contact: _Built | None) -> Iterator[pa.Array]:
        """The contact of the same row; the one who replaced a merged contact; the one a deal or order names."""
        if contact is not None:  # all that one row says is about the contact it names
            kinds = contact.columns["record_kind"]
            own = pc.binary_join_element_wise(self.system, kinds, contact.ids, ":")
            yield pc.if_else(pa.array(contact.taken), own, pa.scalar(None, pa.string()))
        if "merged_into" in built.columns:
            yield pc.binary_join_element_wise(
                self.system, built.columns["record_kind"], built.columns["merged_into"], ":"
            )
        if "contact_ref" in built.columns:
            yield built.columns["contact_ref"]

    # Refusals -----------------------------------------------------------------------------------------

    def refuse(self, where: Mask, reason: str, column: str | None) -> None:
        """Refuse records; the first reason found for a record stays."""
        for index in np.flatnonzero(where).tolist():
            self.refused.setdefault(index, (reason, column))

    def rejects(self) -> list[Rejected]:
        frame = self.frame
        return [
            Rejected(
                self.path,
                frame.row_number[index],
                reason,
                frame.line[index] if frame.line is not None else None,
                column,
                frame.text_of(index),
            )
            for index, (reason, column) in sorted(self.refused.items())
        ]


def _origin(section: Section, name: str) -> str:
    """What the user calls it: the file's column, else the contract's."""
    value = section.values.get(name)
    return value.columns[0] if value and value.columns else name


def _words(name: str, column: pa.Array) -> tuple[pa.Array, Mask]:
    """A column of the contract's own words, in lower case; and where another word stands."""
    lowered = pc.utf8_lower(column)
    known = pc.is_in(lowered, pa.array(WORDS[name]))
    unknown: Mask = pc.and_(lowered.is_valid(), pc.invert(known)).to_numpy(zero_copy_only=False)
    return lowered, unknown


def _clock_seconds(column: pa.Array) -> pa.Array:
    """'1:02:03' and '2:03' as seconds; other cells as they are."""
    if not pa.types.is_string(column.type):
        return column

    def seconds(text: str) -> str:
        total = 0
        for part in text.split(":"):
            total = total * 60 + int(part)
        return str(total)

    clock = pc.match_substring_regex(column, _CLOCK)
    if not pc.any(clock).as_py():
        return column
    return pc.if_else(clock, by_value(pc.if_else(clock, column, "0"), seconds), column)


def _class_by_agent(user_agent: pa.Array | None, rows: int) -> pa.Array:
    if user_agent is None:
        return pa.repeat("person", rows)
    return pc.if_else(pc.and_(user_agent.is_valid(), bots(user_agent)), "bot", "person")


def _objects(columns: dict[str, pa.Array], rows: int) -> pa.Array:
    """JSON objects {member: value} from columns; members without a value left out, empty ones null."""
    lists = {member: column.to_pylist() for member, column in columns.items()}
    out: list[str | None] = []
    for index in range(rows):
        found = {member: values[index] for member, values in lists.items() if values[index] is not None}
        out.append(msgspec.json.encode(found, order="sorted").decode() if found else None)
    return pa.array(out, pa.string())
