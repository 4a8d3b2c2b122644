"""Train a network on an image set."""

from shapebias.checkpoints import save_network
from shapebias.imagesets import read_rows
from shapebias.jobs import job
from shapebias.networks import state_beside, train_network
from shapebias.tables import write_table


def main(paths_to_images, paths_to_validation, weights, description, log, *, name, **settings):
    rows, validation = (list(read_rows(paths)) for paths in (paths_to_images, paths_to_validation))
    state = state_beside(weights, name=name, **settings)
    network, epochs = train_network(rows, validation, name=name, state=state, **settings)
    architecture = settings["architecture"]
    provenance = {key: settings[key] for key in ("training", "attack", "seed")}
    norm = settings["training"]["recipe"].get("norm", "main")
    files = {"path_to_weights": weights, "path_to_description": description}
    save_network(network, **files, architecture=architecture, provenance=provenance, norm=norm)
    write_table(epochs, log, schema="training_log")
    state.discard()


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_images=snakemake.input.images,
            paths_to_validation=snakemake.input.validation,
            weights=snakemake.output.weights,
            description=snakemake.output.description,
            log=snakemake.output.epochs,
            name=snakemake.wildcards.model,
            architecture=snakemake.params.architecture,
            input_size=snakemake.params.input_size,
            training=snakemake.params.training,
            attack=snakemake.params.attack,
            seed=snakemake.params.code["seed"],
        )
