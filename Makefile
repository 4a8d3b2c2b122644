# Each target installs what it needs, so that any of them can be the first on a new machine.

STUDY ?= config.yaml
CORES ?= all
# Runs on a cluster instead of this machine: PROFILE=profiles/slurm
PROFILE ?=
SNAKEMAKE_ARGS ?=
PYTHON ?= python3

BIN := .venv/bin
READY := .venv/ready
ARGUMENTS := $(SNAKEMAKE_ARGS) $(if $(PROFILE),--profile $(PROFILE),--cores $(CORES)) \
    --configfile "$(STUDY)"
CHECK_STUDY := $(BIN)/python -m planning.study.yaml_check "$(STUDY)"
SNAKEMAKE := $(BIN)/snakemake $(ARGUMENTS)

.PHONY: env run plan renew resume unlock clean-stale test test-faults test-cluster lint docs bench

env: $(READY)

run: $(READY)
	@$(CHECK_STUDY)
	$(SNAKEMAKE)

plan: $(READY)
	@$(CHECK_STUDY)
	$(BIN)/python -m planning.runs.plan $(ARGUMENTS)

# Record the installed package versions, so that jobs of changed packages run again at the next
# `make run`, and print these jobs.
renew: $(READY)
	@$(CHECK_STUDY)
	SHAPEBIAS_RENEW=yes $(BIN)/python -m planning.runs.plan $(ARGUMENTS)

# List result files that no longer belong to the study; REMOVE=yes removes them.
clean-stale: $(READY)
	@$(CHECK_STUDY)
	$(BIN)/python -m planning.runs.clean_stale $(if $(filter yes,$(REMOVE)),--remove) $(ARGUMENTS)

# Unlock the folder after Snakemake was killed; on a cluster use `resume`.
unlock: $(READY)
	@$(CHECK_STUDY)
	$(SNAKEMAKE) --unlock

# Restart a study on a cluster after Snakemake was killed: cancels the jobs that still run.
resume: $(READY)
	@$(CHECK_STUDY)
	$(BIN)/python -m planning.runs.resume $(ARGUMENTS)

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup --ignore tests/cluster tests

# Kill runs of the tiny study fifty times at random; all files must be right after each.
test-faults: $(READY)
	$(BIN)/python -m tests.faults

# Tests on a Slurm cluster that is started for them; needs root.
test-cluster: $(READY)
	tests/cluster/slurm install
	$(BIN)/python -m pytest tests/cluster

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

docs: $(READY)
	$(BIN)/python -c "from shapebias.io.table_schemas import documentation; print(documentation(), end='')" \
	    > docs/tables.md
	$(BIN)/python -m planning.runs.plugin_page > docs/plugins.md

# All benchmarks; NAME=transforms runs one of them.
bench: .venv/bench
	$(BIN)/python -m benchmarks $(NAME)

.venv/bench: $(READY) benchmarks/requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps -r benchmarks/requirements.txt
	touch $@

$(READY): envs/requirements.lock envs/set_up pyproject.toml
	PYTHON=$(PYTHON) envs/set_up .venv
	touch $@
