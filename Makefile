# DPMP: make run, make demo, make test. ARGS go to runproxy, as in: make run ARGS="--listen 127.0.0.1:3351"
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
ARGS ?=
TESTARGS ?=

.PHONY: help run demo templates test migrate clean

help:
	@echo "make run    install, migrate, create the first administrator, start the proxy (ARGS=... for runproxy)"
	@echo "make demo   two test pools and six test miners on a throw-away database"
	@echo "make test   all checks and tests (TESTARGS=... for pytest)"
	@echo "make clean  remove the virtual environment and caches; the data directory stays"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "DPMP needs Python 3.11 or newer; $(PYTHON) is older or missing. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Python's venv module is missing. On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Stamps: requirements are installed again only when their file has changed.
$(VENV)/.run: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.test: requirements.txt tests/requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@ $(VENV)/.run

migrate: $(VENV)/.run
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) bootstrap

run: migrate
	@exec $(MANAGE) runproxy $(ARGS)

demo: $(VENV)/.run
	@exec $(MANAGE) runproxy --demo $(ARGS)

templates: $(VENV)/.test
	$(BIN)/python -m tests.support.template_layout
	$(BIN)/djlint --lint --quiet templates

test: export DPMP_DATA_DIR := $(or $(DPMP_DATA_DIR),$(CURDIR)/$(VENV)/test-data)
test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(MAKE) --no-print-directory templates
	$(MANAGE) makemigrations --check --dry-run
	$(MANAGE) check --fail-level WARNING
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore=tests/browser $(TESTARGS)
	$(BIN)/python -m pytest -n 2 tests/browser $(TESTARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
