# Every target installs what it needs from the lock; nothing is expected beyond Python 3.11, git and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Itself, not a shim: uv replaces an environment that was made by another path.
INTERPRETER = $(shell $(PYTHON) -c 'import sys; print(sys.executable)')
UV_VERSION := 0.13.9
UV := .local/uv/bin/uv
VENV := .venv
C360 := $(VENV)/bin/c360
export UV_COMPILE_BYTECODE := 1
export C360_HOME := $(CURDIR)

.PHONY: help install demo test test-slow test-long test-spark install-spark parity ui stop lint format clean env docs bench-ingest bench-nightly bench-scale bench-identity bench-identity-events bench-attribution mutants browser

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## the locked environment in .venv

$(UV):
	$(PYTHON) -m venv .local/uv
	.local/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.installed: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --python $(INTERPRETER)
	@touch $@

install-spark: $(VENV)/.installed-spark ## the same with Spark; needs Java 17 on the machine

$(VENV)/.installed-spark: $(VENV)/.installed
	$(UV) sync --frozen --python $(INTERPRETER) --extra spark
	@touch $@

demo: $(if $(filter spark,$(ENGINE)),install-spark,install) ## three nights of a made-up company; ENGINE=postgres or spark
	$(C360) demo $(if $(ENGINE),--engine $(ENGINE))

test: install lint ## lint and every test but the slow ones and Spark's
	$(VENV)/bin/python -m pytest -n logical --dist loadfile --no-loadscope-reorder -m "not slow and not spark and not long"

test-slow: install ## the tests that take minutes: kills under a live scheduler, the demo as a whole
	$(VENV)/bin/python -m pytest -n logical --dist loadfile --no-loadscope-reorder -m "slow and not spark"

test-long: install ## a backfill of thirty nights, in order and shuffled
	$(VENV)/bin/python -m pytest -m long

test-spark: install-spark ## the tests that start a Spark cluster
	$(VENV)/bin/python -m pytest -m spark

browser: ## Chromium for the tests of the attribution page, as root from the distribution
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null || { echo "install Chromium, or set C360_CHROMIUM to its path" >&2; exit 1; }; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; }

parity: install-spark ## the same marts on every engine, row for row; ends with a JSON summary
	@rm -f .local/parity.json
	@status=0; $(VENV)/bin/python -m pytest tests/parity || status=$$?; cat .local/parity.json || status=1; exit $$status

ui: install ## Airflow, the DAGs, the reports and the published data on loopback ports
	$(C360) ui

stop: install ## stop the embedded Postgres and Spark
	$(C360) stop

lint: install ## ruff, mypy, sqlfluff: check only
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/sqlfluff lint --processes 2 dbt_project/models dbt_project/tests

format: install ## let ruff and sqlfluff rewrite
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/sqlfluff fix --processes 2 dbt_project/models dbt_project/tests

env: install ## write .env with fresh secrets for docker-compose.yml
	$(C360) env

bench-ingest: install ## 1 M JSON records into the lake, beside dlt
	$(VENV)/bin/python benchmarks/ingest.py

bench-nightly: install ## a full build at 100k and 1 M interactions on each engine
	$(VENV)/bin/python benchmarks/nightly.py

bench-scale: $(if $(findstring spark,$(ENGINES)),install-spark,install) ## full builds and nights of changes from 100k to 10 M interactions; ENGINES=duckdb,postgres,spark
	$(VENV)/bin/python benchmarks/scale.py $(if $(ENGINES),--engines $(ENGINES))

bench-identity: install ## public data sets of identity resolution, beside Splink and GoldenMatch
	$(VENV)/bin/python benchmarks/identity.py

bench-identity-events: install ## a made-up company's million events and who truly was who; SIZES=1m,10m
	$(VENV)/bin/python benchmarks/identity_events.py $(if $(SIZES),--sizes $(SIZES))

bench-attribution: install ## a million raw paths, beside three packages from PyPI; PATHS=10000 TOUCHES=100000
	$(VENV)/bin/python benchmarks/attribution.py $(if $(PATHS),--paths $(PATHS)) $(if $(TOUCHES),--touches $(TOUCHES))

mutants: install ## changes lines of attribution and lifecycle at random: which do the tests notice? SEED=1 COUNT=20
	$(VENV)/bin/python benchmarks/mutants.py $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT))

clean: ## stop what runs and remove everything that was generated
	@if [ -x $(C360) ]; then $(C360) stop; fi
	rm -rf .local $(VENV) dbt_project/target dbt_project/logs .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
