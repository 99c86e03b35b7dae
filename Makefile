# Everything a person does here. `make help` lists the targets.

BIN := .venv/bin
STAMP := .venv/.fillstream-stamp
# python3 if it is recent enough, or the newest of its kind
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; done)

.PHONY: help setup demo simulate chaos soak up test mutants check fmt bench profile bench-compare
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv, fetch the broker's jars, compile what is compiled (the other targets do it by themselves)
	@$(BIN)/fillstream jars
	@$(BIN)/python -m schemas.build || true
	@$(BIN)/python -m analytics.build || true

demo: setup ## Run the whole system on 20,000 commands and check every one: the two-minute tour
	@$(BIN)/fillstream demo $(ARGS)

chaos: setup ## Twenty minutes of kills, stalls and cut cables on the whole system: nothing lost, nothing twice
	@$(BIN)/fillstream chaos $(ARGS)

soak: setup ## Half an hour at a steady load: does a worker, gateway or sink grow? ARGS="--minutes 5" for less
	@$(BIN)/fillstream soak $(ARGS)

simulate: setup ## Live through two thousand worlds with every fault there is, in one thread each; SEEDS=100 for fewer
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),2000) $(ARGS)

up: setup ## Run everything on this machine until Ctrl-C; var/endpoints.json says where it answers
	@$(BIN)/fillstream up $(ARGS)

test: setup ## Run all tests, with a real broker, venue and ClickHouse among them
	@docker/prometheus/install.sh
	@$(BIN)/pytest --numprocesses=2 $(ARGS)

mutants: setup ## Remove our own guards one at a time, and see that a test notices each
	@$(BIN)/python -m tests.mutants $(ARGS)

check: $(STAMP) ## Lint, format, types, layers, tidiness: what a commit must pass
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q tests/test_tidy.py

fmt: $(STAMP) ## Format, and mend what the linter can
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: setup ## Measure how fast it is, Kafka Streams and others beside it; QUICK=1 for less of everything
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(ARGS)

profile: setup ## Where a worker's time goes: a flame graph and a table, in var/bench
	@$(BIN)/python -m benchmarks.profile $(ARGS)

bench-compare: setup ## Old and new in turn, as ratios: make bench-compare BASE=<commit>
	@test -n "$(BASE)" || { echo "say what to compare with: make bench-compare BASE=<commit>" >&2; exit 2; }
	@$(BIN)/python -m benchmarks.compare $(BASE) $(ARGS)

# The locks pin every dependency by hash. pip says what it does only where it fails.
$(STAMP): requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "fillstream needs Python 3.11 or later, and there is none on PATH: install it," \
		"or say make PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "Setting up .venv with $(PYTHON): the first time, this takes a minute or two"
	@$(PYTHON) -m venv .venv || { echo "python3-venv is missing? (Debian, Ubuntu: apt install python3-venv)" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $@
