"""A large public table, one file a network with one row group a layer."""

from shapebias.io.tables import join_by_layer
from shapebias.runtime.job import job


def main(paths, paths_to_tables, *, schema):
    parts = len(paths) // len(paths_to_tables)
    for number, path in enumerate(paths_to_tables):
        join_by_layer(paths[number * parts : (number + 1) * parts], path, schema=schema)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths=snakemake.input.parts,
            paths_to_tables=snakemake.output.tables,
            schema=snakemake.wildcards.table,
        )
