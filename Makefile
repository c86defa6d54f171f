# DPMP: make run, make demo, make check, make test, make bench. ARGS go to runproxy, as in: make run ARGS="--listen 127.0.0.1:3351"
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
ARGS ?=
TESTARGS ?=
TEST_DATA := $(or $(DPMP_DATA_DIR),$(CURDIR)/$(VENV)/test-data)

# The tests of make check: those of the pure modules, which need no database, and those of the configuration and the admin.
PURE := tests/test_architecture.py tests/stratum tests/engine tests/chains tests/scheduling tests/history tests/balance tests/alerts tests/nodes
CONFIGURATION := tests/config tests/admin

# Of what touches the database: constraints, loading, live changes, batches, sums, queries of pages and of the API, nodes.
ON_POSTGRESQL := tests/admin/test_database_rules.py tests/config/test_loader.py tests/config/test_settings_act_live.py \
	tests/history/test_writer.py tests/history/test_exportshares.py tests/history/test_blocks_found.py \
	tests/dashboard/test_regions_from_the_database.py tests/dashboard/api/test_reading.py tests/nodes

# Where the tests work through processes of their own: coverage would see nothing of them and slow them down. They
# wait for one another half of the time or more: what they leave of two processors is for the units.
PROCESSES := tests/installer tests/e2e tests/abuse tests/browser

.PHONY: help run demo messages screenshots templates static units units-pure units-configuration units-postgresql simulations check test \
	processes browser covered test-postgresql abuse fuzz bench migrate clean lock wheel audit sbom

help:
	@echo "make run    install, migrate, create the first administrator, start the proxy (ARGS=... for runproxy)"
	@echo "make demo   two test pools and six test miners on a throw-away database (a farm: ARGS=\"--miners 1000\")"
	@echo "make screenshots   pictures of all pages in three states, to look at (ARGS=\"--page / --state trouble\")"
	@echo "make check  format, lint, types, templates, migrations and the quick tests, before each commit"
	@echo "make test   all checks and tests, with coverage (TESTARGS=... for pytest)"
	@echo "make test-postgresql  the tests that touch the database, on PostgreSQL"
	@echo "make abuse  attack a proxy with honest miners beside, print what it did to them (ARGS=--help; 10 minutes)"
	@echo "make bench  what a miner costs the proxy beside a bare relay, under ten minutes (ARGS=... for tests.bench.budget)"
	@echo "make fuzz   mutated lines, files and configurations (MINUTES=10, for each kind; findings in FINDINGS)"
	@echo "make messages  bring the catalogues of all languages up to the texts, and compile them (needs gettext)"
	@echo "make lock   requirements.lock with hashes; make audit: known vulnerabilities; make sbom: sbom.json (CycloneDX)"
	@echo "make wheel  a package for pip in dist/"
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

screenshots: export DPMP_DATA_DIR := $(TEST_DATA)
screenshots: $(VENV)/.test
	@$(BIN)/python -m tests.browser.screenshots screenshots $(ARGS)

demo: $(VENV)/.run
	@exec $(MANAGE) runproxy --demo $(ARGS)

# Without what changes with each run, so that a change of a text is all that a comparison shows.
messages: $(VENV)/.run
	$(MANAGE) makemessages --all --ignore=$(VENV) --no-location --no-wrap --no-obsolete
	sed -i '/^"POT-Creation-Date: /d; /^"Report-Msgid-Bugs-To: /d' */locale/*/LC_MESSAGES/django.po
	$(MANAGE) compilemessages --ignore=$(VENV)

templates: $(VENV)/.test
	$(BIN)/python -m tests.support.template_layout
	$(BIN)/djlint --lint --quiet templates

static: export DPMP_DATA_DIR := $(TEST_DATA)
static: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy .
	$(MAKE) --no-print-directory templates
	$(MANAGE) makemigrations --check --dry-run
	$(MANAGE) check --fail-level WARNING

# Two processes, not workers of one: each finds its own tests only, and just one makes a database.
units-pure units-configuration: export DPMP_DATA_DIR := $(TEST_DATA)
units-pure: $(VENV)/.test
	$(BIN)/python -m pytest -m "not simulation and not slow and not django_db" $(PURE) $(TESTARGS)
units-configuration: $(VENV)/.test
	$(BIN)/python -m pytest -m "not simulation and not slow" $(CONFIGURATION) $(TESTARGS)

units: $(VENV)/.test
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target units-pure units-configuration

# Hours of virtual time: without coverage, which would make them take twice as long. Only their files are collected.
SIMULATIONS = $(shell grep -rlE --include='test_*.py' 'pytest\.mark\.simulation' tests)
simulations: export DPMP_DATA_DIR := $(TEST_DATA)
simulations: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist worksteal -m simulation $(SIMULATIONS) $(TESTARGS)

# The longest first: the others share what it leaves of two processors.
check: export PYTHONDONTWRITEBYTECODE :=
check: $(VENV)/.test
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target units-pure static units-configuration

test: export DPMP_DATA_DIR := $(TEST_DATA)
# Some machines keep Python from writing bytecode: each process that a test starts would compile everything anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.test
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target static simulations units-postgresql
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target processes browser covered

processes browser covered: export DPMP_DATA_DIR := $(TEST_DATA)
# All at once, for many wait; those that are about seconds go first, and the units take what the others leave.
processes: $(VENV)/.test
	$(BIN)/python -m pytest -n 3 --dist worksteal $(filter-out tests/browser,$(PROCESSES)) $(TESTARGS)
browser: $(VENV)/.test
	nice -n 4 $(BIN)/python -m pytest tests/browser $(TESTARGS)
covered: $(VENV)/.test
	nice -n 10 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not simulation" --cov --cov-report= $(PROCESSES:%=--ignore=%) $(TESTARGS)
	$(BIN)/python -m tests.support.coverage_limits

# On a server of their own, or the one of DPMP_TEST_DATABASE_URL: a few tests in make test, or all.
test-postgresql units-postgresql: export DPMP_DATA_DIR := $(TEST_DATA)
units-postgresql: $(VENV)/.test
	$(BIN)/python -m tests.support.on_postgresql $(ON_POSTGRESQL) $(TESTARGS)

test-postgresql: export PYTHONDONTWRITEBYTECODE :=
test-postgresql: $(VENV)/.test
	$(BIN)/python -m tests.support.on_postgresql -n 2 --dist worksteal -m "not simulation" $(PROCESSES:%=--ignore=%) $(TESTARGS)

fuzz: export DPMP_FUZZ_MINUTES := $(or $(MINUTES),10)
fuzz: export DPMP_FUZZ_FINDINGS := $(abspath $(or $(FINDINGS),$(VENV)/fuzz))
fuzz: export DPMP_DATA_DIR := $(TEST_DATA)
fuzz: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/fuzz $(TESTARGS)

abuse: $(VENV)/.test
	$(BIN)/python -m tests.abuse $(ARGS)

bench: $(VENV)/.test
	@$(BIN)/python -m tests.bench.budget $(ARGS)

# For a release: versions and hashes of everything that requirements.txt brings, on every platform; it names no index.
lock: $(VENV)/.test
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--upgrade requirements.txt --output-file requirements.lock

wheel: $(VENV)/.test
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

audit: $(VENV)/.test
	@$(BIN)/python -m tests.support.audit

sbom: $(VENV)/.test
	$(BIN)/python -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
