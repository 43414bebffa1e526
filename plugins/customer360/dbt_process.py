"""dbt in a process of its own, on a manifest that was parsed before: `python -m customer360.dbt_process`.

dbt parses its project anew whenever a variable changes, and a night's date changes every night: several seconds that
find the same manifest. Parsing is keyed by what it depends on (`dbt_runner.manifest_key`) instead.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import extended_mashumaro_encoder, extended_mashumuro_decoder


def main(kept: Path, shared: list[str], command: list[str]) -> int:
    """Run `dbt <command>` with the options `shared`; the manifest is read from `kept`, or parsed and kept there.

    Returns dbt's exit code: 0, 1 where a node failed, 2 where dbt could not run; then its reason is printed.
    """
    if kept.exists():
        manifest = Manifest.from_msgpack(kept.read_bytes(), decoder=extended_mashumuro_decoder)
        manifest.build_flat_graph()
    else:
        parsed = dbtRunner().invoke(["parse", *shared])
        if not isinstance(parsed.result, Manifest):
            sys.stdout.write(f"{parsed.exception}\n")
            return 2
        manifest = parsed.result
        _keep(manifest, kept)
    done = dbtRunner(manifest=manifest).invoke([*command, *shared])
    if done.exception is not None:
        sys.stdout.write(f"{done.exception}\n")
        return 2
    return 0 if done.success else 1


def _keep(manifest: Manifest, kept: Path) -> None:
    """Whole or not at all, also where two processes parse at once."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(manifest.to_msgpack(extended_mashumaro_encoder))
    unfinished.replace(kept)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]))
