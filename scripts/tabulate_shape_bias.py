"""Shape bias of every network on every cue-conflict set."""

import pandas as pd

from shapebias.behaviour.shape_bias import shape_bias_table
from shapebias.io.image_sets import read_columns
from shapebias.io.predictions import read_predictions
from shapebias.io.tables import write_table
from shapebias.runtime.job import job


def main(
    *,
    paths_to_predictions: list[str],
    paths_to_images: list[str],
    path_to_table: str,
    path_to_csv: str,
    scored: list[tuple[str, str]],
    image_sets: list[str],
) -> None:
    predictions = zip(scored, map(read_predictions, paths_to_predictions), strict=True)
    cues = pd.concat(
        read_columns(path, ["image_id", "shape", "texture"]).assign(image_set=image_set)
        for path, image_set in zip(paths_to_images, image_sets, strict=True)
    )
    table = shape_bias_table(predictions, cues)
    write_table(table, path_to_table, schema="shape_bias")
    write_table(table, path_to_csv, schema="shape_bias")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_predictions=snakemake.input.predictions,
            paths_to_images=snakemake.input.images,
            path_to_table=snakemake.output.table,
            path_to_csv=snakemake.output.csv,
            scored=snakemake.params.scored,
            image_sets=snakemake.params.image_sets,
        )
