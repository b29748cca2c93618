# Everything that is done to this checkout. Needs make, a POSIX shell and Python 3.11 to 3.13; nothing else.
#   make install PYTHON=/path/to/python    chooses the Python
#   make test ARGS="-k note"               hands ARGS on to pytest (or to `noteledger serve`, or to uv)

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install install-dev install-train install-mutate run \
	test test-fast test-random test-all check mutate format lock bench clean

PYTHON ?=
ARGS ?=
CANDIDATES := $(or $(PYTHON),python3.11 python3.12 python3.13 python3)

VENV := .venv
VENVS := .venvs
PYTHONS ?= python3.11 python3.12 python3.13
IN_VENV := $(VENV)/bin/python -P
PIP_INSTALL := $(VENV)/bin/python -I -m pip install \
	--quiet --disable-pip-version-check --no-input --no-deps --require-hashes --requirement
PIP_COMPILE := $(IN_VENV) -m uv pip compile --quiet \
	--universal --python-version 3.11 --generate-hashes --no-header --no-annotate

# Tests of pure code: no database, no broker, no process of its own.
FAST_TESTS := tests/domain \
	tests/ledger/test_sealing.py tests/ledger/test_codec.py tests/ledger/test_frozen.py \
	tests/handlers/test_policies.py tests/handlers/test_soap_number_words.py \
	tests/handlers/test_soap_model.py tests/handlers/test_soap_extractive.py \
	tests/runtime/test_settings.py tests/api/test_inputs.py

# A copy of each lock that is installed in full, and the place that the environment was made for. The
# marks go before pip starts and come back after it ended. So an interrupted install is not taken for
# a finished one, nor an environment that was moved or copied here for one that was made here.
MARKS := $(VENV)/installed

# Is all of lock $(1) installed, here, under a Python that is still there?
is_installed = cmp -s $(1) $(MARKS)/$(1) 2>/dev/null \
	&& test "$$(cat $(MARKS)/place 2>/dev/null)" = "$$(pwd -P)" \
	&& $(VENV)/bin/python -I -c 'import pip' 2>/dev/null

define find_python
	python=; fits=; \
	for candidate in $(CANDIDATES); do \
		"$$candidate" -I -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
			2>/dev/null || continue; \
		fits=$$candidate; \
		"$$candidate" -I -c 'import ensurepip, ssl, venv' 2>/dev/null || continue; \
		python=$$candidate; break; \
	done; \
	if test -z "$$fits"; then \
		echo "No Python from 3.11 to 3.13 found (tried: $(CANDIDATES))." >&2; \
		echo "Install one, or name it: make $@ PYTHON=/path/to/python3.11" >&2; exit 1; \
	elif test -z "$$python"; then \
		echo "$$fits cannot make a virtual environment: its ensurepip, ssl or venv module is missing." >&2; \
		echo "On Debian and Ubuntu: apt install python3-venv (or pythonX.Y-venv for that very Python)." >&2; exit 1; \
	fi
endef

define make_venv
	$(find_python); \
	echo "Making $(VENV) with $$("$$python" -I -c 'import sys; print("Python %d.%d.%d" % sys.version_info[:3])')"; \
	rm -rf $(VENV); \
	"$$python" -I -m venv $(VENV)
endef

# What lock $(1) names comes in, and the locks $(2) are installed in full by that.
define fill_venv
	echo "Installing what $(1) names (the first time takes a minute or two)"; \
	rm -rf $(MARKS); \
	$(PIP_INSTALL) $(1); \
	mkdir $(MARKS); pwd -P >$(MARKS)/place; cp $(2) $(MARKS)
endef

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Make .venv with what runs the program
	@set -e; \
	if $(call is_installed,requirements.lock); then echo "$(VENV) is up to date"; else \
		$(make_venv); \
		$(call fill_venv,requirements.lock,requirements.lock); \
	fi

# The development lock holds all of the other, at the same versions.
install-dev: ## Add what tests and checks it
	@set -e; \
	if ! { $(call is_installed,requirements.lock); }; then $(make_venv); fi; \
	if $(call is_installed,requirements-dev.lock); then echo "$(VENV) is up to date"; else \
		$(call fill_venv,requirements-dev.lock,requirements.lock requirements-dev.lock); \
	fi

