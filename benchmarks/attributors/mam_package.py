"""marketing-attribution-models (MAM), as its documentation calls it: model, paths, answer."""

import json
import sys
from pathlib import Path

import polars
from mam import MAM

model, paths, answer = sys.argv[1:]
data = polars.read_parquet(paths).with_columns(
    (polars.col("conversions") == 1).alias("is_won"), polars.lit(1).alias("occurrences")
)
mam = MAM(
    data,
    format_type="grouped_journey",
    channels_colname="path",
    journey_with_conv_colname="is_won",
    occurrences_colname="occurrences",
)
# A channel that follows itself is a transition of its own, as in the exact answer; Shapley as it is by default.
result = mam.run_markov(transition_to_same_state=True) if model == "markov" else mam.run_shapley()
found = result.to_polars()
Path(answer).write_text(json.dumps(dict(zip(found["channels"], map(float, found["attribution"]), strict=True))))
