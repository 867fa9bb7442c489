# nemeton: `make quickstart` does the main job on real data, `make test` runs all tests that CI runs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.made
EXTENSIONS := $(sort $(dir $(wildcard extensions/*/setup.cfg)))
CONTRIB := $(sort $(dir $(wildcard contrib/*/setup.cfg)))
WORKERS ?= 2

.PHONY: help venv quickstart test test-slow test-deps check style types rooms benchmarks docs-hooks docs-properties clean

help:  ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): setup.cfg pyproject.toml $(wildcard extensions/*/setup.cfg)
	$(PYTHON) -c 'import sys; sys.exit("nemeton needs Python 3.11 or newer; set PYTHON=…") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip setuptools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . $(addprefix -e ,$(EXTENSIONS))
	@touch $@

venv: $(STAMP)  ## Make the environment: core and all first-party extensions

$(VENV)/.made-test: $(STAMP) $(wildcard contrib/*/setup.cfg)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .[test] $(addprefix -e ,$(CONTRIB))
	@touch $@

quickstart: $(STAMP)  ## Start everything with sample data (ARGS=--exit ends after the answers)
	$(BIN)/nemeton quickstart $(ARGS)

check: style types rooms  ## Style, types, directions between rooms

style: $(VENV)/.made-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.made-test
	$(BIN)/mypy

rooms: $(VENV)/.made-test
	$(BIN)/lint-imports

test-deps: $(VENV)/.made-test  ## What tests need beside Python: PostgreSQL, JDK, Maven, jars of the real Druid
	.ci/test-deps

test: check  ## All tests that CI runs
	$(BIN)/pytest -m "not slow" -n $(WORKERS) --dist loadgroup

# last passed whole: 2026-11-27 on one commit (b54fa6f), 145 tests in 20 minutes on two cores
test-slow: $(VENV)/.made-test  ## The long ones
	$(BIN)/pytest -m slow

docs-hooks: $(STAMP)  ## Write the hook reference anew from the hookspecs
	$(BIN)/python -m nemeton.spi.reference > docs/extensions/hooks.md

docs-properties: $(STAMP)  ## Write the list of properties anew from the config classes
	$(BIN)/python -m nemeton.server.reference > docs/properties.md

clean:  ## Remove the environment and what quickstart stored
	rm -rf $(VENV) var
