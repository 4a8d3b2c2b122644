"""Channels by category, layer and IoU cut: by their label, and by one concept per category."""

from pathlib import Path

import pandas as pd

from shapebias.dissection.detectors import detectors, detectors_by_vote
from shapebias.io.concept_sets import concept_names
from shapebias.io.tables import read_table, write_table
from shapebias.runtime.job import job


def main(
    *,
    path_to_dissection: str,
    paths_to_overlaps: list[str],
    path_to_concepts: str,
    paths_to_table: list[str],
    paths_to_table_by_vote: list[str],
) -> None:
    concepts = concept_names(path_to_concepts)
    categories = sorted({category for _, _, category in concepts})
    by_label = [
        detectors(labels, categories).assign(model=model)
        for model, labels in read_table(path_to_dissection).groupby("model", sort=False)
    ]
    by_vote = []
    for path in paths_to_overlaps:
        overlaps = read_table(path, above_zero="iou")
        votes = detectors_by_vote(overlaps, concepts, categories)
        by_vote.append(votes.assign(model=Path(path).stem))
    for path in paths_to_table:
        write_table(pd.concat(by_label, ignore_index=True), path, schema="detectors")
    for path in paths_to_table_by_vote:
        write_table(pd.concat(by_vote, ignore_index=True), path, schema="detectors_by_vote")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_dissection=snakemake.input.dissection,
            paths_to_overlaps=snakemake.input.overlaps,
            path_to_concepts=snakemake.input.concepts[0],
            paths_to_table=[snakemake.output.table, snakemake.output.csv],
            paths_to_table_by_vote=[snakemake.output.votes, snakemake.output.votes_csv],
        )
