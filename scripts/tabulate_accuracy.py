"""Accuracy of every network on every image set, over all images and over selections."""

from shapebias.behaviour.accuracy import accuracy_table
from shapebias.io.predictions import read_predictions
from shapebias.io.tables import read_table, write_table
from shapebias.runtime.job import job
from shapebias.stimuli.entry_level_classes import entry_level_of


def main(paths_to_predictions, path_to_selections, paths_to_table, *, scored, pairs, **levels):
    frames = zip(scored, map(read_predictions, paths_to_predictions), strict=True)
    chosen = read_table(path_to_selections)
    selections = {pair: set(chosen.loc[chosen["pair"] == pair, "image_id"]) for pair in pairs}
    table = accuracy_table(frames, selections, pairs, **levels)
    for path in paths_to_table:
        write_table(table, path, schema="accuracy")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_predictions=snakemake.input.predictions,
            path_to_selections=snakemake.input.selections,
            paths_to_table=snakemake.output,
            scored=snakemake.params.scored,
            pairs=snakemake.params.pairs,
            entry_level=entry_level_of(snakemake.params.entry_level),
            entry_level_sets=snakemake.params.entry_level_sets,
        )
