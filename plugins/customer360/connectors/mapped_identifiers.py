"""Identifiers of mapped records: what the rules of a mapping find in a frame, normalised once per frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360 import normalise
from customer360.connectors.base import table
from customer360.connectors.convert import as_text
from customer360.connectors.frame import Frame
from customer360.connectors.mapping import Identifier, Value, When, fold
from customer360.connectors.web import each

Mask = npt.NDArray[np.bool_]

_NUMBERS: Final = ("phone", "fax")


@dataclass(frozen=True, slots=True)
class Found:
    """Identifiers of one type. All arrays have one length."""

    type: str
    index: npt.NDArray[np.int64]  # of the record in its frame
    value: pa.Array  # normalised; never null
    is_valid: pa.Array
    sections: tuple[str, ...]

    def rows(self, taken: Mask, place: dict[str, pa.Array]) -> pa.Table:
        """Rows of the contract for the records in `taken`; `place` has its columns for the whole frame."""
        here = taken[self.index]
        index = pa.array(self.index[here])
        return table(
            "identifier",
            {
                **{name: column.take(index) for name, column in place.items()},
                "identifier_type": pa.repeat(self.type, len(index)),
                "identifier_value": self.value.filter(pa.array(here)),
                "is_valid": self.is_valid.filter(pa.array(here)),
            },
        )


def holds(conditions: tuple[When, ...], frame: Frame) -> Mask:
    """Records for which all `conditions` hold."""
    taken = np.ones(len(frame), np.bool_)
    for condition in conditions:
        cells = as_text(frame.columns[condition.column])
        if condition.values is None:
            true = cells.is_valid()
        else:
            words = pa.array(sorted(condition.values), pa.string())
            true = pc.is_in(each(cells, fold), words) if len(words) else pa.repeat(False, len(cells))
        taken &= true.to_numpy(zero_copy_only=False) != condition.negated
    return taken


def look_up(cells: pa.Array, value: Value) -> tuple[pa.Array, Mask]:
    """`cells` by the lookup and default of `value`; and where a cell says what neither knows."""
    text = as_text(cells)
    unknown = np.zeros(len(text), np.bool_)
    if value.lookup is not None:
        encoded = each(text, fold).dictionary_encode()
        words = encoded.dictionary.to_pylist()
        known = pa.array([value.lookup.get(word) for word in words], pa.string())
        meant = pa.array([word in value.lookup for word in words], pa.bool_()).take(encoded.indices)
        if value.default is None:
            unknown = pc.invert(meant).fill_null(False).to_numpy(zero_copy_only=False)
        elsewhere = pa.scalar(value.default, pa.string())
        text = pc.if_else(meant.fill_null(False), known.take(encoded.indices), elsewhere)
    elif value.default is not None:
        text = text.fill_null(value.default)
    return text, unknown


def find(rule: Identifier, frame: Frame, system: str, phone_region: str | None) -> Iterator[Found]:
    """Identifiers that one rule finds: column by column, in the long form type by type."""
    applies = holds(rule.when, frame)
    types = [(str(rule.type), applies)]
    if rule.type_column is not None:
        words = each(as_text(frame.columns[rule.type_column]), fold)
        types = [(kind, applies & _equals(words, word)) for word, kind in rule.types.items()]
    regions = _regions(rule, frame, phone_region)
    for name in rule.columns:
        cells = as_text(frame.columns[name])
        for kind, where in types:
            index = np.flatnonzero(where & cells.is_valid().to_numpy(zero_copy_only=False))
            values, index = _split(cells.take(pa.array(index)), index, rule.split)
            yield _normalised(kind, values, index, rule, system, regions)


def _equals(words: pa.Array, word: str) -> Mask:
    equal: Mask = pc.equal(words, word).fill_null(False).to_numpy(zero_copy_only=False)
    return equal


def _split(
    values: pa.Array, index: npt.NDArray[np.int64], separator: str | None
) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    if not separator:
        return values, index
    lists = pc.split_pattern(values, separator)
    parts = as_text(pc.list_flatten(lists))
    there = parts.is_valid()
    parents = index[pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)]
    return parts.filter(there), parents[there.to_numpy(zero_copy_only=False)]


def _regions(rule: Identifier, frame: Frame, phone_region: str | None) -> pa.Array:
    """Region by which each record's numbers are dialled."""
    if rule.region is None:
        return pa.repeat(pa.scalar(phone_region, pa.string()), len(frame))
    if not rule.region.columns:
        return pa.repeat(pa.scalar(rule.region.constant, pa.string()), len(frame))
    regions, _ = look_up(frame.columns[rule.region.columns[0]], rule.region)
    code = pc.match_substring_regex(regions, r"^[A-Za-z]{2}$").fill_null(False)
    return pc.if_else(code, pc.utf8_upper(regions), pa.scalar(phone_region, pa.string()))


def _normalised(
    kind: str, values: pa.Array, index: npt.NDArray[np.int64], rule: Identifier, system: str, regions: pa.Array
) -> Found:
    if kind == "email":
        column = normalise.email_column(values)
        return _present(kind, column, index, rule)
    if kind in _NUMBERS:
        return _present(kind, _numbers(values, regions.take(pa.array(index))), index, rule)
    prefix = rule.namespace
    if kind == "account_ref":
        prefix = f"{rule.namespace or system}:{rule.kind or 'contact'}"
    value = pc.binary_join_element_wise(prefix, values, ":") if prefix else values
    return Found(kind, index, value, pa.repeat(True, len(value)), rule.sections)


def _numbers(values: pa.Array, regions: pa.Array) -> normalise.NormalisedColumn:
    """Numbers of several regions, each region's at once."""
    distinct = regions.unique().to_pylist()
    if len(distinct) <= 1:
        return normalise.phone_column(values, distinct[0] if distinct else None)
    order: list[npt.NDArray[np.int64]] = []
    parts: list[normalise.NormalisedColumn] = []
    for region in distinct:
        same = pc.is_null(regions) if region is None else pc.equal(regions, region).fill_null(False)
        order.append(np.flatnonzero(same.to_numpy(zero_copy_only=False)))
        parts.append(normalise.phone_column(values.filter(same), region))
    back = pa.array(np.argsort(np.concatenate(order)))
    return normalise.NormalisedColumn(
        *(pa.concat_arrays([part[place] for part in parts]).take(back) for place in range(3))
    )


def _present(kind: str, column: normalise.NormalisedColumn, index: npt.NDArray[np.int64], rule: Identifier) -> Found:
    """Without withheld ones, which have no value."""
    there = column.value.is_valid()
    where = there.to_numpy(zero_copy_only=False)
    return Found(
        kind, index[where], column.value.filter(there), column.is_valid.filter(there).fill_null(False), rule.sections
    )
