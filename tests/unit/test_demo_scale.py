"""Lakes of any size: by the contracts, keyed as the lake keys, and the same for the same seed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from customer360 import ledger, postgres
from customer360.contracts import ENTITIES, lake_schema
from customer360.demo.scale import AS_OF, SPAN, ScaleLake, account, write_lake, write_night
from customer360.engines.base import LakeFile
from customer360.keys import identifier_key, record_key
from customer360.settings import Settings

INTERACTIONS, CUSTOMERS = 20_000, 2_000


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> ScaleLake:
    return write_lake(tmp_path_factory.mktemp("scale"), INTERACTIONS, CUSTOMERS)


def rows(lake: ScaleLake, entity: str) -> pa.Table:
    return joined([file for file in lake.files if file.entity == entity])


def joined(files: list[LakeFile]) -> pa.Table:
    return pa.concat_tables([pq.ParquetFile(file.path).read() for file in files], promote_options="permissive")


def test_every_entity_has_the_schema_of_the_contracts(lake: ScaleLake) -> None:
    assert {file.entity for file in lake.files} == set(ENTITIES)
    for file in lake.files:
        schema = pq.ParquetFile(file.path).schema_arrow
        assert [(each.name, each.type) for each in schema] == [
            (each.name, each.type) for each in lake_schema(file.entity)
        ]
        assert Path(file.path).parts[-3:-1] == (file.source, file.entity)


def test_required_columns_are_filled_and_keys_are_the_lakes(lake: ScaleLake) -> None:
    for entity in ENTITIES:
        table = rows(lake, entity)
        for column in lake_schema(entity):
            assert column.nullable or not table[column.name].null_count, (entity, column.name)
        for row in table.slice(0, 500).to_pylist():
            kind = row["record_kind"] if entity in {"contact_record", "identifier"} else entity
            assert row["record_key"] == record_key(row["source"], kind, row["source_record_id"])
            if entity == "identifier":
                assert row["identifier_key"] == identifier_key(row["identifier_type"], row["identifier_value"])


def test_records_are_as_many_as_asked_for_and_told_apart(lake: ScaleLake) -> None:
    found = rows(lake, "interaction")
    assert found.num_rows == len(set(found["record_key"].to_pylist())) == INTERACTIONS
    assert min(found["occurred_at"].to_pylist()) >= AS_OF - SPAN - timedelta(seconds=1)
    assert max(found["occurred_at"].to_pylist()) < AS_OF
    for file in (each for each in lake.files if each.entity == "interaction"):
        numbers = pq.ParquetFile(file.path).read(["row_number"])["row_number"].to_pylist()
        assert numbers == sorted(set(numbers))


def test_every_identifier_belongs_to_a_record(lake: ScaleLake) -> None:
    records = {key for entity in ("contact_record", "interaction", "opportunity", "sales_order")
               for key in rows(lake, entity)["record_key"].to_pylist()}  # fmt: skip
    identifiers = rows(lake, "identifier")
    assert set(identifiers["record_key"].to_pylist()) <= records
    bots = rows(lake, "interaction").filter(pa.compute.field("interaction_class") == "bot")
    assert bots.num_rows > 500
    assert not set(bots["record_key"].to_pylist()) & set(identifiers["record_key"].to_pylist())


def test_contacts_are_skewed_and_lines_are_shared(lake: ScaleLake) -> None:
    identifiers = rows(lake, "identifier")
    with duckdb.connect() as engine:
        engine.register("i", identifiers)
        top, people = engine.execute(
            "select sum(n) filter (where place <= 0.2 * everybody) / sum(n), max(everybody) from (select count(*) as n,"
            " row_number() over (order by count(*) desc) as place, count(*) over () as everybody"
            " from i where identifier_type = 'cookie' group by identifier_value)"
        ).fetchone() or (0, 0)
        (shared,) = engine.execute(
            "select count(*) from (select identifier_value from i where record_kind = 'interaction' and"
            " identifier_value like '+4930%' group by 1 having count(*) > 1)"
        ).fetchone() or (0,)
    assert top > 0.3
    assert people > CUSTOMERS / 2
    assert shared > 50


def test_the_same_seed_gives_the_same_rows(lake: ScaleLake, tmp_path: Path) -> None:
    again, other = (
        write_lake(tmp_path / "a", INTERACTIONS, CUSTOMERS),
        write_lake(tmp_path / "b", INTERACTIONS, CUSTOMERS, 8),
    )
    for entity in ENTITIES:
        assert rows(again, entity).equals(rows(lake, entity)), entity
    assert not rows(other, "interaction").equals(rows(lake, "interaction"))


def test_a_night_adds_a_share_of_the_contacts(tmp_path: Path) -> None:
    lake = write_lake(tmp_path, INTERACTIONS, CUSTOMERS)
    night = write_night(lake, 2, 0.01)
    found = joined([file for file in night if file.entity == "interaction"])
    day = timedelta(days=1)
    assert found.num_rows == INTERACTIONS // 100
    assert set(found["loaded_as_of"].to_pylist()) == {AS_OF + 2 * day}
    assert min(found["occurred_at"].to_pylist()) >= AS_OF + day
    assert max(found["occurred_at"].to_pylist()) < AS_OF + 2 * day
    assert not set(found["record_key"].to_pylist()) & set(rows(lake, "interaction")["record_key"].to_pylist())
    assert not {file.path for file in night} & {file.path for file in lake.files}


def test_a_lake_in_the_ledger_is_what_a_night_stages(settings: Settings) -> None:
    lake = write_lake(Path(settings.lake), 500, 50)
    night = write_night(lake, 1, 0.1)
    day = timedelta(days=1)
    with postgres.connect(settings, application_name="test") as connection:
        assert account(connection, lake.files, AS_OF) == 7
        assert account(connection, night, AS_OF + day) == 5
        first, second = (ledger.active_files(connection, settings, AS_OF + n * day) for n in (0, 1))
        total = ledger.night_totals(connection, "web_snowplow", AS_OF)
        with pytest.raises(ValueError, match="already"):
            account(connection, lake.files, AS_OF)
    filled = {file for file in (*lake.files, *night) if pq.read_metadata(file.path).num_rows}
    assert set(first) == filled & set(lake.files)
    assert set(second) == filled
    web = [file for file in lake.files if (file.source, file.entity) == ("web_snowplow", "interaction")]
    assert total["rows_read"] == total["rows_loaded"] == joined(web).num_rows


def test_an_empty_lake_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        write_lake(tmp_path, 0, 10)
