"""Images of the clean set that both networks of a pair label correctly."""

import pandas as pd

from shapebias.behaviour import correctly_labelled
from shapebias.jobs import job
from shapebias.prediction_files import read_predictions
from shapebias.tables import write_table


def main(path_to_standard, path_to_robust, path_to_selection, *, pair):
    ids = correctly_labelled(read_predictions(path_to_standard), read_predictions(path_to_robust))
    print(f"{pair}: both networks label {len(ids)} images correctly")
    frame = pd.DataFrame({"pair": pair, "image_id": pd.Series(ids, dtype=str)})
    write_table(frame, path_to_selection, schema="correctly_labelled")


if __name__ == "__main__":
    with job(snakemake.log[0], code=snakemake.params.code, inputs=snakemake.input):
        main(
            path_to_standard=snakemake.input.standard,
            path_to_robust=snakemake.input.robust,
            path_to_selection=snakemake.output.selection,
            pair=snakemake.wildcards.pair,
        )