install-train: install-dev ## Add what trains and scores the SOAP writer
	@$(PIP_INSTALL) requirements-train.lock

install-mutate: install-dev ## Add what the mutation run needs
	@$(PIP_INSTALL) requirements-mutate.lock

run: install ## Start everything on this machine; its data stays in .state
	@./noteledger serve --state .state $(ARGS)

test: install-dev ## Run all tests
	@$(IN_VENV) -m pytest $(ARGS)

# One process: to start a second one costs as much as it saves.
test-fast: install-dev ## Run the tests of pure code with few examples, in seconds
	@$(IN_VENV) -m pytest -n 0 -p no:schemathesis --hypothesis-profile=fast \
		--deselect tests/ledger/test_codec.py::TestMapper $(FAST_TESTS) $(ARGS)

test-random: install-dev ## Run all tests with new random examples (SEED=... repeats a run)
	@seed=$(SEED); test -n "$$seed" || seed=$$($(IN_VENV) -c 'import secrets; print(secrets.randbits(32))'); \
	echo "make test-random SEED=$$seed"; \
	$(IN_VENV) -m pytest --hypothesis-profile=random --hypothesis-seed=$$seed $(ARGS)

# PYTHONS="/path/to/python3.12 /path/to/python3.13" names others. Each has an environment of its own.
test-all: ## Run all tests on each Python from 3.11 to 3.13 that is found
	@passed=; failed=; absent=; \
	for python in $(PYTHONS); do \
		version=$$("$$python" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) \
			|| { absent="$$absent $$python"; continue; }; \
		echo "Python $$version"; \
		if $(MAKE) --no-print-directory test PYTHON="$$python" VENV=$(VENVS)/$$version; \
			then passed="$$passed $$version"; else failed="$$failed $$version"; fi; \
	done; \
	echo "passed:$${passed:- none}, failed:$${failed:- none}, not found:$${absent:- none}"; \
	test -n "$$passed" && test -z "$$failed"

check: install-dev ## Check form, style, types, imports and tests
	@echo "ruff format"; $(IN_VENV) -m ruff format --quiet --check .
	@echo "ruff check"; $(IN_VENV) -m ruff check --quiet .
	@echo "mypy"; $(IN_VENV) -m mypy --no-error-summary
	@echo "lint-imports"; $(VENV)/bin/lint-imports
	@echo "pytest"; $(IN_VENV) -m pytest $(ARGS)

# From nothing each time: mutmut repeats what it remembers, although a test may have changed.
mutate: install-mutate ## Change the code in many places, one at a time: does a test fail? (docs/mutation.md)
	@rm -rf mutants
	@$(IN_VENV) -m mutmut run $(ARGS)
	@$(IN_VENV) -m mutmut export-cicd-stats >/dev/null
	@$(IN_VENV) -m mutmut results
	@$(VENV)/bin/python -m tests.benchmarks.mutation

format: install-dev ## Put the sources into form
	@$(IN_VENV) -m ruff check --quiet --select I --fix .
	@$(IN_VENV) -m ruff format .

lock: install-dev ## Make the locks anew (ARGS=--upgrade takes the newest versions)
	@echo "Writing requirements.lock"
	@$(PIP_COMPILE) $(ARGS) --output-file requirements.lock pyproject.toml
	@echo "Writing requirements-dev.lock"
	@$(PIP_COMPILE) $(ARGS) --constraint requirements.lock --group dev \
		--output-file requirements-dev.lock pyproject.toml
	@echo "Writing requirements-train.lock"
	@$(PIP_COMPILE) $(ARGS) --constraint requirements-dev.lock --group train \
		--output-file requirements-train.lock pyproject.toml
	@echo "Writing requirements-mutate.lock"
	@$(PIP_COMPILE) $(ARGS) --constraint requirements-dev.lock --group mutate \
		--output-file requirements-mutate.lock

bench: install-dev ## Measure the running service
	@$(VENV)/bin/python -m tests.benchmarks.service $(ARGS)

clean: ## Remove environments and caches; .state, the data, stays
	@rm -rf $(VENV) $(VENVS) mutants .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
