"""One public table from the files of a stage."""

from shapebias.io.tables import read_table, write_table
from shapebias.runtime.job import job


def main(paths, paths_to_table, *, schema):
    table = read_table(*paths)
    for path in paths_to_table:
        write_table(table, path, schema=schema)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths=snakemake.input.parts,
            paths_to_table=snakemake.output,
            schema=snakemake.wildcards.table,
        )
