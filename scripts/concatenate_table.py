"""One public table from the files of a measurement."""

from shapebias.io.tables import read_table, write_table
from shapebias.runtime.job import job


def main(*, paths_to_parts: list[str], path_to_table: str, path_to_csv: str, schema: str) -> None:
    table = read_table(*paths_to_parts)
    write_table(table, path_to_table, schema=schema)
    write_table(table, path_to_csv, schema=schema)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_parts=snakemake.input.parts,
            path_to_table=snakemake.output.table,
            path_to_csv=snakemake.output.csv,
            schema=snakemake.wildcards.table,
        )
