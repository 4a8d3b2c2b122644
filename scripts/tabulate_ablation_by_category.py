"""Mean Shape and Texture scores of the channels of each category."""

import pandas as pd

from shapebias.category_scores import scores_by_category
from shapebias.jobs import job
from shapebias.tables import read_table, write_table


def main(path_to_ablation, path_to_dissection, paths_to_table):
    labels = dict(list(read_table(path_to_dissection).groupby("model")))
    frames = [
        scores_by_category(scores, labels[model]).assign(model=model)
        for model, scores in read_table(path_to_ablation).groupby("model", sort=False)
    ]
    for path in paths_to_table:
        write_table(pd.concat(frames, ignore_index=True), path, schema="ablation_by_category")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_ablation=snakemake.input.ablation,
            path_to_dissection=snakemake.input.dissection,
            paths_to_table=snakemake.output,
        )
