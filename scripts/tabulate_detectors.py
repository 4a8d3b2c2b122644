"""Channels by category, layer and cut of the IoU: by their label, and by one vote a category."""

from pathlib import Path

import pandas as pd

from shapebias.dissection.detectors import detectors, detectors_by_vote
from shapebias.io.concept_sets import concept_names
from shapebias.io.tables import read_table, write_table
from shapebias.runtime.job import job


def main(path_to_dissection, paths_to_overlaps, path_to_concepts, paths_to_table, paths_to_votes):
    concepts = concept_names(path_to_concepts)
    categories = sorted({category for _, _, category in concepts})
    labels = [
        detectors(frame, categories).assign(model=model)
        for model, frame in read_table(path_to_dissection).groupby("model", sort=False)
    ]
    votes = []
    for path in paths_to_overlaps:
        met = read_table(path, above_zero="iou")
        votes.append(detectors_by_vote(met, concepts, categories).assign(model=Path(path).stem))
    for path in paths_to_table:
        write_table(pd.concat(labels, ignore_index=True), path, schema="detectors")
    for path in paths_to_votes:
        write_table(pd.concat(votes, ignore_index=True), path, schema="detectors_by_vote")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_dissection=snakemake.input.dissection,
            paths_to_overlaps=snakemake.input.overlaps,
            path_to_concepts=snakemake.input.concepts[0],
            paths_to_table=[snakemake.output.table, snakemake.output.csv],
            paths_to_votes=[snakemake.output.votes, snakemake.output.votes_csv],
        )
