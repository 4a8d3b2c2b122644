"""Total variation of the kernels of every convolution of a network."""

from shapebias.checkpoints import load_network
from shapebias.jobs import job
from shapebias.smoothness import kernel_tv
from shapebias.tables import write_table


def main(weights, description, path_to_table, *, model):
    table = kernel_tv(load_network(weights, description))
    write_table(table.assign(model=model), path_to_table, schema="kernel_tv")


if __name__ == "__main__":
    with job(
        snakemake.log[0],
        code=snakemake.params.code,
        inputs=snakemake.input,
        threads=snakemake.threads,
    ):
        main(
            weights=snakemake.input.weights,
            description=snakemake.input.description,
            path_to_table=snakemake.output.table,
            model=snakemake.wildcards.model,
        )
