"""`mapped`: any CSV, JSON, Parquet or XLSX whose columns the user maps to the contracts in YAML.

The page docs/operator/mapped.md shows the mapping. Everything works on whole columns; a value that
does not fit refuses its record and names the column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360 import normalise
from customer360.connectors import mapping as mappings
from customer360.connectors.base import Batch, Delivery, InputFile, Rejected, register, table
from customer360.connectors.convert import as_text, convert, join_texts, offsets
from customer360.connectors.frames import Frame, detect_format, read_frames
from customer360.connectors.mapping import REFERENCES, Identifier, Mapping, Section, Value, column_type
from customer360.contracts import CHANNELS, CONTACT_KINDS, DIRECTIONS, ENTITY_FIELDS, INTERACTION_CLASSES

if TYPE_CHECKING:
    from customer360.sources import OwnIdentities, Source

Mask = npt.NDArray[np.bool_]

_WORDS = {
    "channel": CHANNELS,
    "direction": DIRECTIONS,
    "interaction_class": INTERACTION_CLASSES,
    "record_kind": CONTACT_KINDS,
}
_LOWER = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referrer_host")
_PHONES = ("phone", "fax")


@register
class Mapped:
    """See the module's text."""

    name: ClassVar[str] = "mapped"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "mapped"
    options: ClassVar[frozenset[str]] = frozenset()

    @staticmethod
    def check_mapping(mapping: dict[str, Any]) -> list[tuple[mappings.KeyPath, str]]:
        """Mistakes of a mapping, for sources.yml."""
        return mappings.check(mapping)

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per frame. Raises UnreadableFile for a missing column or an unreadable file."""
        mapping = mappings.compile_mapping(source.mapping)
        for file in delivery.files:
            occurrences: dict[str, int] = {}
            for frame in _frames(file, mapping, source):
                yield _Frame(frame, file.path, mapping, source, occurrences).batch()


def _frames(file: InputFile, mapping: Mapping, source: Source) -> Iterator[Frame]:
    return read_frames(
        file,
        mapping.format or detect_format(file),
        mapping.columns(),
        encoding=source.encoding,
        delimiter=mapping.delimiter,
        sheet=mapping.sheet,
        header_row=mapping.header_row,
    )


@dataclass(slots=True)
class _Built:
    """A section's rows before refused records are taken out."""

    section: Section
    taken: Mask  # rows of the frame that the section takes
    columns: dict[str, pa.Array]


