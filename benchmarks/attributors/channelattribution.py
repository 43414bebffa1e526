"""ChannelAttribution's Markov model of first order, as its documentation calls it: model, paths, answer."""

import json
import sys
from pathlib import Path

import ChannelAttribution
import pandas as pd

model, paths, answer = sys.argv[1:]
if model != "markov":
    sys.exit("ChannelAttribution has no Shapley model")
data = pd.read_parquet(paths).groupby("path", as_index=False).sum()
found = ChannelAttribution.markov_model(
    data, var_path="path", var_conv="conversions", var_value="amount", var_null="nulls", order=1, seed=1
)
Path(answer).write_text(
    json.dumps(dict(zip(found["channel_name"], map(float, found["total_conversions"]), strict=True)))
)
