# Every target creates .venv first if it is absent, then installs what it needs, once:
# a stamp in .venv is newer than pyproject.toml and constraints.txt, or pip runs again.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:  # two pips must not write to one environment
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
# Bytecode is written by the first import of a module: compiling all that is installed, most of it never
# imported, would double the time that an installation takes.
PIP := $(BIN)/python -m pip install -qq --no-compile -c constraints.txt
unexport PYTHONDONTWRITEBYTECODE
# Installed on its own before everything else, so that pip settles on one build of it (CPU or CUDA).
TORCH := $(shell grep '^torch==' constraints.txt)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUTF8 := 1

.PHONY: help quickstart test parity lint format bench docs clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 22

quickstart: $(VENV)/.installed-examples  ## train two overlapping digits and their sum, write runs/multidigits/report.html
	$(BIN)/polytask train recipes/multidigits/recipe.yaml --out runs/multidigits

# One thread per process: pytest already starts one process per core.
test: export HF_HUB_OFFLINE := 1
test: export OMP_NUM_THREADS := 1
test: export TOKENIZERS_PARALLELISM := false
test: export MPLBACKEND := Agg
test: $(VENV)/.installed-test  ## run all tests; ARGS="-k name" passes options to pytest
	$(BIN)/python -m pytest tests -q -n auto --maxprocesses 8 --dist loadfile $(ARGS)

# It needs other versions of our dependencies, so it has an environment of its own.
parity: export HF_HUB_OFFLINE := 1
parity: export POLYTASK_MERGEKIT := $(abspath $(VENV)-mergekit/bin/python)
parity: $(VENV)/.installed-test $(VENV)-mergekit/.installed  ## compare merges with those of mergekit
	$(BIN)/python -m pytest tests/merging/test_mergekit.py -q $(ARGS)

lint: $(VENV)/.installed-lint  ## check format, style and types
	$(BIN)/ruff format --check --output-format concise .
	$(BIN)/ruff check --output-format concise .
	$(BIN)/mypy --strict src

format: $(VENV)/.installed-lint  ## rewrite the files as `make lint` wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: export HF_HUB_OFFLINE := 1
bench: export TOKENIZERS_PARALLELISM := false
bench: $(VENV)/.installed-bench  ## run every benchmark, one after the other
	@for file in benchmarks/[!_]*.py; do \
	  [ -e "$$file" ] || { echo "no benchmarks"; exit 0; }; \
	  echo "== $$file"; $(BIN)/python "$$file"; \
	done

docs: export NO_MKDOCS_2_WARNING := 1
docs: $(VENV)/.installed-docs  ## build the site into site/, warnings are errors
	$(BIN)/mkdocs build --strict --quiet

clean:  ## remove caches and what was built; keeps .venv and runs
	rm -rf site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests recipes benchmarks docs -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV)-mergekit/.installed: constraints.txt
	@$(PYTHON) -m venv $(VENV)-mergekit
	@echo "installing mergekit"
	@$(VENV)-mergekit/bin/python -m pip install -qq $(TORCH)
	@$(VENV)-mergekit/bin/python -m pip install -qq mergekit==0.1.5
	@touch $@

$(VENV)/.installed-torch: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "polytask needs Python >= 3.11: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "installing $(TORCH)"
	@$(PIP) $(TORCH)
	@touch $@

$(VENV)/.installed-%: pyproject.toml constraints.txt $(VENV)/.installed-torch
	@echo "installing polytask[$*]"
	@$(PIP) -e '.[$*]'
	@touch $@
