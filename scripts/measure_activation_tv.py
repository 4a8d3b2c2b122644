"""Total variation of every channel's activation maps on an image set."""

from shapebias.io.tables import write_table
from shapebias.networks.checkpoints import load_network
from shapebias.runtime.batches import run_in_batches
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job
from shapebias.smoothness.activations import activation_tv
from shapebias.stimuli.derive import rows_of


def main(weights, description, path_to_table, *, model, **images):
    network = load_network(weights, description).to(device())
    table = run_in_batches(
        lambda batches: activation_tv(network, batches),
        images["paths"],
        lambda: rows_of(**images),
        what="measuring activations",
    )
    table = table.assign(model=model, image_set=images["image_set"])
    write_table(table, path_to_table, schema="activation_tv")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            weights=snakemake.input.weights,
            description=snakemake.input.description,
            path_to_table=snakemake.output.table,
            model=snakemake.wildcards.model,
            paths=snakemake.input.images,
            transform=snakemake.params.transform,
            seed=snakemake.params.code["seed"],
            image_set=snakemake.wildcards.image_set,
            styles=snakemake.input.styles,
            segmenter=snakemake.input.segmenter,
        )
