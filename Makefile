# One command each; `make help` lists them. Every target that needs the environment builds it first.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv pip install --python $(PY)
# The address of torch is remembered, so that later commands do not put the default build in its place.
TORCH_INDEX ?= $(shell cat $(VENV)/torch-index 2>/dev/null)
STAMP := $(VENV)/.ready-$(shell (cat requirements.lock; echo "$(TORCH_INDEX)") | cksum | cut -d' ' -f1)

TASK ?=
SYSTEM ?=
DATA ?= auto
PROTOCOL ?=
FOLD ?=
SEED ?= 0
DEVICES ?= 1
NODES ?= 1
LOGGER ?= csv
RESUME ?= auto
MODEL ?=
REGISTRY ?=
ARGS ?=
TASKS ?=
SYSTEMS ?=
FOLDS ?=
SEEDS ?= 0
LAUNCHER ?= local
JOBS ?=
RETRIES ?= 1
DRY_RUN ?=
PARTITION ?=
HOURS ?=
GPUS ?=
MEMORY ?=
CPUS ?=
SLURM ?=
PARTS ?=

.DEFAULT_GOAL := help
.PHONY: help setup bench sweep data test test-all lint leaderboard site dashboard submit perf clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk -F ':.*?## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP)  ## build .venv (again only when the pins change); TORCH_INDEX=<address> takes torch from there

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed; name one with PYTHON=…")'
	$(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check uv
ifneq ($(TORCH_INDEX),)
	$(UV) --index-url $(TORCH_INDEX) $$(grep -E '^torch(audio)?==' requirements.lock)
	grep -vE '^(torch|torchaudio|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+)==' requirements.lock | $(UV) -r -
else
	$(UV) -r requirements.lock
endif
	$(UV) --quiet --no-deps -e .
	@echo "$(TORCH_INDEX)" > $(VENV)/torch-index
	@touch $@

bench: setup  ## train and score: TASK=bad or TASK=all [SYSTEM DATA PROTOCOL FOLD SEED DEVICES NODES LOGGER RESUME MODEL ARGS]
	@test -n "$(TASK)" || { echo "error: say which task, e.g. make bench TASK=bad (or TASK=all)" >&2; exit 2; }
	@$(PY) -m benchmark run --task "$(TASK)" --system "$(SYSTEM)" --data "$(DATA)" --protocol "$(PROTOCOL)" --fold "$(FOLD)" \
		--seed "$(SEED)" --devices "$(DEVICES)" --nodes "$(NODES)" --logger "$(LOGGER)" --resume "$(RESUME)" \
		$(if $(MODEL),--model "$(MODEL)") $(ARGS)

sweep: setup  ## many runs: TASKS=bad,esc or all [SYSTEMS FOLDS SEEDS=0-4 JOBS DRY_RUN=1 LAUNCHER=local|slurm …: docs/cluster.md]
	@test -n "$(TASKS)" || { echo "error: say which tasks, e.g. make sweep TASKS=bad,esc (or TASKS=all)" >&2; exit 2; }
	@$(PY) -m benchmark sweep --tasks "$(TASKS)" --systems "$(SYSTEMS)" --folds "$(FOLDS)" --seeds "$(SEEDS)" \
		--launcher "$(LAUNCHER)" $(if $(JOBS),--jobs "$(JOBS)") --retries "$(RETRIES)" $(if $(DRY_RUN),--dry-run) \
		$(if $(PARTITION),--partition "$(PARTITION)") $(if $(HOURS),--hours "$(HOURS)") $(if $(GPUS),--gpus "$(GPUS)") \
		$(if $(MEMORY),--memory "$(MEMORY)") $(if $(CPUS),--cpus "$(CPUS)") $(foreach pair,$(SLURM),--slurm "$(pair)") \
		--data "$(DATA)" --protocol "$(PROTOCOL)" --devices "$(DEVICES)" --logger "$(LOGGER)" \
		$(if $(MODEL),--model "$(MODEL)") $(ARGS)

DATA_OPTIONS = --protocol "$(PROTOCOL)" $(if $(filter-out auto full,$(DATA)),--data "$(DATA)")

data: setup  ## download, verify and prepare the real data: TASK=bad or TASK=all [PROTOCOL SYSTEM DATA=DIR REGISTRY ARGS]
	@test -n "$(TASK)" || { echo "error: say which task, e.g. make data TASK=bad (or TASK=all)" >&2; exit 2; }
	@test "$(DATA)" != mini || { echo "error: mini data is made on the spot: make bench TASK=$(TASK) DATA=mini" >&2; exit 2; }
	@test "$(TASK)" != weights -a "$(PROTOCOL)" != all || { echo "error: that is for the download alone:" \
		"python -m benchmark data download $(TASK)$(if $(filter all,$(PROTOCOL)), --protocol all)" >&2; exit 2; }
	@$(PY) -m benchmark data download "$(TASK)" $(DATA_OPTIONS) $(if $(REGISTRY),--registry "$(REGISTRY)") $(ARGS)
	@$(if $(findstring --dry-run,$(ARGS)),exit 0;) code=0; \
		$(PY) -m benchmark data verify "$(TASK)" $(DATA_OPTIONS) $(if $(REGISTRY),--registry "$(REGISTRY)") || code=$$?; \
		$(PY) -m benchmark data prepare "$(TASK)" $(DATA_OPTIONS) --system "$(SYSTEM)" || code=$$?; exit $$code

# One thread a process: several processes whose threads wait for each other take many times as long.
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest -n auto

test: setup  ## the quick tests
	@$(PYTEST) -m "not slow"

test-all: setup  ## all tests, the slow ones too
	@$(PYTEST)

lint: setup  ## ruff and mypy
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

leaderboard: setup  ## write leaderboard/tables (committed records) and runs/leaderboard (your runs)
	@$(PY) -m leaderboard

dashboard: setup  ## save the dashboard of runs logged with LOGGER=wandb [ARGS=--dry-run: print its definition]
	@$(PY) -m leaderboard dashboard $(ARGS)

site: setup  ## write a static site of the committed records and your runs: runs/site/index.html [ARGS]
	@$(PY) -m leaderboard site $(ARGS)

submit: setup  ## put a finished run on real data into leaderboard/records: RUN=…
	@test -n "$(RUN)" || { echo "error: say which run, e.g. make submit RUN=last" >&2; exit 2; }
	@$(PY) -m leaderboard submit "$(RUN)"

perf: setup  ## measure this machine: one report in docs/performance.md [PARTS=store,training ARGS="--trainer.precision …"]
	@$(PY) -m perf $(if $(PARTS),--parts "$(PARTS)") $(ARGS)

clean:  ## remove caches of the tools; never runs or data
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find benchmark tasks leaderboard tests perf -name __pycache__ -type d -prune -exec rm -rf {} +