@dataclass
class _Frame:
    """One frame on its way to a Batch."""

    frame: Frame
    path: str
    mapping: Mapping
    source: Source
    occurrences: dict[str, int]
    refused: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    contact: _Built | None = None

    def __post_init__(self) -> None:
        self.decimal_comma = self.mapping.decimal_comma or False
        self.system = self.source.system or self.source.name

    def batch(self) -> Batch:
        """Everything of the frame: rows of each section, identifiers, refusals."""
        ids = self.record_ids()
        built = [self.build(section) for section in self.mapping.sections]
        self.contact = next((each for each in built if each.section.entity == "contact_record"), None)
        self.refuse(~np.logical_or.reduce([each.taken for each in built]), "no_section", None)
        keep = np.ones(len(self.frame), np.bool_)
        keep[list(self.refused)] = False
        tables: dict[str, pa.Table] = {}
        identifiers: list[pa.Table] = []
        numbers = pa.array(self.frame.row_number, pa.int64())
        for each in built:
            where = pa.array(each.taken & keep)
            columns = {name: column.filter(where) for name, column in each.columns.items()}
            columns |= {"source_record_id": ids.filter(where), "row_number": numbers.filter(where)}
            tables[each.section.entity] = table(each.section.entity, columns)
            identifiers += self.identifiers(each, where, columns, ids)
        if identifiers:
            tables["identifier"] = pa.concat_tables(identifiers)
        rejected = [*self.frame.rejected, *self.rejects()]
        return Batch(len(self.frame) + len(self.frame.rejected), tables, rejected)

    # Record ids ---------------------------------------------------------------------------------------

    def record_ids(self) -> pa.Array:
        """The mapped columns, joined by '|'; without a mapping, the record's content and which of its
        like it is."""
        if self.mapping.record_id:
            parts = [as_text(self.frame.columns[name]) for name in self.mapping.record_id]
            joined = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "|")
            self.refuse(joined.is_null().to_numpy(zero_copy_only=False), "missing_id", self.mapping.record_id[0])
            return joined.fill_null("")
        content = pa.table(dict(self.frame.columns))
        listed = ", ".join(f'coalesce("{name}"::varchar, chr(30))' for name in content.column_names)
        with duckdb.connect() as engine:
            engine.register("content", content)
            found = engine.sql(f"select md5(concat_ws(chr(31), {listed})) as digest from content")
            digests = found.to_arrow_table().column("digest").to_pylist()
        ids = []
        for digest in digests:
            self.occurrences[digest] = self.occurrences.get(digest, 0) + 1
            ids.append(f"row:{digest[:16]}:{self.occurrences[digest]}")
        return pa.array(ids, pa.string())

    # Sections -----------------------------------------------------------------------------------------

    def build(self, section: Section) -> _Built:
        taken = self.taken(section)
        columns = {name: self.column(section, name, value, taken) for name, value in section.values.items()}
        if section.consent:
            columns["consent"] = self.consent(section)
        if section.attributes:
            columns["attributes"] = self.objects({name: name for name in section.attributes}, as_text)
        if section.entity == "interaction":
            self.complete_interaction(section, columns)
        for required in ENTITY_FIELDS[section.entity]:
            if not required.nullable and required.name in columns:
                missing = columns[required.name].is_null().to_numpy(zero_copy_only=False)
                self.refuse(taken & missing, "missing_value", self.origin(section, required.name))
        return _Built(section, taken, columns)

    def taken(self, section: Section) -> Mask:
        if section.when is None:
            return np.ones(len(self.frame), np.bool_)
        values = pc.utf8_lower(as_text(self.frame.columns[section.when.column]))
        wanted = pc.is_in(values, pa.array(sorted(section.when.values), pa.string()))
        taken: Mask = wanted.to_numpy(zero_copy_only=False)
        return taken

    def column(self, section: Section, name: str, value: Value, taken: Mask) -> pa.Array:
        """One contract column; records whose value does not fit are refused."""
        kind = column_type(section.entity, name)
        raw = self.raw(value)
        if value.lookup is not None:
            raw, unknown = _look_up(as_text(raw), value)
            self.refuse(taken & unknown, "unknown_value", self.origin(section, name))
        converted, misfit = convert(
            raw, kind, self.source, form=value.format, zone=value.timezone, decimal_comma=self.decimal_comma
        )
        self.refuse(taken & misfit, "bad_value", self.origin(section, name))
        if name in _WORDS:
            known = pc.is_in(converted, pa.array(_WORDS[name])).to_numpy(zero_copy_only=False)
            given = converted.is_valid().to_numpy(zero_copy_only=False)
            self.refuse(taken & given & ~known, "unknown_value", self.origin(section, name))
        if name in _LOWER:
            converted = pc.utf8_lower(converted)
        return self.reference(name, value, converted)

    def raw(self, value: Value) -> pa.Array:
        if not value.columns:
            return pa.array([None if value.constant is None else str(value.constant)] * len(self.frame), pa.string())
        if len(value.columns) == 1:
            return self.frame.columns[value.columns[0]]
        parts = [as_text(self.frame.columns[name]) for name in value.columns]
        return join_texts(parts, value.join)

    def reference(self, name: str, value: Value, column: pa.Array) -> pa.Array:
        if name not in REFERENCES:
            return column
        prefix = f"{value.namespace or self.system}:{value.kind or REFERENCES[name]}:"
        return pc.binary_join_element_wise(prefix, column, "")

    def origin(self, section: Section, name: str) -> str:
        """What the user calls it: the file's column, else the contract's."""
        value = section.values.get(name)
        return value.columns[0] if value and value.columns else name

    def consent(self, section: Section) -> pa.Array:
        def as_boolean(column: pa.Array) -> pa.Array:
            return convert(column, pa.bool_(), self.source)[0]

        return self.objects(section.consent, as_boolean)

    def objects(self, members: dict[str, str], read: Callable[[pa.Array], pa.Array]) -> pa.Array:
        """JSON objects {member: value} from columns; members without a value left out, empty ones null."""
        columns = {member: read(self.frame.columns[name]).to_pylist() for member, name in members.items()}
        out: list[str | None] = []
        for index in range(len(self.frame)):
            found = {member: column[index] for member, column in columns.items() if column[index] is not None}
            out.append(msgspec.json.encode(found, order="sorted").decode() if found else None)
        return pa.array(out, pa.string())

    def complete_interaction(self, section: Section, columns: dict[str, pa.Array]) -> None:
        """Defaults: inbound, person, and a touch when both."""
        rows = len(self.frame)
        columns.setdefault("direction", pa.repeat(pa.scalar("inbound"), rows))
        columns.setdefault("interaction_class", pa.repeat(pa.scalar("person"), rows))
        touch = pc.and_(pc.equal(columns["direction"], "inbound"), pc.equal(columns["interaction_class"], "person"))
        columns["is_touch"] = pc.coalesce(columns.get("is_touch", pa.nulls(rows, pa.bool_())), touch).fill_null(False)
        zone = section.values["occurred_at"].timezone if "occurred_at" in section.values else None
        if "utc_offset_minutes" not in columns and "occurred_at" in columns:
            columns["utc_offset_minutes"] = offsets(columns["occurred_at"], self.source, zone)
        if self.source.currency and "cost" in columns and "currency" not in columns:
            columns["currency"] = pa.repeat(pa.scalar(self.source.currency), rows)

    # Identifiers --------------------------------------------------------------------------------------

    def identifiers(
        self, built: _Built, where: pa.Array, columns: dict[str, pa.Array], ids: pa.Array
    ) -> list[pa.Table]:
        """Identifier rows of one section's kept records."""
        entity = built.section.entity
        if entity in {"opportunity_stage", "ad_spend"}:
            return []
        kinds = columns.get("record_kind")
        if kinds is None:
            kinds = pa.repeat(pa.scalar(entity), len(columns["row_number"]))
        place = {"record_kind": kinds, **{name: columns[name] for name in ("source_record_id", "row_number")}}
        found = []
        if self.contact is not None:  # all that one row says is about the contact it names
            own = self.contact_refs(self.contact, ids).filter(where)
            found.append(_identifier_rows(place, pa.scalar("account_ref"), own, pa.scalar(True)))
        for rule in self.mapping.identifiers:
            if entity in rule.sections:
                for name in rule.columns:
                    found += self.rule(rule, as_text(self.frame.columns[name]).filter(where), where, place)
        return found

    def contact_refs(self, contact: _Built, ids: pa.Array) -> pa.Array:
        """'<system>:<kind>:<record id>' for every row the contact section takes."""
        refs = pc.binary_join_element_wise(self.system, contact.columns["record_kind"], ids, ":")
        return pc.if_else(pa.array(contact.taken), refs, pa.scalar(None, pa.string()))

    def rule(self, rule: Identifier, values: pa.Array, where: pa.Array, place: dict[str, pa.Array]) -> list[pa.Table]:
        """Rows of one rule and one column: the long form by type, split values one by one."""
        if rule.type_column is None:
            return [self.typed(str(rule.type), rule, values, place)]
        words = pc.utf8_lower(as_text(self.frame.columns[rule.type_column]).filter(where))
        found = []
        for word, kind in rule.types.items():
            chosen = pc.equal(words, word).fill_null(False)
            part = {name: column.filter(chosen) for name, column in place.items()}
            found.append(self.typed(kind, rule, values.filter(chosen), part))
        return found

    def typed(self, kind: str, rule: Identifier, values: pa.Array, place: dict[str, pa.Array]) -> pa.Table:
        if rule.split:
            lists = pc.split_pattern(values.fill_null(""), rule.split)
            parents = pc.list_parent_indices(lists)
            values = as_text(pc.list_flatten(lists))
            place = {name: column.take(parents) for name, column in place.items()}
        if kind == "email" or kind in _PHONES:
            distinct = values.dictionary_encode()
            texts = distinct.dictionary.to_pylist()
            region = rule.region or self.source.phone_region
            known = normalise.emails(texts) if kind == "email" else normalise.phones(texts, region)
            places = distinct.indices
            value = pa.array([each.value for each in known], pa.string()).take(places)
            valid = pa.array([each.is_valid for each in known], pa.bool_()).take(places).fill_null(False)
        else:
            namespace = rule.namespace or (f"{self.system}:contact" if kind == "account_ref" else None)
            value = pc.binary_join_element_wise(namespace, values, ":") if namespace else values
            valid = pa.scalar(True)
        return _identifier_rows(place, pa.scalar(kind), value, valid)

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


