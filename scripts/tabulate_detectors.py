"""Channels by the category of their label, by layer and cut of the IoU."""

import pandas as pd

from shapebias.dissection import detectors
from shapebias.imagesets import concepts_of
from shapebias.jobs import job
from shapebias.tables import read_table, write_table


def main(path_to_dissection, path_to_concepts, paths_to_table):
    categories = sorted({category for _, _, category in concepts_of(path_to_concepts)})
    frames = [
        detectors(frame, categories).assign(model=model)
        for model, frame in read_table(path_to_dissection).groupby("model", sort=False)
    ]
    for path in paths_to_table:
        write_table(pd.concat(frames, ignore_index=True), path, schema="detectors")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_dissection=snakemake.input.dissection,
            path_to_concepts=snakemake.input.concepts[0],
            paths_to_table=snakemake.output,
        )
