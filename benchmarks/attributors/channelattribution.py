"""ChannelAttribution's Markov model of first order, as its documentation calls it: model, paths, answer."""

import json
import sys
from pathlib import Path

import ChannelAttribution
import pandas as pd

_, paths, answer = sys.argv[1:]
found = ChannelAttribution.markov_model(
    pd.read_parquet(paths), "path", "conversions", var_value="amount", var_null="nulls", order=1, seed=1, flg_pro=False
)
Path(answer).write_text(
    json.dumps(dict(zip(found["channel_name"], map(float, found["total_conversions"]), strict=True)))
)