def _look_up(values: pa.Array, value: Value) -> tuple[pa.Array, Mask]:
    """Lookup by trimmed, case-folded text, each distinct value once; and where nothing was found."""
    encoded = values.dictionary_encode()
    lookup = value.lookup or {}
    default = None if value.default is None else str(value.default)
    found: list[str | None] = []
    unknown: list[bool] = []
    for text in encoded.dictionary.to_pylist():
        hit = lookup.get(text.strip().casefold())
        found.append(default if hit is None else str(hit))
        unknown.append(hit is None and default is None)
    mapped = pa.array(found, pa.string()).take(encoded.indices)
    missing = pa.array(unknown, pa.bool_()).take(encoded.indices).fill_null(False)
    if default is not None:
        mapped = mapped.fill_null(default)
    return mapped, missing.to_numpy(zero_copy_only=False)


def _identifier_rows(place: dict[str, pa.Array], kind: pa.Scalar, value: pa.Array, valid: Any) -> pa.Table:
    """Identifier rows where there is a value."""
    there = pc.and_(pc.is_valid(value), pc.not_equal(value, "")).fill_null(False)
    rows = pc.sum(there).as_py() or 0
    valid_rows = valid.filter(there) if isinstance(valid, pa.Array) else pa.repeat(valid, rows)
    return table(
        "identifier",
        {
            **{name: column.filter(there) for name, column in place.items()},
            "identifier_type": pa.repeat(kind, rows),
            "identifier_value": value.filter(there),
            "is_valid": valid_rows,
        },
    )
