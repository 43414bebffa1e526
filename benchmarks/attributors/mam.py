"""marketing-attribution-models (MAM), as its documentation calls it: model, paths, answer."""

import json
import sys
from pathlib import Path

import pandas as pd
from marketing_attribution_models import MAM

model, paths, answer = sys.argv[1:]
data = pd.read_parquet(paths)
data["is_won"] = data["conversions"] == 1
data["id"] = range(len(data))
mam = MAM(
    data,
    group_channels=False,
    channels_colname="path",
    journey_with_conv_colname="is_won",
    conversion_value="amount",
    path_separator=" > ",
)
result = mam.attribution_markov(transition_to_same_state=True) if model == "markov" else mam.attribution_shapley(size=4)
found = mam.group_by_channels_models
column = next(name for name in found.columns if model in name)
totals = dict(zip(found["channels"], map(float, found[column]), strict=True))
won = float(data["conversions"].sum())
whole = sum(totals.values())
Path(answer).write_text(json.dumps({name: value / whole * won for name, value in totals.items()}))
