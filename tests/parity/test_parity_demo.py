"""The demo company, its three nights read from its files, gives the same marts on every engine, row for row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from customer360 import ingest, nightly, postgres
from customer360.demo.company import deliver, write_company
from customer360.engines import open_engine
from customer360.ops import migrate
from customer360.settings import Settings
from customer360.sources import load_sources
from customer360.times import parse_as_of
from parity.compare import MARTS, Compared, Marts, MartsByEngine, read_marts
from parity.conftest import ENGINES, EngineSettings

FIRST_NIGHT = date(2026, 3, 2)
NIGHTS = 3
CUSTOMERS = 120


class Company(MartsByEngine):
    """One lake, ledger and identity registry; every engine builds the last night when first asked for.

    DuckDB does so as a slice, on the night before, so that customers of then are found to be one.
    """

    def __init__(self, settings: EngineSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.settings = settings
        self._monkeypatch = monkeypatch
        before, self.as_of = _read_nights(settings["duckdb"])[-2:]
        self._night(settings["duckdb"], before)

    def build(self, engine: str) -> Marts:
        settings = self.settings[engine]
        self._night(settings, self.as_of)
        with open_engine(settings) as opened:
            return read_marts(opened)

    def _night(self, settings: Settings, as_of: datetime) -> None:
        self._monkeypatch.setenv("C360_ENGINE", settings.engine)
        self._monkeypatch.setenv("C360_ENGINE_URL", settings.engine_url or "")
        night = nightly.begin(as_of, "test")
        for step in (nightly.stage, nightly.identify, nightly.transform):
            night = step(night)


@pytest.fixture(scope="module")
def company(
    cluster: Settings, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Company]:
    local = tmp_path_factory.mktemp("demo_company")
    url = postgres.database_url(cluster, "parity_demo")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("C360_LANDING", "C360_LAKE", "C360_SOURCES", "C360_ENGINE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"C360_LOCAL": local, "C360_SERVING_URL": url, "C360_THREADS": 2}.items():
            monkeypatch.setenv(name, str(value))
        settings = Settings.from_env()
        with postgres.connect(settings, application_name="test") as connection:
            migrate(connection)
        yield Company(EngineSettings(settings, request), monkeypatch)


def _read_nights(settings: Settings) -> list[datetime]:
    """Every night's files into the lake, each as of its night; the nights."""
    config = load_sources(settings.sources)
    days = [FIRST_NIGHT + timedelta(days=index) for index in range(NIGHTS)]
    nights = [parse_as_of(day.isoformat(), config.timezone) for day in days]
    landing, truth = Path(settings.landing), settings.local / "truth"
    plan = write_company(landing, truth, customers=CUSTOMERS, first_night=FIRST_NIGHT, nights=NIGHTS)
    for index, as_of in enumerate(nights):
        deliver(plan, index)
        for source in config.sources.values():
            ingest.ingest_source(settings, source, as_of, config.own)
    return nights


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_engines_agree_on_the_demo_company(engine: str, company: Company, compared: Compared) -> None:
    first, second = company["duckdb"], company[engine]
    assert tuple(sorted(first)) == tuple(sorted(second)) == MARTS
    found = {mart: compared.differing("demo company", engine, mart, first[mart], second[mart]) for mart in MARTS}
    assert not any(found.values()), found
