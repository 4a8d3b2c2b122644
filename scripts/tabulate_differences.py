"""Differences within each pair in shape bias and accuracy, by paired bootstrap over images."""

import pandas as pd

from shapebias.behaviour.differences import accuracy_differences, shape_bias_differences
from shapebias.io.image_sets import read_columns
from shapebias.io.predictions import read_predictions
from shapebias.io.tables import read_table, write_table
from shapebias.runtime.job import job
from shapebias.stimuli.entry_level_classes import entry_level_of


def main(
    *,
    predictions: dict[tuple[str, str], str],
    paths_to_images: dict[str, list[str]],
    paths_to_selections: list[str],
    path_to_table: str,
    path_to_csv: str,
    pairs: dict[str, dict[str, str]],
    image_sets: list[str],
    entry_level: tuple[str, list[str]],
    seed: int,
) -> None:
    cues = {
        name: pd.concat(read_columns(path, ["image_id", "shape", "texture"]) for path in paths)
        for name, paths in paths_to_images.items()
    }
    selections = {pair: set() for pair in pairs}
    for path in paths_to_selections:
        for pair, rows in read_table(path).groupby("pair"):
            selections[pair] = set(rows["image_id"])

    def read(model, image_set):
        return read_predictions(predictions[model, image_set])

    rows = shape_bias_differences(read, cues, pairs, seed=seed)
    table, by_entry_level = entry_level
    levels = {"entry_level": entry_level_of(table), "entry_level_sets": by_entry_level}
    rows += accuracy_differences(read, image_sets, pairs, selections, seed=seed, **levels)
    write_table(pd.DataFrame(rows), path_to_table, schema="differences")
    write_table(pd.DataFrame(rows), path_to_csv, schema="differences")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        params, files = snakemake.params, snakemake.input
        shown = list(zip(params.shown, files.images, strict=True))
        main(
            predictions=dict(zip(params.predicted, files.predictions, strict=True)),
            paths_to_images={name: [f for s, f in shown if s == name] for name, _ in shown},
            paths_to_selections=files.selections,
            path_to_table=snakemake.output.table,
            path_to_csv=snakemake.output.csv,
            pairs=params.pairs,
            image_sets=params.scored_sets,
            entry_level=(params.entry_level, params.entry_level_sets),
            seed=params.seed,
        )
