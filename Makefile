# Tidemark. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# Tests that need no servers, a process for each processor; those of a file stay together.
FAST := $(BIN)/pytest -n logical --dist=loadfile -m "not e2e"
# What pytest ends with if PYTEST_ARGS choose no test of a kind.
NONE_CHOSEN := 5
# What `make test-newest` installs into, beside the locked environment.
NEWEST := .venv-newest
# What `make mutants` installs into: one tool more, which sees all the others.
MUTANT_TOOLS := .venv-mutants
MUTANTS ?=

PIP := -m pip install -q --disable-pip-version-check
# Exact versions with hashes, and wheels only: no build of somebody else's fetches anything beside them.
LOCKED := --require-hashes --only-binary=:all: --no-deps --requirement
# One resolution for all Python versions; what differs between them carries a marker.
RESOLVE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version=3.10 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help install demo test test-newest mutants lock check lint fmt bench bench-promql up down status submit clean

help: ## this list
	@echo "make TARGET, one of:"
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14 | sed 's/^/  /'
	@echo
	@echo "Everything installs into $(VENV) and the cache folder (TIDEMARK_CACHE, by default ~/.cache/tidemark)."

install: $(VENV)/runtime ## Tidemark and what it needs, into .venv; no servers, no tools of the tests
	@echo "installed: $(BIN)/tidemark"

demo: $(VENV)/runtime ## roll up this computer's own metrics and a seeded fleet, no servers; shows a report
	@$(BIN)/tidemark demo $(DEMO_ARGS)

test: $(VENV)/dev ## the whole suite, real servers included (installs and starts what it needs)
	@$(BIN)/tidemark stack install kafka influxdb flink jobserver prism prometheus3
	$(FAST) $(PYTEST_ARGS) || [ $$? -eq $(NONE_CHOSEN) ]
	$(BIN)/pytest -m e2e $(PYTEST_ARGS)

check: lint ## the fast loop: format, lint, types, unit tests
	$(FAST) -q $(PYTEST_ARGS)

test-newest: $(NEWEST)/python ## the fast suite on the newest releases that setup.py allows, to meet drift on purpose
	@echo "installing the newest releases into $(NEWEST) ..."
	@$(NEWEST)/bin/python $(PIP) --upgrade --upgrade-strategy=eager -e '.[dev]'
	@sed -n 's/^\([^ ]*==[^ ]*\).*/\1/p' requirements.lock > $(NEWEST)/locked
	@echo "other than in requirements.lock:"
	@$(NEWEST)/bin/python -m pip freeze --exclude-editable | tr A-Z_ a-z- | grep -vxFf $(NEWEST)/locked || echo "nothing"
	$(NEWEST)/bin/pytest -q -m "not e2e" --deselect=tests/test_lock.py::test_what_is_installed_is_what_is_locked $(PYTEST_ARGS)

mutants: $(MUTANT_TOOLS)/mutmut ## what no fast test notices of changed code (hours; MUTANTS='transforms.windows.cut*' for a part)
	nice $(MUTANT_TOOLS)/bin/python -m tests.mutants $(MUTANTS)

lock: $(VENV)/dev ## resolve requirements.lock anew: the newest releases that setup.py allows, for Python 3.10 to 3.12
	@$(RESOLVE) setup.py --output-file=$(VENV)/lock.runtime
	@$(RESOLVE) setup.py --extra=dev --constraint=$(VENV)/lock.runtime --output-file=$(VENV)/lock.tools \
		$$(sed -n 's/==.*//p' $(VENV)/lock.runtime | sort -u | sed 's/^/--no-emit-package=/')
	@{ echo "# What is installed: exact versions with hashes, for Python 3.10 to 3.12. Made by 'make lock'; do not edit."; \
		cat $(VENV)/lock.runtime; \
		echo "# Tools of the tests: what runs a job ends above this line."; \
		cat $(VENV)/lock.tools; } > $(VENV)/lock
	@mv $(VENV)/lock requirements.lock
	@echo mutmut | $(RESOLVE) - --constraint=requirements.lock --output-file=tests/mutants/requirements.lock
	@git --no-pager diff --stat -- requirements.lock tests/mutants/requirements.lock

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
	rm -rf $(VENV) $(NEWEST) $(MUTANT_TOOLS) mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-out build *.egg-info

$(VENV)/python $(NEWEST)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 10) <= v < (3, 13) else f"Python 3.10 to 3.12 is needed, {sys.executable} is {v[0]}.{v[1]}; say which: make PYTHON=python3.11")'
	@echo "making the virtual environment $(@D) ..."
	@$(PYTHON) -m venv $(@D)
	@touch $@

$(VENV)/runtime: setup.py requirements.lock $(VENV)/python
	@echo "installing Tidemark and what it needs (a minute or two, once) ..."
	@sed '/^# Tools of the tests/,$$d' requirements.lock > $(VENV)/runtime.lock
	@$(BIN)/python $(PIP) $(LOCKED) $(VENV)/runtime.lock
	@$(BIN)/python $(PIP) --no-deps --no-build-isolation -e .
	@$(BIN)/python -m pip check -q
	@touch $@

$(VENV)/dev: $(VENV)/runtime
	@echo "installing the tools of the tests ..."
	@$(BIN)/python $(PIP) $(LOCKED) requirements.lock
	@touch $@

$(MUTANT_TOOLS)/mutmut: $(VENV)/dev
	@$(PYTHON) -m venv $(MUTANT_TOOLS)
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> "$$($(MUTANT_TOOLS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	@$(MUTANT_TOOLS)/bin/python $(PIP) $(LOCKED) tests/mutants/requirements.lock
	@touch $@
