"""mta, as its documentation calls it: model, paths, answer."""

import json
import sys
from pathlib import Path

import pandas as pd
from mta import MTA

model, paths, answer = sys.argv[1:]
data = pd.read_parquet(paths).groupby("path", as_index=False).sum()
data = data.rename(
    columns={"conversions": "total_conversions", "nulls": "total_null", "amount": "total_conversion_value"}
)
data["exposure_times"] = data["path"].map(lambda path: " > ".join(str(n) for n in range(1, 1 + path.count(">") + 1)))
mta = MTA(data=data, allow_loops=True, add_timepoints=False)
found = mta.markov(sim=False) if model == "markov" else mta.shapley(max_coalition_size=2)
shares = found.attribution[model]
won = float(data["total_conversions"].sum())
whole = float(sum(shares.values()))
Path(answer).write_text(json.dumps({name: float(value) / whole * won for name, value in shares.items()}))
