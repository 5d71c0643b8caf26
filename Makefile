# Tidemark. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check lint fmt bench bench-promql up down status submit clean

help: ## this list
	@echo "make TARGET, one of:"
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14 | sed 's/^/  /'
	@echo
	@echo "Everything installs into $(VENV) and the cache folder (TIDEMARK_CACHE, by default ~/.cache/tidemark)."

demo: $(VENV)/runtime ## roll up this computer's own metrics and a seeded fleet, no servers; shows a report
	@$(BIN)/tidemark demo $(DEMO_ARGS)

test: $(VENV)/dev ## the whole suite, real servers included (installs and starts what it needs)
	@$(BIN)/tidemark stack install kafka influxdb flink jobserver prism prometheus3
	$(BIN)/pytest $(PYTEST_ARGS)

check: lint ## the fast loop: format, lint, types, unit tests
	$(BIN)/pytest -q -m "not e2e" $(PYTEST_ARGS)

lint: $(VENV)/dev ## format, lint and types only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fmt: $(VENV)/dev ## format, and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev ## the metrics job beside Flink SQL, on the same topic in the same run
	$(BIN)/python -m benchmarks.metrics $(BENCH_ARGS)

bench-promql: $(VENV)/dev ## the PromQL engine beside a real Prometheus with the same data
	@$(BIN)/tidemark stack install prometheus3
	$(BIN)/python -m benchmarks.promql $(BENCH_ARGS)

up: $(VENV)/runtime ## start the local stack: Kafka, Flink, Beam's job server and workers, InfluxDB
	@$(BIN)/tidemark stack up

down: $(VENV)/runtime ## stop the local stack; its data stay
	@$(BIN)/tidemark stack down

status: $(VENV)/runtime ## what of the local stack runs, and where
	@$(BIN)/tidemark stack status

submit: $(VENV)/runtime ## submit the metrics job to the local stack's Flink
	@$(BIN)/tidemark submit metrics $(SUBMIT_ARGS)

clean: ## remove the virtual environment and what tools left behind; the cache and the stack's data stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-out build *.egg-info

$(VENV)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 10) <= v < (3, 13) else f"Python 3.10 to 3.12 is needed, {sys.executable} is {v[0]}.{v[1]}; say which: make PYTHON=python3.11")'
	@echo "making the virtual environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/runtime: setup.py $(VENV)/python
	@echo "installing Tidemark and what it needs (a minute or two, once) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/dev: setup.py $(VENV)/runtime
	@echo "installing the tools of the tests ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@
