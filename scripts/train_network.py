"""Train a network on an image set."""

from shapebias.checkpoints import save_network
from shapebias.imagesets import read_rows
from shapebias.jobs import job
from shapebias.networks import train_network
from shapebias.tables import write_table


def main(paths_to_images, paths_to_validation, weights, description, log, *, settings):
    network, epochs = train_network(
        list(read_rows(paths_to_images)), list(read_rows(paths_to_validation)), **settings
    )
    save_network(
        network,
        weights,
        description,
        architecture=settings["architecture"],
        provenance={key: settings[key] for key in ("training", "attack", "seed")},
    )
    write_table(epochs, log, schema="training_log")


if __name__ == "__main__":
    with job(
        snakemake.log[0],
        code=snakemake.params.code,
        inputs=snakemake.input,
        threads=snakemake.threads,
    ):
        main(
            paths_to_images=snakemake.input.images,
            paths_to_validation=snakemake.input.validation,
            weights=snakemake.output.weights,
            description=snakemake.output.description,
            log=snakemake.output.epochs,
            settings={
                "name": snakemake.wildcards.model,
                "architecture": snakemake.params.architecture,
                "input_size": snakemake.params.input_size,
                "training": snakemake.params.training,
                "attack": snakemake.params.attack,
                "seed": snakemake.params.code["seed"],
            },
        )
