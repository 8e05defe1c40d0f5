# `make` lists the targets. Nothing needs to be installed before: each target makes the environment it
# uses, and an unchanged pyproject.toml means that it is reused at once.

PYTHON ?= $(shell .ci/find-python 3.11)
ORACLE_PYTHON ?= $(shell .ci/find-python 3.12 only)

SECONDS ?= 60

# Where it is set, each of the many processes that tests start would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

VENV   := .venv
BIN    := $(VENV)/bin
ORACLE := .venv-oracle
REFINER := .venv-refiner

# Sources of LeRobot's main branch, beside the dependencies of its release; a checkout of yours may stand here.
LEROBOT_MAIN ?= .lerobot-main
LEROBOT_URL  ?= https://github.com/huggingface/lerobot

# `pip install -e` fetches the build backend into its own environment; nothing else is assumed.
PIP := -m pip --disable-pip-version-check install --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test thorough check fix docs bench bench-full bench-rivals bench-loader fuzz oracle oracle-main torture cluster cluster-kills clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## record toy datasets, compose them and show the result
	@$(BIN)/python examples/demo.py

test: $(VENV)/.developing ## run the tests
	@$(BIN)/python -m pytest

thorough: $(VENV)/.developing ## run the tests, with all that is exhaustive (an hour or two)
	@$(BIN)/python -m pytest -m "not oracle and not cluster"

check: $(VENV)/.developing ## what CI runs: format, lint, types, imports, docs, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m pytest

fix: $(VENV)/.developing ## format, and mend what ruff can mend by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.developing ## write docs/cli.md from --help, docs/checks.md from the codes, figures from torture.json
	$(BIN)/python docs/generate.py

bench: $(VENV)/.benching ## measure small sizes beside the rivals that are there, and write results/small
	$(BIN)/python benchmarks/bench.py
	$(BIN)/python benchmarks/bench_memory.py

bench-full: $(VENV)/.benching bench-rivals ## the same at full size, beside all rivals: hours, 40 GB of disk
	$(BIN)/python benchmarks/bench.py --size full
	$(BIN)/python benchmarks/bench_memory.py --full

bench-rivals: $(ORACLE)/.ready $(REFINER)/.ready ## LeRobot and refiner, for `bench` (Python 3.12, about 6 GB)

bench-loader: $(ORACLE)/.ready ## measure reading for training, beside LeRobot (Python 3.12, about 6 GB)
	$(ORACLE)/bin/python tests/oracle/env.py benchmarks/bench_loader.py

fuzz: $(VENV)/.fuzzing ## spoil files for SECONDS (60) each, and read them; ends at the first find
	$(BIN)/python tests/fuzz/run.py video $(SECONDS)
	$(BIN)/python tests/fuzz/run.py picture $(SECONDS)
	$(BIN)/python tests/fuzz/run.py parquet $(SECONDS)

oracle: $(ORACLE)/.ready ## LeRobot itself opens our output (Python 3.12, about 6 GB)
	@$(ORACLE)/bin/python tests/oracle/env.py -m pytest -o addopts= -W ignore -ra -m oracle $(or $(ARGS),tests/oracle)

oracle-main: $(ORACLE)/.ready $(LEROBOT_MAIN)/src/lerobot ## the same with LeRobot's main branch, cloned once (LEROBOT_MAIN=FOLDER: yours)
	@PYTHONPATH="$(abspath $(LEROBOT_MAIN))/src$${PYTHONPATH:+:$$PYTHONPATH}" $(ORACLE)/bin/python tests/oracle/env.py \
	    -m pytest -o addopts= -W ignore -ra -m oracle $(or $(ARGS),tests/oracle)

torture: $(VENV)/.developing ## kill runs, fill disks, feed broken datasets (an hour or two; ARGS="--kills 100 --faults 60 --inputs 40": 200)
	$(BIN)/python tests/torture $(or $(ARGS),--json docs/torture.json)

cluster: $(VENV)/.clustering ## jobs on a Ray cluster and in a SLURM of four nodes here (SLURM: as root, with apt)
	@$(BIN)/python -m pytest -o addopts= -W ignore -ra --import-mode=importlib -m cluster $(or $(ARGS),tests/cluster)

cluster-kills: $(VENV)/.clustering ## kill workers, nodes and drivers under each engine (an hour or two; ENGINES="bare ray", ARGS="--kills 20")
	@for engine in $(or $(ENGINES),bare ray slurm); do \
	    $(BIN)/python tests/cluster/kills.py $$engine $(or $(ARGS),--json benchmarks/results/cluster-kills-$$engine.json) || exit 1; done

clean: ## remove environments, caches and builds
	rm -rf $(VENV) $(ORACLE) $(REFINER) .lerobot-main dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Stamps inside the environment: removing the folder forgets them too. An environment left half made by
# an interrupted run has no stamp, and `venv --clear` starts it over.
$(VENV)/.made:
	@test -n "$(PYTHON)"
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.made
	@echo "installing lecompose into $(VENV)"
	@$(BIN)/python $(PIP) --editable .
	@touch $@

$(VENV)/.developing: pyproject.toml | $(VENV)/.made
	@echo "installing lecompose and its development tools into $(VENV)"
	@$(BIN)/python $(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.clustering: pyproject.toml | $(VENV)/.made
	@echo "installing lecompose, its development tools and Ray into $(VENV)"
	@$(BIN)/python $(PIP) --editable '.[dev,ray]'
	@touch $@ $(VENV)/.installed $(VENV)/.developing

$(VENV)/.benching: pyproject.toml | $(VENV)/.made
	@echo "installing lecompose and its rivals into $(VENV)"
	@$(BIN)/python $(PIP) --editable '.[bench]'
	@touch $@ $(VENV)/.installed

$(VENV)/.fuzzing: pyproject.toml | $(VENV)/.made
	@echo "installing lecompose and what fuzzes it into $(VENV)"
	@$(BIN)/python $(PIP) --editable '.[fuzz]'
	@touch $@ $(VENV)/.installed

$(ORACLE)/.ready: pyproject.toml
	@test -n "$(ORACLE_PYTHON)"
	@echo "making $(ORACLE) with $(ORACLE_PYTHON): LeRobot and PyTorch, a few minutes"
	@$(ORACLE_PYTHON) -m venv --clear $(ORACLE)
	@$(ORACLE)/bin/python $(PIP) --editable . 'lerobot[dataset]==0.6.1' pytest hypothesis polars
	@touch $@

$(LEROBOT_MAIN)/src/lerobot:
	@echo "cloning $(LEROBOT_URL) into $(LEROBOT_MAIN), to be removed for a newer one"
	@GIT_LFS_SKIP_SMUDGE=1 git clone --quiet --depth 1 $(LEROBOT_URL) $(LEROBOT_MAIN)

$(REFINER)/.ready:
	@test -n "$(ORACLE_PYTHON)"
	@echo "making $(REFINER) with $(ORACLE_PYTHON): macrodata-refiner"
	@$(ORACLE_PYTHON) -m venv --clear $(REFINER)
	@$(REFINER)/bin/python $(PIP) 'macrodata-refiner[video]==0.3.9'
	@touch $@
