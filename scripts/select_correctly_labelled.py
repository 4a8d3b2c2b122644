"""Images of the clean set that both networks of each pair label correctly."""

import pandas as pd

from shapebias.behaviour.accuracy import correctly_labelled
from shapebias.io.predictions import read_predictions
from shapebias.io.tables import write_table
from shapebias.runtime.job import job


def main(paths_to_standard, paths_to_robust, paths_to_table, *, pairs):
    rows = []
    for pair, *paths in zip(pairs, paths_to_standard, paths_to_robust, strict=True):
        ids = correctly_labelled(*map(read_predictions, paths))
        print(f"{pair}: both networks label {len(ids)} images correctly")
        rows += [(pair, image_id) for image_id in ids]
    table = pd.DataFrame(rows, columns=["pair", "image_id"], dtype=str)
    for path in paths_to_table:
        write_table(table, path, schema="correctly_labelled")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_standard=snakemake.input.standard,
            paths_to_robust=snakemake.input.robust,
            paths_to_table=snakemake.output,
            pairs=snakemake.params.pairs,
        )
