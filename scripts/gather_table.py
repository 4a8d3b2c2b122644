"""One public table from the files of a stage."""

import pandas as pd

from shapebias.jobs import job
from shapebias.tables import read_table, write_table


def main(paths, paths_to_table, *, schema):
    table = pd.concat(map(read_table, paths), ignore_index=True)
    for path in paths_to_table:
        write_table(table, path, schema=schema)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths=snakemake.input.parts,
            paths_to_table=snakemake.output,
            schema=snakemake.wildcards.table,
        )
