# `make` lists the targets. Everything is installed into .venv; only Python 3.11 or newer (with venv
# and pip) and make are needed.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS := dev cluster bench workbooks graphs
# the name changes with the packages, so an up-to-date set-up is skipped
READY := $(VENV)/.ready-$(shell cat requirements.lock pyproject.toml 2>/dev/null | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(READY)  ## build .venv from requirements.lock

$(READY): requirements.lock pyproject.toml
	@echo "setting up $(VENV) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; choose one with make PYTHON=…")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# uv installs many times faster; pip is the fallback
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-uv.lock \
	  && $(BIN)/python -m uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q imdbclust
	@rm -f $(VENV)/.ready-* && touch $@

reports: $(READY)  ## run the five notebooks, render the reports, print where they are
	@$(BIN)/imdbclust run --preset seed && $(BIN)/imdbclust run --preset recommended

test: $(READY)  ## run the test suite
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(READY)  ## run all tests, slow ones included, and look for new examples
	@$(BIN)/python -m pytest --hypothesis-profile=search -n 2 --dist loadfile --no-loadscope-reorder

test-lowest: $(READY)  ## run the test suite on the lowest versions that pyproject.toml admits
	@$(PYTHON) -m venv --clear $(VENV)-lowest
	@$(BIN)/python -m uv pip install --quiet --resolution lowest-direct --python $(VENV)-lowest/bin/python $(EXTRAS:%=--extra %) -r pyproject.toml
	@$(BIN)/python -m uv pip install --quiet --python $(VENV)-lowest/bin/python --no-deps -e .
	@$(VENV)-lowest/bin/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

coverage: $(READY)  ## run the test suite and report the lines and branches it misses
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

fuzz: $(READY)  ## feed damaged input to the program for MINUTES (30) of processor time, from SEED (0)
	@$(BIN)/python tests/fuzz.py $(or $(MINUTES),30) $(or $(SEED),0)

mutants: $(READY)  ## change matrix.py and probabilities.py in small ways: do their tests notice?
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-build-isolation -e '.[mutants]' \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[mutants]'
	@$(BIN)/mutmut run
	@$(BIN)/mutmut results

sweep: $(READY)  ## try a few settings and compare them
	@$(BIN)/imdbclust sweep notebooks/small.yml

bench: $(READY)  ## measure speed, and compare the recipes with other libraries
	@$(BIN)/imdbclust bench && $(BIN)/imdbclust bench quality

bench-large: $(READY)  ## measure a sweep of 1,000 settings, 700,000 movies, and dumps of IMDb's size
	@$(BIN)/imdbclust bench large

pictures: $(READY)  ## take the README's pictures of a run on made-up films
	@$(BIN)/python pictures/take.py

wheel: $(READY)  ## build a wheel and a source archive in dist/
	@$(BIN)/python -m hatchling build -d dist

lab: $(READY)  ## open JupyterLab on the notebooks
	@$(BIN)/jupyter lab --config=notebooks/jupyter_server_config.py --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/01_load.ipynb

lint: $(READY)  ## check style, notebooks included
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/nbstripout --verify --keep-id notebooks/*.ipynb

hooks: $(READY)  ## install git hooks that check style
	@$(BIN)/pre-commit install

lock: $(READY)  ## pin the newest versions that pyproject.toml admits
	@$(BIN)/python -m uv pip compile --quiet --universal --upgrade --generate-hashes --no-header --no-annotate $(EXTRAS:%=--extra %) pyproject.toml -o requirements.lock
	@echo uv | $(BIN)/python -m uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate -c requirements.lock - -o requirements-uv.lock

clean:  ## remove .venv, caches and rendered reports
	@rm -rf $(VENV) $(VENV)-lowest dist .pytest_cache .ruff_cache .hypothesis .coverage* mutants
	@find reports -mindepth 1 ! -name README.md -delete
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup reports test test-slow test-lowest coverage fuzz mutants sweep bench pictures wheel lab lint hooks lock clean
