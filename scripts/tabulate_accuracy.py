"""Accuracy of every network on every image set, over all images and over selections."""

from shapebias.behaviour.accuracy import accuracy_table
from shapebias.io.predictions import read_predictions
from shapebias.io.tables import read_table, write_table
from shapebias.runtime.job import job
from shapebias.stimuli.entry_level_classes import entry_level_of


def main(
    *,
    paths_to_predictions: list[str],
    path_to_selections: str,
    path_to_table: str,
    path_to_csv: str,
    scored: list[tuple[str, str]],
    pairs: dict[str, dict[str, str]],
    entry_level: str | None,
    entry_level_sets: list[str],
) -> None:
    predictions = zip(scored, map(read_predictions, paths_to_predictions), strict=True)
    images = read_table(path_to_selections)
    selections = {pair: set(images.loc[images["pair"] == pair, "image_id"]) for pair in pairs}
    table = accuracy_table(
        predictions,
        selections,
        pairs,
        entry_level=entry_level_of(entry_level),
        entry_level_sets=entry_level_sets,
    )
    write_table(table, path_to_table, schema="accuracy")
    write_table(table, path_to_csv, schema="accuracy")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_predictions=snakemake.input.predictions,
            path_to_selections=snakemake.input.selections,
            path_to_table=snakemake.output.table,
            path_to_csv=snakemake.output.csv,
            scored=snakemake.params.scored,
            pairs=snakemake.params.pairs,
            entry_level=snakemake.params.entry_level,
            entry_level_sets=snakemake.params.entry_level_sets,
        )
