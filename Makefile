# Two commands do everything on a machine with Python 3.11+ and make: `make sweep` and `make test`.
#
#   make test PYTHON=python3.12          the interpreter .venv is made with
#   make test PIP_ARGS="..."             options for pip. PyTorch's default wheel for Linux brings CUDA along; to save
#                                        the download, name PyTorch's CPU index here (--extra-index-url ...)
#   make unit PYTEST_ARGS="-k splits"    options for pytest
#   make test PYTEST_WORKERS=4           processes that share the tests; most of the time some wait for others
#   make bench BENCH_ARGS="..."          options for the benchmarks

PYTHON ?= python3
PIP_ARGS ?=
PYTEST_ARGS ?=
PYTEST_WORKERS ?= 3
BENCH_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export RAY_USAGE_STATS_ENABLED := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help venv sweep test unit lint types format bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(INSTALLED) ## .venv with raytrain and its development tools, at the versions of constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(PIP_ARGS) --editable '.[dev]'
	@touch $@

sweep: venv ## the main job: a small sweep on the embedded data, ending in a leaderboard
	$(BIN)/raytrain tune search_spaces/quick.yaml

test: venv ## every test
	$(BIN)/pytest --numprocesses $(PYTEST_WORKERS) $(PYTEST_ARGS)

unit: venv ## the fast tests and the doctests: nothing that starts Ray
	$(BIN)/pytest --numprocesses $(PYTEST_WORKERS) --ignore=tests/ray --ignore=tests/integration $(PYTEST_ARGS)

lint: venv ## ruff: rules and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: venv ## mypy, strict
	$(BIN)/mypy

format: venv ## apply ruff's fixes and formatting
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: venv ## speed and memory against hand-written loops and plain Ray Tune
	$(BIN)/python tests/benchmarks/run.py $(BENCH_ARGS)

clean: ## remove .venv, caches and build outputs; runs/ stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find raytrain tests -name __pycache__ -type d -prune -exec rm -rf {} +
