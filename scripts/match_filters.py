"""Filters of a pair's first convolutions that correlate most."""

from typing import Any

from safetensors.torch import save

from shapebias.io.atomic import atomic_write
from shapebias.io.tables import write_table
from shapebias.networks.checkpoints import load_network
from shapebias.runtime.job import job
from shapebias.smoothness.filter_matching import filter_matches
from shapebias.smoothness.kernels import first_kernels


def main(
    *,
    standard: tuple[str, str],
    robust: tuple[str, str],
    architectures: dict[str, dict[str, Any]],
    path_to_table: str,
    path_to_kernels: str,
    pair: str,
) -> None:
    kernels = {
        side: first_kernels(load_network(*paths, architecture=architectures[side])).contiguous()
        for side, paths in (("standard", standard), ("robust", robust))
    }
    matches = filter_matches(kernels["standard"], kernels["robust"])
    write_table(matches.assign(pair=pair), path_to_table, schema="filter_matches")
    with atomic_write(path_to_kernels) as temporary:
        temporary.write_bytes(save(kernels))


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            standard=(snakemake.input.standard, snakemake.input.standard_description),
            robust=(snakemake.input.robust, snakemake.input.robust_description),
            architectures=snakemake.params.architectures,
            path_to_table=snakemake.output.table,
            path_to_kernels=snakemake.output.kernels,
            pair=snakemake.wildcards.pair,
        )
