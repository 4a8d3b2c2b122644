"""Differences within each pair in shape bias and accuracy, by paired bootstrap over images."""

import pandas as pd

from shapebias.behaviour.differences import accuracy_differences, shape_bias_differences
from shapebias.io.image_sets import read_columns
from shapebias.io.predictions import read_predictions
from shapebias.io.tables import read_table, write_table
from shapebias.runtime.job import job
from shapebias.stimuli.entry_level_classes import entry_level_of


def main(
    predictions, images, selected, paths_to_table, *, pairs, scored_sets, seed, entry_level, levels
):
    cues = {
        image_set: pd.concat(read_columns(path, ["image_id", "shape", "texture"]) for path in paths)
        for image_set, paths in images.items()
    }
    selections = {pair: set() for pair in pairs}
    for pair, rows in read_table(*selected).groupby("pair") if selected else ():
        selections[pair] = set(rows["image_id"])

    def read(model, image_set):
        return read_predictions(predictions[model, image_set])

    rows = shape_bias_differences(read, cues, pairs, seed=seed) + accuracy_differences(
        read,
        scored_sets,
        pairs,
        selections,
        seed=seed,
        entry_level=entry_level,
        entry_level_sets=levels,
    )
    for path in paths_to_table:
        write_table(pd.DataFrame(rows), path, schema="differences")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        image_sets = zip(snakemake.params.shown, snakemake.input.images, strict=True)
        images = {}
        for image_set, path in image_sets:
            images.setdefault(image_set, []).append(path)
        main(
            predictions=dict(
                zip(snakemake.params.predicted, snakemake.input.predictions, strict=True)
            ),
            images=images,
            selected=snakemake.input.selections,
            paths_to_table=snakemake.output,
            pairs=snakemake.params.pairs,
            scored_sets=snakemake.params.scored_sets,
            seed=snakemake.params.seed,
            entry_level=entry_level_of(snakemake.params.entry_level),
            levels=snakemake.params.entry_level_sets,
        )
