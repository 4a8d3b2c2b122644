# Each target prepares what it needs and can be called first on a bare machine.

STUDY ?= config.yaml
CORES ?= all
SNAKEMAKE_ARGS ?=
PYTHON ?= python3

BIN := .venv/bin
READY := .venv/ready
SNAKEMAKE := $(BIN)/snakemake $(SNAKEMAKE_ARGS) --cores $(CORES) --configfile $(STUDY)

ifeq ($(wildcard $(STUDY)),)
$(error there is no study $(STUDY); see studies/)
endif

.PHONY: run plan test lint docs bench

run: $(READY)
	$(SNAKEMAKE)

plan: $(READY)
	$(SNAKEMAKE) --dry-run --quiet rules

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

docs: $(READY)
	$(BIN)/python -c "from shapebias.tables import documentation; print(documentation(), end='')" \
	    > docs/tables.md
	$(BIN)/python -m rules.catalogue > docs/plugins.md

# NAME=transforms runs one of them.
bench: .venv/bench
	$(BIN)/python -m benchmarks $(NAME)

.venv/bench: $(READY) benchmarks/requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps -r benchmarks/requirements.txt
	touch $@

$(READY): envs/requirements.lock envs/set_up pyproject.toml
	PYTHON=$(PYTHON) envs/set_up .venv
	touch $@
