# Each target prepares what it needs and can be called first on a bare machine.

STUDY ?= config.yaml
CORES ?= all
# How to run elsewhere than on this machine's cores: PROFILE=profiles/slurm
PROFILE ?=
SNAKEMAKE_ARGS ?=
PYTHON ?= python3

BIN := .venv/bin
READY := .venv/ready
ARGUMENTS := $(SNAKEMAKE_ARGS) $(if $(PROFILE),--profile $(PROFILE),--cores $(CORES)) \
    --configfile "$(STUDY)"
READABLE := $(BIN)/python -m planning.study.yaml_check "$(STUDY)"
SNAKEMAKE := $(BIN)/snakemake $(ARGUMENTS)

.PHONY: env run plan renew resume unlock clean-stale test test-faults test-cluster lint docs bench

env: $(READY)

run: $(READY)
	@$(READABLE)
	$(SNAKEMAKE)

plan: $(READY)
	@$(READABLE)
	$(BIN)/python -m planning.runs.plan $(ARGUMENTS)

# After packages changed: what others made is to run again at the next `make run`. Says what.
renew: $(READY)
	@$(READABLE)
	SHAPEBIAS_RENEW=yes $(BIN)/python -m planning.runs.plan $(ARGUMENTS)

# Lists what the study no longer names among its results; REMOVE=yes removes it.
clean-stale: $(READY)
	@$(READABLE)
	$(BIN)/python -m planning.runs.clean_stale $(if $(filter yes,$(REMOVE)),--remove) $(ARGUMENTS)

# After Snakemake was killed; on a cluster see `resume`.
unlock: $(READY)
	@$(READABLE)
	$(SNAKEMAKE) --unlock

# After Snakemake was killed on a cluster while its jobs went on.
resume: $(READY)
	@$(READABLE)
	$(BIN)/python -m planning.runs.resume $(ARGUMENTS)

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup --ignore tests/cluster tests

# Runs of the tiny study that are killed fifty times at random.
test-faults: $(READY)
	$(BIN)/python -m tests.faults

# On a Slurm cluster of its own, which needs root.
test-cluster: $(READY)
	tests/cluster/slurm install
	$(BIN)/python -m pytest tests/cluster

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

docs: $(READY)
	$(BIN)/python -c "from shapebias.io.table_schemas import documentation; print(documentation(), end='')" \
	    > docs/tables.md
	$(BIN)/python -m planning.runs.plugin_page > docs/plugins.md

# NAME=transforms runs one of them.
bench: .venv/bench
	$(BIN)/python -m benchmarks $(NAME)

.venv/bench: $(READY) benchmarks/requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps -r benchmarks/requirements.txt
	touch $@

$(READY): envs/requirements.lock envs/set_up pyproject.toml
	PYTHON=$(PYTHON) envs/set_up .venv
	touch $@
