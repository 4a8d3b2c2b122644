"""Train a network on an image set."""

from shapebias.io.tables import write_table
from shapebias.networks.checkpoints import save_network
from shapebias.runtime.job import job
from shapebias.training.train_network import state_beside, train_network


def main(images, validation, weights, description, log, speed, *, name, starts, saving, **settings):
    state = state_beside(weights, *saving, name=name, **settings)
    given = {"name": name, "starts": starts, "state": state}
    network, epochs = train_network(images, validation, **given, **settings)
    architecture = settings["architecture"]
    provenance = {key: settings[key] for key in ("training", "attack", "seed")}
    norm = settings["training"]["recipe"].get("norm", "main")
    files = {"path_to_weights": weights, "path_to_description": description}
    save_network(network, **files, architecture=architecture, provenance=provenance, norm=norm)
    write_table(epochs.drop(columns="images_per_second"), log, schema="training_log")
    write_table(epochs[["model", "epoch", "images_per_second"]], speed, schema="training_speed")
    state.delete()


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            snakemake.input.images,
            snakemake.input.validation,
            **snakemake.output,
            name=snakemake.wildcards.model,
            saving=(snakemake.resources.save_every, snakemake.resources.save_seconds),
            starts=list(zip(*[iter(snakemake.input.starts)] * 2, strict=True)),
            architecture=snakemake.params.architecture,
            input_size=snakemake.params.input_size,
            training=snakemake.params.training,
            attack=snakemake.params.attack,
            seed=snakemake.params.code["seed"],
        )
