# One command a task. The first one builds .venv from the lock; later ones reuse it. Nothing outside this folder is touched.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
export UV_CACHE_DIR := $(CURDIR)/.venv/cache
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONPATH :=

.PHONY: help demo test check proto release accept screenshots bench fuzz nemesis lock clean
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*##  *' '/^[a-z]+:.*##/ { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/ready  ## three merged provinces push, are reconciled, two registries pull (ARGS="--exit --json report.json")
	@$(BIN)/lienthong demo $(ARGS)

test: .venv/ready  ## all tests, on a real PostgreSQL, real sockets and a real Airflow (ARGS="tests/adapters -k dates", "-n 0" in one process)
	$(BIN)/python -m pytest $(ARGS)

check: .venv/ready  ## format, lint, types, layers, generated code, the contract against the released one, lock
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m gateway.generating --check
	$(BIN)/python -m gateway.contract
	@! grep -nE '(https?|file)://' requirements.lock bootstrap.lock || { echo 'A lock file names an address.'; exit 1; }

proto: .venv/ready  ## the generated code in gateway/v1, from proto/
	$(BIN)/python -m gateway.generating

release: .venv/ready  ## make the present contract the released one, which later ones may only add to
	$(BIN)/python -m gateway.contract --release

accept: .venv/ready  ## rewrite the golden files and generated pages; read the diff before you commit it
	$(BIN)/python -m pytest --accept -m accepts $(ARGS)

screenshots: .venv/ready  ## pictures of the console's pages, into docs/console
	$(BIN)/python -m pytest -n 0 tests/gateway/console/screenshots.py

bench: .venv/ready  ## speed, each figure beside the limit of this machine in the same run
	$(BIN)/python -m tests.benchmarks $(ARGS)

fuzz: .venv/ready  ## files no system would send, through every reader; what it learns is kept (ARGS="--seconds 600 insurance-dbf")
	$(BIN)/python -m tests.fuzzing $(ARGS)

nemesis: .venv/ready  ## real processes killed, stopped, cut off; histories checked (ARGS="--seeds 200 --first-seed 1")
	$(BIN)/python -m tests.nemesis $(ARGS)

lock: .venv/ready  ## renew requirements.lock and bootstrap.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra dev pyproject.toml --output-file requirements.lock
	echo uv | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate - --output-file bootstrap.lock

clean:  ## remove the environment and all local data
	rm -rf .venv .lienthong

.venv/ready: requirements.lock bootstrap.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --no-cache-dir --require-hashes -r bootstrap.lock
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
