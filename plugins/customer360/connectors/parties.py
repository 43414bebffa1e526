"""The two sides of a call or message: which is the customer's, and what identifies it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.base import table
from customer360.connectors.convert import join_texts
from customer360.normalise import NormalisedColumn

if TYPE_CHECKING:
    from customer360.sources import OwnIdentities

Mask = npt.NDArray[np.bool_]


def mask_of(array: pa.Array | pa.ChunkedArray) -> Mask:
    """Arrow booleans as numpy ones; null is False."""
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def own_phones(values: pa.Array, own: OwnIdentities) -> Mask:
    """Where a normalised number is the company's own: `OwnIdentities.owns_phone` over a column."""
    owned = mask_of(pc.is_in(values, pa.array(sorted(own.phones), pa.string())))
    for prefix in own.phone_prefixes:
        owned |= mask_of(pc.starts_with(values, prefix))
    return owned


def choose(first: Mask, one: NormalisedColumn, other: NormalisedColumn) -> NormalisedColumn:
    """`one` where `first`, `other` elsewhere."""
    where = pa.array(first)
    return NormalisedColumn(*(pc.if_else(where, a, b) for a, b in zip(one, other, strict=True)))


def phone_identifiers(
    record_id: pa.Array, row_number: pa.Array, party: NormalisedColumn, *, where: Mask | None = None
) -> pa.Table:
    """Identifier rows of interactions' customer side, where it has a value (and `where` holds).

    Sender names ('client:…', 'ALERTS') are handles; both they and short codes are never valid.
    """
    known = mask_of(pc.is_valid(party.value))
    keep = pa.array(known if where is None else known & where)
    named = pc.equal(party.kind, "alpha_sender")
    return table(
        "identifier",
        {
            "source_record_id": record_id,
            "row_number": row_number,
            "record_kind": pa.repeat("interaction", len(record_id)),
            "identifier_type": pc.if_else(named, "handle", "phone"),
            "identifier_value": pc.fill_null(party.value, ""),
            "is_valid": party.is_valid,
        },
    ).filter(keep)


def flags_of(rows: int, parts: list[tuple[Mask | pa.Array, str | None]]) -> pa.Array:
    """Comma-separated flags, null where there is none.

    A part is (where, flag), or (string array of flags or null, None).
    """
    columns = [pa.nulls(rows, pa.string())]
    for where, flag in parts:
        if flag is None:
            columns.append(where)
        elif np.any(where):
            columns.append(pc.if_else(pa.array(where), flag, pa.scalar(None, pa.string())))
    return join_texts(columns, ",")
