# `make` alone lists what can be made. Everything happens in .venv; nothing else is needed than
# Python 3.11 or newer (with venv and pip) and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# the name changes with what is to be installed, so an up-to-date set-up is skipped
READY := $(VENV)/.ready-$(shell cat requirements.lock pyproject.toml 2>/dev/null | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help

help:  ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(READY)  ## build .venv from requirements.lock

$(READY): requirements.lock pyproject.toml
	@echo "setting up $(VENV) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=…")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# uv installs many times faster; where it cannot be had or does not reach the packages, pip does it
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-uv.lock \
	  && $(BIN)/python -m uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q imdbclust
	@rm -f $(VENV)/.ready-* && touch $@

reports: $(READY)  ## run the five notebooks, render the reports, print where they lie
	@$(BIN)/imdbclust run --preset seed && $(BIN)/imdbclust run --preset recommended

test: $(READY)  ## run the test suite
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(READY)  ## run all tests, the slow ones too, and look for new examples
	@$(BIN)/python -m pytest --hypothesis-profile=search -n 2 --dist loadfile --no-loadscope-reorder

test-lowest: $(READY)  ## run the test suite on the lowest versions that pyproject.toml admits
	@$(PYTHON) -m venv --clear $(VENV)-lowest
	@$(BIN)/python -m uv pip install --quiet --resolution lowest-direct --python $(VENV)-lowest/bin/python -e '.[dev,cluster]'
	@$(VENV)-lowest/bin/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

coverage: $(READY)  ## run the test suite and tell which lines and branches it leaves out
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

mutants: $(READY)  ## change matrix.py and probabilities.py in small ways: do their tests notice?
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-build-isolation -e '.[mutants]' \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[mutants]'
	@$(BIN)/mutmut run
	@$(BIN)/mutmut results

sweep: $(READY)  ## try a few settings and compare them
	@$(BIN)/imdbclust sweep notebooks/small.yml

bench: $(READY)  ## measure speed, and the recipes beside other libraries (installs these into .venv)
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-build-isolation -e '.[bench]' \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[bench]'
	@$(BIN)/imdbclust bench && $(BIN)/imdbclust bench quality

pictures: $(READY)  ## take the README's pictures anew, of a run on made-up films
	@$(BIN)/python pictures/take.py

lab: $(READY)  ## open JupyterLab on the notebooks
	@$(BIN)/jupyter lab --config=notebooks/jupyter_server_config.py --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/01_load.ipynb

lint: $(READY)  ## check style, in the notebooks too
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/nbstripout --verify --keep-id notebooks/*.ipynb

hooks: $(READY)  ## have git check style before every commit
	@$(BIN)/pre-commit install

lock: $(READY)  ## pin the newest versions that pyproject.toml admits
	@$(BIN)/python -m uv pip compile --quiet --universal --upgrade --generate-hashes --no-header --no-annotate --extra dev --extra cluster pyproject.toml -o requirements.lock
	@echo uv | $(BIN)/python -m uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate -c requirements.lock - -o requirements-uv.lock

clean:  ## remove .venv, caches and rendered reports
	@rm -rf $(VENV) $(VENV)-lowest .pytest_cache .ruff_cache .hypothesis .coverage* mutants
	@find reports -mindepth 1 ! -name README.md -delete
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup reports test test-slow test-lowest coverage mutants sweep bench pictures lab lint hooks lock clean
