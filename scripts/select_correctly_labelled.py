"""Images of the clean set that both networks of each pair label correctly."""

import pandas as pd

from shapebias.behaviour.accuracy import correctly_labelled
from shapebias.io.predictions import read_predictions
from shapebias.io.tables import write_table
from shapebias.runtime.job import job


def main(
    *,
    paths_to_standard: list[str],
    paths_to_robust: list[str],
    path_to_table: str,
    path_to_csv: str,
    pairs: list[str],
) -> None:
    rows = []
    for pair, *paths in zip(pairs, paths_to_standard, paths_to_robust, strict=True):
        ids = correctly_labelled(*map(read_predictions, paths))
        print(f"{pair}: both networks label {len(ids)} images correctly")
        rows += [(pair, image_id) for image_id in ids]
    table = pd.DataFrame(rows, columns=["pair", "image_id"], dtype=str)
    write_table(table, path_to_table, schema="correctly_labelled")
    write_table(table, path_to_csv, schema="correctly_labelled")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_standard=snakemake.input.standard,
            paths_to_robust=snakemake.input.robust,
            path_to_table=snakemake.output.table,
            path_to_csv=snakemake.output.csv,
            pairs=snakemake.params.pairs,
        )
