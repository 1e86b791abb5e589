# make run: set up and start the product.  make test: set up and run all tests.
# make test-model: the tests that need torch, in an environment of their own (3 GB).
# Needed: Python 3.11 or later, make, and a package index. Everything goes into .venv and .venv-model.

VENV := .venv
BIN := $(VENV)/bin
MODEL_VENV := .venv-model
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check -c constraints.txt
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

# Tests start many processes, and each of them would compile everything again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test test-model lint clean

run: $(VENV)/.run
	@exec $(BIN)/xiaoq run

test: $(VENV)/.test
	$(BIN)/pytest

test-model: $(MODEL_VENV)/.test
	$(MODEL_VENV)/bin/pytest -m model

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) $(MODEL_VENV)

%/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed"; exit 1; }
	$(PYTHON) -m venv $*

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python $(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/python $(PIP_INSTALL) -e '.[dev]'
	@touch $@

# Of dashscope only a data file is used, so what it depends on stays away.
$(MODEL_VENV)/.test: pyproject.toml constraints.txt | $(MODEL_VENV)/bin/python
	$(MODEL_VENV)/bin/python $(PIP_INSTALL) -e '.[model-test]'
	$(MODEL_VENV)/bin/python $(PIP_INSTALL) --no-deps dashscope
	@touch $@
