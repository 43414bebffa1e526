"""The models' unit tests on every engine, and their documentation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from customer360.attribution import markov
from customer360.attribution.config import load
from customer360.dbt_runner import manifest_path, run_dbt, target_path
from customer360.engines import open_engine
from customer360.settings import Settings, project_root
from parity.adversarial import AS_OF
from parity.standin import write_identity

ENGINES = ("duckdb", "postgres")
NIGHT = {"as_of": f"{AS_OF:%Y-%m-%d %H:%M:%S}"} | load(project_root() / "dags" / "attribution.yml").as_vars()
UNIT_TESTS = 149  # written down, so that a lost one is noticed


@pytest.fixture(scope="module", params=ENGINES)
def built(request: pytest.FixtureRequest, engine_settings: dict[str, Settings]) -> Settings:
    """An engine with every model of a company that nobody has been in touch with yet."""
    settings = engine_settings[request.param]
    with open_engine(settings) as engine:
        engine.stage([])
        engine.release()
        run_dbt(settings, engine, "build", select="+tag:identity_input", vars=NIGHT)
        write_identity(engine, AS_OF)
        engine.write("attribution", "markov", markov.SCHEMA.empty_table())
        engine.release()
        nodes = run_dbt(settings, engine, "build", vars=NIGHT).nodes
    # An exposure is nothing to build.
    assert {each.status for each in nodes if not each.unique_id.startswith("exposure.")} == {"success", "pass"}
    # A night asserts its data; what proves the SQL is no part of it.
    assert not [node.unique_id for node in nodes if node.unique_id.startswith("unit_test.")]
    return settings


def _manifest(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(manifest_path(settings).read_text("utf-8"))
    return found


def test_every_unit_test_of_the_models_passes(built: Settings) -> None:
    with open_engine(built) as engine:
        nodes = run_dbt(built, engine, "test", select="test_type:unit", vars=NIGHT).nodes
    assert {node.status for node in nodes} == {"pass"}
    assert len({node.unique_id for node in nodes}) == UNIT_TESTS


def test_every_model_with_a_rule_has_a_unit_test(built: Settings) -> None:
    manifest = _manifest(built)
    tested = {test["model"] for test in manifest["unit_tests"].values()}
    models = {node["name"] for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    # What only renames columns, and what has no rows until it is published.
    assert models - tested == {
        "attribution_restated_conversions",
        "attribution_restatements",
        "attribution_markov",
        "fct_interactions",
        "identifier",
        "int_identity__record_identifier",
        "marketing__lifecycle_daily",
        "marketing__lifecycle_flow",
        "marketing__lifecycle_funnel",
        "marketing__source_agreement",
        "marketing__source_quality",
    }


def test_a_tally_counts_what_a_slice_replaces(built: Settings) -> None:
    nodes = _manifest(built)["nodes"]
    tallies = {key: node for key, node in nodes.items() if "tally" in node["config"]["meta"]}
    assert tallies
    for key, node in tallies.items():
        assert "tally" in node["tags"], key
        read = [nodes[name] for name in node["depends_on"]["nodes"] if name in nodes]
        assert not [each["name"] for each in read if "whole" in each["tags"]], key
        assert {each["config"]["meta"]["slice"] for each in read if "slice" in each["config"]["meta"]} <= {
            "customer_id"
        }


def test_the_documentation_builds_and_describes_every_column_of_every_mart(built: Settings) -> None:
    with open_engine(built) as engine:
        run_dbt(built, engine, "docs", "generate", "--static", vars=NIGHT)
    assert (target_path(built) / "static_index.html").stat().st_size > 1_000_000
    catalog = json.loads((target_path(built) / "catalog.json").read_text("utf-8"))
    marts = {key: node for key, node in _manifest(built)["nodes"].items() if "marts" in node["tags"]}
    marts = {key: node for key, node in marts.items() if node["resource_type"] == "model"}
    assert len(marts) == 32
    for key, node in marts.items():
        described = {name for name, column in node["columns"].items() if column["description"].strip()}
        assert node["description"].strip(), node["name"]
        assert described == set(catalog["nodes"][key]["columns"]), node["name"]
