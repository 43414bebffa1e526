"""Profiles of one data set through our linkage: `ours.py <set> <profiles> <clusters> [vetoes]`."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from customer360.linkage.kinds import Kind, Layout, Veto
from customer360.linkage.link import deduplicate, match

# What each column holds. Nothing else is said of a data set.
KINDS = {
    "given_name": Kind.GIVEN_NAME,
    "first_name": Kind.GIVEN_NAME,
    "surname": Kind.FAMILY_NAME,
    "full_name": Kind.FULL_NAME,
    "dob": Kind.BIRTH_DATE,
    "date_of_birth": Kind.BIRTH_DATE,
    "gender": Kind.GENDER,
    "street_number": Kind.STREET_NUMBER,
    "address_1": Kind.ADDRESS_LINE,
    "address_2": Kind.ADDRESS_LINE,
    "suburb": Kind.LOCALITY,
    "city": Kind.LOCALITY,
    "birth_place": Kind.LOCALITY,
    "postcode": Kind.POSTCODE,
    "postcode_fake": Kind.POSTCODE,
    "state": Kind.REGION,
    "occupation": Kind.OCCUPATION,
    "email": Kind.EMAIL,
    "soc_sec_id": Kind.NATIONAL_ID,
}


def main() -> None:
    _, _, given, taken, *options = sys.argv
    link(Path(given), Path(taken), *options)


def link(given: Path, taken: Path, *options: str) -> pa.Table:
    """Write to `taken` the clusters (id, cluster) of the profiles in `given`; `options` may name vetoes."""
    profiles = pq.read_table(given)
    columns = {column: KINDS[column] for column in profiles.column_names if column in KINDS}
    layout = Layout("id", columns, frozenset(Veto) if "vetoes" in options else frozenset())
    linked = match(profiles, layout, "source") if "source" in profiles.column_names else deduplicate(profiles, layout)
    clusters = linked.clusters.select(["key", "cluster"]).rename_columns(["id", "cluster"])
    pq.write_table(clusters, taken)
    return clusters


if __name__ == "__main__":
    main()
