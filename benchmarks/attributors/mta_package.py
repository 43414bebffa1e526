"""mta, as its documentation calls it: model, paths, answer."""

import json
import sys
from pathlib import Path

import pandas as pd
from mta import MTA

model, paths, answer = sys.argv[1:]
data = pd.read_parquet(paths).groupby("path", as_index=False).sum()  # equal paths once, as its sample has them
data = data.rename(columns={"conversions": "total_conversions", "nulls": "total_null"})
mta = MTA(data=data, allow_loops=True, add_timepoints=False)
# Its simulation takes hours for a million journeys in Python; this is its analytical way, its default.
found = mta.markov() if model == "markov" else mta.shapley()
shares = found.attribution[model]
won = float(data["total_conversions"].sum())
whole = float(sum(shares.values()))
Path(answer).write_text(json.dumps({name: float(value) / whole * won for name, value in shares.items()}))
