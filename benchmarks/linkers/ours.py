"""Profiles of one data set through our linkage: `ours.py <set> <profiles> <clusters> [vetoes]`."""

from __future__ import annotations

import sys

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
    profiles = pq.read_table(given)
    columns = {column: KINDS[column] for column in profiles.column_names if column in KINDS}
    layout = Layout("id", columns, frozenset(Veto) if "vetoes" in options else frozenset())
    linked = match(profiles, layout, "source") if "source" in profiles.column_names else deduplicate(profiles, layout)
    pq.write_table(linked.clusters.select(["key", "cluster"]).rename_columns(["id", "cluster"]), taken)


if __name__ == "__main__":
    main()
