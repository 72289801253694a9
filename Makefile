# make dev    a server to try, with a page: the one command to begin with
# make test   installs what the tests need, then checks style, types, imports and behaviour
# make lint   the checks without the tests
# make docs   the documentation as a site, in build/docs; a link that leads nowhere is an error
# make bench  the measurements of bench/README.md (long; wants the machine to itself)
# make soak   the crash tests with 200 kills for each store, webhooks with 100,000 events (long)
#
# TESTS="tests/unit -k fold" narrows `make test` to those; WORKERS=0 runs them one after the other, in one process.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests
# Processes that share the tests: one for each core, and no more than a machine has memory for PostgreSQL and Chromium.
WORKERS ?= auto

.PHONY: dev test lint docs reference screenshots bench soak peers clean

dev: $(VENV)/.product
	$(BIN)/legato dev

test: peers lint
	$(BIN)/pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal $(TESTS)

lint: $(VENV)/.tests
	$(BIN)/ruff format --check src tests bench docs
	$(BIN)/ruff check src tests bench docs
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -c docs/site . build/docs
	@echo 'Open build/docs/index.html'

# The pages that are made from the code; a test says when they are to be made anew.
reference: $(VENV)/.product
	$(BIN)/python -m legato.events.page > docs/reference/events.md
	$(BIN)/python -m legato.cli.page rest > docs/reference/rest.md
	$(BIN)/python -m legato.cli.page commands > docs/reference/commands.md

# The documentation's pictures, by the browser test that looks at what they show.
screenshots: peers
	LEGATO_TAKE_PICTURES=1 $(BIN)/pytest tests/e2e/console/test_screenshots.py

bench: $(VENV)/.tests
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench

soak: peers
	LEGATO_CRASHES=200 LEGATO_EVENTS=100000 $(BIN)/pytest -m "crash or soak" tests/e2e

# What tests talk to and pip does not bring: PostgreSQL, NATS, nginx, HAProxy, faketime, Chromium, strace, curl, systemd,
# a JDK, the official npm clients.
peers: $(VENV)/.tests
	scripts/install-peers

$(VENV)/.product: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@ $(VENV)/.product

$(VENV)/.tests: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/.docs $(VENV)/.product

$(BIN)/python:
	scripts/make-venv $(PYTHON) $(VENV)

clean:
	rm -rf $(VENV) build tests/interop/node_modules
