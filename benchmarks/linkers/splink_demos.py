"""Profiles of one data set through Splink 5 with the settings its documentation shows for that set:
`splink_demos.py <set> <profiles> <clusters> <threshold>`. `threshold` is `documented` or a probability."""

from __future__ import annotations

import sys

import duckdb
import splink.comparison_library as cl
from splink import ColumnExpression, DuckDBAPI, Linker, SettingsCreator, block_on

RARE = {"term_frequency_adjustments": True}
FEBRL_DATE = {"input_is_string": True, "datetime_format": "%Y%m%d"}
# Set → comparisons, blocking rules, deterministic rules, their recall, random pairs, training rules, threshold.
FEBRL3 = (
    [
        cl.NameComparison("given_name"),
        cl.NameComparison("surname"),
        cl.DateOfBirthComparison("date_of_birth", **FEBRL_DATE),
        cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2]),
        cl.ExactMatch("street_number").configure(**RARE),
        cl.ExactMatch("postcode").configure(**RARE),
    ],
    [block_on(column) for column in ("soc_sec_id", "given_name", "surname", "date_of_birth", "postcode")],
    [
        block_on("soc_sec_id"),
        block_on("given_name", "surname", "date_of_birth"),
        "l.given_name = r.surname and l.surname = r.given_name and l.date_of_birth = r.date_of_birth",
    ],
    0.9,
    1e6,
    [block_on("date_of_birth"), block_on("postcode")],
    0.2,
)
FEBRL4 = (
    [
        cl.NameComparison("given_name").configure(**RARE),
        cl.NameComparison("surname").configure(**RARE),
        cl.DateOfBirthComparison("date_of_birth", invalid_dates_as_null=True, **FEBRL_DATE),
        cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
        cl.ExactMatch("street_number").configure(**RARE),
        cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]).configure(**RARE),
    ],
    [
        block_on("given_name", "surname"),
        "l.given_name = r.surname and l.surname = r.given_name",
        block_on("date_of_birth"),
        block_on("soc_sec_id"),
        block_on("state", "address_1"),
        block_on("street_number", "address_1"),
        block_on("postcode"),
    ],
    [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")],
    0.8,
    1e6,
    [block_on("date_of_birth"), block_on("postcode")],
    0.99,
)
HIST50K = (
    [
        cl.ForenameSurnameComparison("first_name", "surname", forename_surname_concat_col_name="both_names"),
        cl.DateOfBirthComparison("dob", input_is_string=True),
        cl.PostcodeComparison("postcode_fake"),
        cl.ExactMatch("birth_place").configure(**RARE),
        cl.ExactMatch("occupation").configure(**RARE),
    ],
    [
        block_on("substr(first_name,1,3)", "substr(surname,1,4)"),
        block_on("surname", "dob"),
        block_on("first_name", "dob"),
        block_on("postcode_fake", "first_name"),
        block_on("postcode_fake", "surname"),
        block_on("dob", "birth_place"),
        block_on("substr(postcode_fake,1,3)", "dob"),
        block_on("substr(postcode_fake,1,3)", "first_name"),
        block_on("substr(postcode_fake,1,3)", "surname"),
        block_on("substr(first_name,1,2)", "substr(surname,1,2)", "substr(dob,1,4)"),
    ],
    [
        block_on("first_name", "surname", "dob"),
        block_on("substr(first_name,1,2)", "surname", "substr(postcode_fake,1,2)"),
        block_on("dob", "postcode_fake"),
    ],
    0.6,
    1e7,
    [block_on("first_name", "surname"), block_on("dob")],
    0.95,
)
FAKE1000 = (
    [
        cl.NameComparison("first_name"),
        cl.NameComparison("surname"),
        cl.LevenshteinAtThresholds(ColumnExpression("dob").cast_to_string(), 1),
        cl.ExactMatch("city").configure(**RARE),
        cl.EmailComparison("email"),
    ],
    [block_on("first_name", "city"), block_on("surname"), block_on("dob")],
    [
        block_on("first_name", "dob"),
        "l.first_name = r.first_name and levenshtein(r.surname, l.surname) <= 2",
        block_on("email"),
    ],
    0.7,
    2e6,
    [block_on("first_name", "surname"), block_on("dob")],
    0.2,
)
SETS = {"febrl3": FEBRL3, "febrl4": FEBRL4, "hist50k": HIST50K, "fake1000": FAKE1000}


def main() -> None:
    _, name, given, taken, asked = sys.argv
    compared, blocked, certain, recall, drawn, taught, documented = SETS[name]
    threshold = documented if asked == "documented" else float(asked)
    engine = duckdb.connect()
    names = ", first_name || ' ' || surname as both_names" if name == "hist50k" else ""
    engine.execute(f"create table profiles as select *{names} from read_parquet('{given}')")
    api = DuckDBAPI(connection=engine)
    if name == "febrl4":
        sides = [engine.sql(f"select * exclude source from profiles where source = '{side}'") for side in ("a", "b")]
    else:
        sides = [engine.sql("from profiles")]
    linker = Linker(
        [api.register(side) for side in sides] if len(sides) > 1 else api.register(sides[0]),
        SettingsCreator(
            unique_id_column_name="id",
            link_type="link_only" if len(sides) > 1 else "dedupe_only",
            comparisons=compared,
            blocking_rules_to_generate_predictions=blocked,
        ),
    )
    linker.training.estimate_probability_two_random_records_match(certain, recall=recall)
    linker.training.estimate_u_using_random_sampling(max_pairs=drawn, seed=2)
    for rule in taught:
        linker.training.estimate_parameters_using_expectation_maximisation(
            rule, estimate_without_term_frequencies=name in ("febrl4", "hist50k")
        )
    predicted = linker.inference.predict(threshold_match_probability=min(threshold, 0.2))
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        predicted, threshold_match_probability=threshold
    )
    engine.execute(f"copy (select id, cluster_id as cluster from {clusters.physical_name}) to '{taken}'")


if __name__ == "__main__":
    main()
