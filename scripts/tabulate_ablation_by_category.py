"""Mean shape and texture scores of the channels of each category."""

from shapebias.ablation.by_category import scores_of_networks
from shapebias.io.tables import read_table, write_table
from shapebias.runtime.job import job


def main(
    *, path_to_ablation: str, path_to_dissection: str, path_to_table: str, path_to_csv: str
) -> None:
    scores = scores_of_networks(read_table(path_to_ablation), read_table(path_to_dissection))
    write_table(scores, path_to_table, schema="ablation_by_category")
    write_table(scores, path_to_csv, schema="ablation_by_category")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_ablation=snakemake.input.ablation,
            path_to_dissection=snakemake.input.dissection,
            path_to_table=snakemake.output.table,
            path_to_csv=snakemake.output.csv,
        )
