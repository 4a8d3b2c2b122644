"""A large public table: one file for each network, with one row group for each layer."""

from shapebias.io.tables import join_by_layer
from shapebias.runtime.job import job


def main(*, paths_to_parts: list[str], paths_to_tables: list[str], schema: str) -> None:
    n_parts = len(paths_to_parts) // len(paths_to_tables)
    for number, path in enumerate(paths_to_tables):
        parts = paths_to_parts[number * n_parts : (number + 1) * n_parts]
        join_by_layer(parts, path, schema=schema)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_parts=snakemake.input.parts,
            paths_to_tables=snakemake.output.tables,
            schema=snakemake.wildcards.table,
        )
