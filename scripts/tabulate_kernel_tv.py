"""Total variation of the kernels of every convolution of every network."""

from typing import Any

import pandas as pd

from shapebias.io.tables import write_table
from shapebias.networks.checkpoints import load_network
from shapebias.runtime.job import job
from shapebias.smoothness.kernels import kernel_tv


def main(
    *,
    paths_to_weights: list[str],
    paths_to_descriptions: list[str],
    path_to_table: str,
    path_to_csv: str,
    architectures: dict[str, dict[str, Any]],
) -> None:
    files = zip(paths_to_weights, paths_to_descriptions, strict=True)
    tables = [
        kernel_tv(load_network(*paths, architecture=architecture)).assign(model=model)
        for (model, architecture), paths in zip(architectures.items(), files, strict=True)
    ]
    table = pd.concat(tables, ignore_index=True)
    write_table(table, path_to_table, schema="kernel_tv")
    write_table(table, path_to_csv, schema="kernel_tv")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_weights=snakemake.input.weights,
            paths_to_descriptions=snakemake.input.descriptions,
            path_to_table=snakemake.output.table,
            path_to_csv=snakemake.output.csv,
            architectures=snakemake.params.architectures,
        )
