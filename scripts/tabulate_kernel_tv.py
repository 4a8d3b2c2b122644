"""Total variation of the kernels of every convolution of every network."""

import pandas as pd

from shapebias.io.tables import write_table
from shapebias.networks.checkpoints import load_network
from shapebias.runtime.job import job
from shapebias.smoothness.kernels import kernel_tv


def main(weights, descriptions, paths_to_table, *, models):
    tables = [
        kernel_tv(load_network(*paths)).assign(model=model)
        for model, *paths in zip(models, weights, descriptions, strict=True)
    ]
    for path in paths_to_table:
        write_table(pd.concat(tables, ignore_index=True), path, schema="kernel_tv")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            weights=snakemake.input.weights,
            descriptions=snakemake.input.descriptions,
            paths_to_table=snakemake.output,
            models=snakemake.params.models,
        )
