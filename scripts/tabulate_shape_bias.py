"""Shape bias of every network on every cue-conflict set."""

import pandas as pd

from shapebias.behaviour.shape_bias import shape_bias_table
from shapebias.io.image_sets import read_columns
from shapebias.io.predictions import read_predictions
from shapebias.io.tables import write_table
from shapebias.runtime.job import job


def main(paths_to_predictions, paths_to_images, paths_to_table, *, scored, shown):
    frames = zip(scored, map(read_predictions, paths_to_predictions), strict=True)
    cues = pd.concat(
        read_columns(path, ["image_id", "shape", "texture"]).assign(image_set=image_set)
        for path, image_set in zip(paths_to_images, shown, strict=True)
    )
    table = shape_bias_table(frames, cues)
    for path in paths_to_table:
        write_table(table, path, schema="shape_bias")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_predictions=snakemake.input.predictions,
            paths_to_images=snakemake.input.images,
            paths_to_table=snakemake.output,
            scored=snakemake.params.scored,
            shown=snakemake.params.shown,
        )
