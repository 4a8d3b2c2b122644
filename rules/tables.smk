# 8. Public tables, concatenated from the files of networks and parts.


rule concatenate_table:
    """One public table from the files of a measurement."""
    input:
        parts=lambda wildcards: tables.table_parts(study)[wildcards.table],
    output:
        table="<results>/tables/{table}.parquet",
        csv="<results>/tables/{table}.csv",
    log:
        "<results>/logs/concatenate_table/{table}.log",
    wildcard_constraints:
        table=one_of(tables.table_parts(study)),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=4_000,
    params:
        code=code_of("concatenate_table"),
        # Snakemake compares inputs as a set.
        order=lambda wildcards: tables.table_parts(study)[wildcards.table],
    script:
        "../scripts/concatenate_table.py"


rule concatenate_tables_by_model:
    """A large public table: one file for each network, with one row group for each layer."""
    input:
        parts=lambda wildcards: tables.large_table_parts(study)[wildcards.table],
    output:
        tables=expand("<results>/tables/{{table}}/{model}.parquet", model=study.models),
    log:
        "<results>/logs/concatenate_tables_by_model/{table}.log",
    wildcard_constraints:
        table=one_of(tables.large_table_parts(study)),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=16_000,
    params:
        code=code_of("concatenate_tables_by_model"),
        order=lambda wildcards: tables.large_table_parts(study)[wildcards.table],
    script:
        "../scripts/concatenate_tables_by_model.py"
