# Every target works on a fresh machine with make, Python 3.11 or newer and a package index.
# `make help` lists them.

PYTHON  ?= python3
VENV    ?= .venv
# More arguments for pytest, such as PYTEST_ARGS="-k consent -x", and processes for it (auto: one a core; 0: this one).
PYTEST_ARGS ?=
WORKERS ?= auto
SEEDS   ?= 20000

BIN   := $(VENV)/bin
READY := $(VENV)/.ready
# Published connectors that tests run: they need other versions of packages than we do.
CONNECTORS := $(VENV)/connectors/.ready
PIP   := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
SOURCES := src tests

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run test check format bench hot simulate torture lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | column -t -s '|' 2>/dev/null \
	  || sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1  \2/p' $(firstword $(MAKEFILE_LIST))

install: $(READY) ## make the virtual environment, from the hashed lock
	@echo "$(VENV) is ready"

run: $(READY) ## run the example: embedded systems that are kept the same
	@$(BIN)/python -m datasyncd.daemon.example

test: check $(CONNECTORS) ## everything that must hold: style, types, imports, tests
	@echo "pytest"
	@$(BIN)/python -m pytest -q -n $(WORKERS) $(PYTEST_ARGS)

check: $(READY) ## style, types and imports only
	@echo "ruff check"
	@$(BIN)/ruff check -q $(SOURCES)
	@echo "ruff format --check"
	@$(BIN)/ruff format -q --check $(SOURCES)
	@echo "mypy --strict"
	@$(BIN)/mypy --strict --no-error-summary
	@echo "lint-imports"
	@$(BIN)/lint-imports --no-cache >$(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }

format: $(READY) ## bring the code into the form that `make check` expects
	@$(BIN)/ruff check -q --fix $(SOURCES)
	@$(BIN)/ruff format -q $(SOURCES)

bench: $(READY) ## measure: records a second, latency, idle cost, status (N=1000 contacts: smaller)
	@set -e; for name in first_sync plan latency postgres idle status; do $(BIN)/python -m tests.benchmarks.bench_$$name; done

hot: $(READY) ## edit both sides at once, count what is lost by what systems promise, into the docs (minutes)
	@$(BIN)/python -m tests.benchmarks.hot_edits --write

simulate: $(READY) ## the reconciler under faults, SEEDS=20000 histories, and without each of its rules (minutes)
	@$(BIN)/python -m datasyncd simulate --seeds $(SEEDS)
	@$(BIN)/python -m tests.simulation.test_mutants

torture: $(READY) ## kill the daemon at every step, take disks, servers and clocks away, look for what was lost (minutes)
	@$(BIN)/python -m pytest -q -n $(WORKERS) -o python_files="torture_*.py test_*.py" tests/torture $(PYTEST_ARGS)

# Resolved once for every Python from 3.11 on; markers tell the versions apart. The runtime gets the versions that
# the tests ran with.
lock: ## resolve the dependencies again and pin them with hashes
	@$(find-python)
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	"$$($(print-python))" -m venv "$$tools"; \
	"$$tools/bin/python" -m pip --disable-pip-version-check -qq install uv; \
	compile="$$tools/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url"; \
	echo "requirements-dev.lock"; \
	$$compile --upgrade --all-extras --group dev -o requirements-dev.lock pyproject.toml; \
	echo "requirements.lock"; \
	$$compile --upgrade -c requirements-dev.lock -o requirements.lock pyproject.toml; \
	echo "tests/servers/connectors.lock"; \
	$$compile --upgrade -o tests/servers/connectors.lock tests/servers/connectors.in

clean: ## remove what make and the tools have made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The first of these that is Python 3.11 or newer.
define print-python
for p in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
  if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$$p"; break; fi; \
done
endef

define find-python
test -n "$$($(print-python))" || { \
  echo "datasyncd needs Python 3.11 or newer, and found none. Install it, or name it: make PYTHON=/path/to/python3.11 ..." >&2; \
  exit 1; }
endef

$(READY): requirements-dev.lock pyproject.toml
	@$(find-python)
	@if ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
	  python="$$($(print-python))"; \
	  echo "making $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv --clear $(VENV) >$(VENV).log 2>&1 || { cat $(VENV).log >&2; rm -rf $(VENV) $(VENV).log; \
	    echo "$$python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
	  rm -f $(VENV).log; \
	fi
	@echo "installing $$(grep -c '==' $<) locked packages"
	@$(PIP) install --require-hashes -r $<
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(CONNECTORS): tests/servers/connectors.lock | $(READY)
	@echo "installing $$(grep -c '==' $<) locked packages of connectors, apart from ours"
	@$(BIN)/python -m venv --clear $(VENV)/connectors
	@$(VENV)/connectors/bin/python -m pip --disable-pip-version-check --no-input -qq install --require-hashes -r $<
	@touch $@
