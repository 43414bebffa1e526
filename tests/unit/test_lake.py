"""The lake's files: keys, provenance, duplicates by content, cleaning, and names that appear only at the end."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customer360.cleaning import clean
from customer360.connectors.base import Batch, Rejected, table
from customer360.contracts import lake_schema
from customer360.engines.base import LakeFile
from customer360.keys import identifier_key, record_key
from customer360.lake import ROW_GROUP, LakeWriter, sweep
from customer360.ledger import lake_path
from customer360.sampling import Sample

NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
Contact = tuple[int, str, str, Sequence[str]]  # row number, id, city, telephone numbers


def contacts(*rows: Contact, **more: Any) -> Batch:
    """One source record a row: a contact and its numbers."""
    numbers = [(number, identity, phone) for number, identity, _, phones in rows for phone in phones]
    tables = {
        "contact_record": table(
            "contact_record",
            {
                "source_record_id": [identity for _, identity, _, _ in rows],
                "row_number": [number for number, _, _, _ in rows],
                "record_kind": ["contact"] * len(rows),
                "city": [city for _, _, city, _ in rows],
            },
        ),
        "identifier": table(
            "identifier",
            {
                "source_record_id": [identity for _, identity, _ in numbers],
                "row_number": [number for number, _, _ in numbers],
                "record_kind": ["contact"] * len(numbers),
                "identifier_type": ["phone"] * len(numbers),
                "identifier_value": [phone for _, _, phone in numbers],
                "is_valid": [True] * len(numbers),
            },
        ),
    }
    return Batch(rows_read=len(rows) + len(more.get("rejected", ())), tables=tables, **more)


def visits(start: int, stop: int) -> Batch:
    count = stop - start
    columns = {
        "source_record_id": [f"v{number}" for number in range(start, stop)],
        "row_number": list(range(start + 1, stop + 1)),
        "channel": ["web"] * count,
        "direction": ["inbound"] * count,
        "occurred_at": [AT] * count,
        "interaction_class": ["person"] * count,
        "is_touch": [True] * count,
    }
    return Batch(rows_read=count, tables={"interaction": table("interaction", columns)})


def write(lake: str, batch_id: str, *batches: Batch, others: Sequence[LakeFile] = ()) -> LakeWriter:
    writer = LakeWriter(lake, "crm", batch_id, NIGHT, others)
    for batch in batches:
        writer.add(batch)
    writer.finish()
    writer.commit()
    return writer


def read(lake: str, entity: str, batch_id: str) -> pa.Table:
    filesystem, _ = fsspec.core.url_to_fs(lake)
    with filesystem.open(filesystem._strip_protocol(lake_path(lake, "crm", entity, batch_id)), "rb") as stream:
        return pq.ParquetFile(stream).read()


def active(lake: str, *batch_ids: str) -> list[LakeFile]:
    entities = ("contact_record", "identifier")
    return [LakeFile(e, "crm", b, lake_path(lake, "crm", e, b)) for b in batch_ids for e in entities]


@pytest.fixture(params=["local", "memory"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "lake") if request.param == "local" else f"memory://lake-{uuid.uuid4().hex}"


def test_rows_carry_provenance_and_keys(lake: str) -> None:
    writer = write(lake, "b1", contacts((1, "c1", "Kiel", ["+493023125001"]), (2, "ü\N{GRINNING FACE}'", "Ulm", [])))
    found = read(lake, "contact_record", "b1")
    assert found.schema.equals(lake_schema("contact_record"))
    assert found.column("record_key").to_pylist() == [
        record_key("crm", "contact", identity) for identity in ("c1", "ü\N{GRINNING FACE}'")
    ]
    assert found.select(["source", "batch_id", "loaded_as_of"]).to_pylist()[0] == {
        "source": "crm",
        "batch_id": "b1",
        "loaded_as_of": NIGHT,
    }
    (row,) = read(lake, "identifier", "b1").to_pylist()
    assert row["identifier_key"] == identifier_key("phone", "+493023125001")
    assert row["record_key"] == record_key("crm", "contact", "c1")
    assert writer.entity_rows == {"contact_record": 2, "identifier": 1}


def test_an_entity_without_a_kind_of_its_own_is_keyed_by_its_name(lake: str) -> None:
    write(lake, "b1", visits(0, 1))
    assert read(lake, "interaction", "b1").column("record_key").to_pylist() == [record_key("crm", "interaction", "v0")]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(identity=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1))
def test_keys_equal_those_of_python_for_any_text(tmp_path: Path, identity: str) -> None:
    lake = str(tmp_path / uuid.uuid4().hex)
    write(lake, "b1", contacts((1, identity, "Kiel", [identity])))
    assert read(lake, "contact_record", "b1").column("record_key")[0].as_py() == record_key("crm", "contact", identity)
    assert read(lake, "identifier", "b1").column("identifier_key")[0].as_py() == identifier_key("phone", identity)


def test_rejected_records_are_kept_whole(lake: str) -> None:
    refused = Rejected("a.csv", 3, "bad_width", line=4, detail=None, raw=b"\xff\0,")
    writer = write(lake, "b1", contacts((1, "c1", "Kiel", []), rejected=[refused]))
    (row,) = read(lake, "rejected", "b1").to_pylist()
    assert {name: row[name] for name in ("file", "row_number", "line", "reason", "raw")} == {
        "file": "a.csv",
        "row_number": 3,
        "line": 4,
        "reason": "bad_width",
        "raw": b"\xff\0,",
    }
    assert (writer.rows_read, writer.rows_rejected, writer.rows_duplicate) == (2, 1, 0)


# Duplicates ---------------------------------------------------------------------------------------

ONE: Contact = (1, "c1", "Kiel", ["+493023125001", "+493023125002"])


@pytest.mark.parametrize(
    ("second", "duplicates"),
    [
        ((2, "c1", "Kiel", ["+493023125001", "+493023125002"]), 1),
        ((2, "c1", "Kiel", ["+493023125002", "+493023125001"]), 1),
        ((2, "c1", "Ulm", ["+493023125001", "+493023125002"]), 0),
        ((2, "c2", "Kiel", ["+493023125001", "+493023125002"]), 0),
        ((2, "c1", "Kiel", ["+493023125001", "+493023125003"]), 0),
        ((2, "c1", "Kiel", ["+493023125001"]), 0),
        ((2, "c1", "Kiel", []), 0),
    ],
    ids=["same", "order of numbers", "city", "id", "other number", "a number less", "no number"],
)
@pytest.mark.parametrize("apart", ["one batch", "two batches", "two files"])
def test_a_record_is_a_duplicate_if_all_of_it_is_known(
    tmp_path: Path, second: Contact, duplicates: int, apart: str
) -> None:
    lake = str(tmp_path)
    if apart == "one batch":
        writer = write(lake, "b1", contacts(ONE, second))
    elif apart == "two batches":
        writer = write(lake, "b1", contacts(ONE), contacts(second))
    else:
        write(lake, "b1", contacts(ONE))
        writer = write(lake, "b2", contacts((1, *second[1:])), others=active(lake, "b1"))
    assert writer.rows_duplicate == duplicates


def test_duplicates_are_written_too(lake: str) -> None:
    write(lake, "b1", contacts(ONE))
    writer = write(lake, "b2", contacts(ONE, (2, "c2", "Ulm", [])), others=active(lake, "b1"))
    assert writer.rows_duplicate == 1
    assert read(lake, "contact_record", "b2").num_rows == 2


def test_only_active_batches_of_the_source_count(tmp_path: Path) -> None:
    write(str(tmp_path), "b1", contacts(ONE))
    assert write(str(tmp_path), "b2", contacts(ONE)).rows_duplicate == 0


def test_duplicates_are_counted_in_source_records(lake: str) -> None:
    """A call of three legs that is delivered again is three duplicate records."""
    legs = contacts((1, "c1", "Kiel", []), (4, "c2", "Ulm", []), collapsed={1: 2})
    legs.rows_read = 4
    write(lake, "b1", legs)
    again = contacts((1, "c1", "Kiel", []), (4, "c2", "Bonn", []), collapsed={1: 2})
    again.rows_read = 4
    assert write(lake, "b2", again, others=active(lake, "b1")).rows_duplicate == 3


def test_a_record_of_several_entities_is_new_if_one_of_its_rows_is(tmp_path: Path) -> None:
    def record(city: str) -> Batch:
        batch = contacts((1, "c1", city, []))
        batch.tables["interaction"] = visits(0, 1).tables["interaction"]
        return batch

    files = active(str(tmp_path), "b1")
    files.append(LakeFile("interaction", "crm", "b1", lake_path(str(tmp_path), "crm", "interaction", "b1")))
    write(str(tmp_path), "b1", record("Kiel"))
    assert write(str(tmp_path), "b2", record("Ulm"), others=files).rows_duplicate == 0
    assert write(str(tmp_path), "b3", record("Kiel"), others=files).rows_duplicate == 1


# Cleaning -----------------------------------------------------------------------------------------


def test_nul_characters_are_removed_and_their_records_counted(lake: str) -> None:
    batch = contacts((1, "c1", "Ki\0el\0", ["+49\0"]), (2, "c2", "Ulm", []), (3, "c3", "\0", []))
    writer = write(lake, "b1", batch)
    assert writer.rows_cleaned == 2
    assert read(lake, "contact_record", "b1").column("city").to_pylist() == ["Kiel", "Ulm", ""]
    assert read(lake, "identifier", "b1").column("identifier_value").to_pylist() == ["+49"]


def test_a_slice_is_cleaned_for_its_own_rows_only() -> None:
    whole = contacts((1, "c1", "\0", []), (2, "c2", "Ulm", [])).tables["contact_record"]
    assert clean(whole.slice(1))[1] == set()
    assert clean(whole)[1] == {1}


# Files --------------------------------------------------------------------------------------------


def test_row_groups_are_full_however_small_the_batches(tmp_path: Path) -> None:
    step = 10_000
    writer = write(str(tmp_path), "b1", *(visits(n, n + step) for n in range(0, 2 * ROW_GROUP, step)))
    metadata = pq.ParquetFile(lake_path(str(tmp_path), "crm", "interaction", "b1")).metadata
    groups = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    assert sum(groups) == writer.rows_read
    assert len(groups) == 2
    assert groups[0] >= ROW_GROUP
    found = pq.read_table(lake_path(str(tmp_path), "crm", "interaction", "b1"), partitioning=None)
    assert found.column("row_number").to_pylist() == list(range(1, writer.rows_read + 1))


def test_nothing_is_visible_before_commit_nor_after_abort(lake: str) -> None:
    filesystem, root = fsspec.core.url_to_fs(lake)

    def visible() -> list[str]:
        return [path for path in filesystem.find(root) if path.endswith(".parquet")]

    def left() -> list[str]:
        return list(filesystem.find(root))

    writer = LakeWriter(lake, "crm", "b1", NIGHT, [])
    writer.add(contacts(ONE))
    writer.finish()
    assert visible() == []
    assert len(left()) == 2
    writer.abort()
    assert left() == []
    half = LakeWriter(lake, "crm", "b1", NIGHT, [])
    half.add(visits(0, ROW_GROUP))
    half.add(contacts(ONE))
    half.abort()
    assert left() == []


def test_commit_replaces_what_a_dead_attempt_had_named(tmp_path: Path) -> None:
    lake = str(tmp_path)
    write(lake, "b1", contacts(ONE, rejected=[Rejected("a.csv", 2, "bad_width")]))
    write(lake, "b1", contacts((1, "c9", "Bonn", [])))
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parquet")) == [
        "crm/contact_record/b1.parquet"
    ]
    assert read(lake, "contact_record", "b1").column("source_record_id").to_pylist() == ["c9"]


def test_old_leftovers_are_swept_and_nothing_else(tmp_path: Path) -> None:
    write(str(tmp_path), "b1", contacts(ONE))
    folder = tmp_path / "crm" / "contact_record"
    old, new = folder / ".b2.0a.tmp", folder / ".b3.0b.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1_700_000_000, 1_700_000_000))
    os.utime(folder / "b1.parquet", (1_700_000_000, 1_700_000_000))
    assert sweep(str(tmp_path), datetime.fromtimestamp(time.time() - 3600, UTC)) == 1
    assert sorted(path.name for path in folder.iterdir()) == [".b3.0b.tmp", "b1.parquet"]


# Sample -------------------------------------------------------------------------------------------


def numbered(start: int, stop: int) -> pa.Table:
    return pa.table({"row_number": pa.array(range(start, stop), pa.int64())})


def test_a_sample_within_the_limit_is_everything() -> None:
    sample = Sample(100)
    sample.add("interaction", numbered(1, 51))
    sample.add("interaction", numbered(51, 101))
    assert sample.tables()["interaction"].column("row_number").to_pylist() == list(range(1, 101))


@pytest.mark.parametrize("step", [7, 1_000, 64_000])
def test_a_larger_one_is_thinned_evenly_and_always_the_same_way(step: int) -> None:
    sample = Sample(2_000)
    for start in range(1, 64_001, step):
        sample.add("interaction", numbered(start, min(start + step, 64_001)))
    kept = sample.tables()["interaction"].column("row_number").to_pylist()
    assert 1_000 <= len(kept) <= 2_000
    quarters = [sum(1 for number in kept if low < number <= low + 16_000) for low in range(0, 64_000, 16_000)]
    assert min(quarters) > 0.8 * max(quarters)
    again = Sample(2_000)
    again.add("interaction", numbered(1, 64_001))
    assert kept == again.tables()["interaction"].column("row_number").to_pylist()
