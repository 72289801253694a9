# make dev    a server to try, with a page: the one command to begin with
# make test   installs what the tests need, then checks style, types, imports and behaviour
# make lint   the checks without the tests
# make bench  the measurements of bench/README.md (long; wants the machine to itself)
# make soak   the crash tests with 200 kills for each store (long)
#
# TESTS="tests/unit -k fold" narrows `make test` to those.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests

.PHONY: dev test lint bench soak peers clean

dev: $(VENV)/.product
	$(BIN)/legato dev

test: peers lint
	$(BIN)/pytest $(TESTS)

lint: $(VENV)/.tests
	$(BIN)/ruff format --check src tests bench
	$(BIN)/ruff check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.tests
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench

soak: peers
	LEGATO_CRASHES=200 $(BIN)/pytest -m crash tests/e2e

# What tests talk to and pip does not bring: PostgreSQL, NATS, nginx, HAProxy, faketime, Chromium, strace, curl, systemd,
# the official npm clients.
peers: $(VENV)/.tests
	scripts/install-peers

$(VENV)/.product: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.tests: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/.product

$(BIN)/python:
	scripts/make-venv $(PYTHON) $(VENV)

clean:
	rm -rf $(VENV) tests/interop/node_modules
