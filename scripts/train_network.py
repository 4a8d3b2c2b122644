"""Train a network on an image set."""

from typing import Any

from shapebias.io.tables import write_table
from shapebias.networks.checkpoints import save_network
from shapebias.runtime.job import job
from shapebias.training.train_network import state_beside, train_network


def main(
    *,
    paths_to_images: list[str],
    paths_to_validation: list[str],
    starts: list[tuple[str, str, dict[str, Any]]],
    paths_to_network: tuple[str, str],
    path_to_log: str,
    path_to_speed: str,
    saving: tuple[int, float],
    settings: dict[str, Any],
) -> None:
    state = state_beside(paths_to_network[0], *saving, **settings)
    network, log = train_network(
        paths_to_images, paths_to_validation, starts=starts, state=state, **settings
    )
    save_network(
        network,
        *paths_to_network,
        architecture=settings["architecture"],
        provenance={key: settings[key] for key in ("training", "attack", "seed")},
        norm=settings["training"]["recipe"].get("norm", "main"),
    )
    write_table(log.drop(columns="images_per_second"), path_to_log, schema="training_log")
    speed = log[["model", "epoch", "images_per_second"]]
    write_table(speed, path_to_speed, schema="training_speed")
    state.delete()


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        starts = snakemake.input.start_weights, snakemake.input.start_descriptions
        main(
            paths_to_images=snakemake.input.images,
            paths_to_validation=snakemake.input.validation,
            starts=list(zip(*starts, snakemake.params.start_architectures, strict=True)),
            paths_to_network=(snakemake.output.weights, snakemake.output.description),
            path_to_log=snakemake.output.log,
            path_to_speed=snakemake.output.speed,
            saving=(snakemake.resources.save_every, snakemake.resources.save_seconds),
            settings={
                "name": snakemake.wildcards.model,
                "architecture": snakemake.params.architecture,
                "input_size": snakemake.params.input_size,
                "training": snakemake.params.training,
                "attack": snakemake.params.attack,
                "seed": snakemake.params.code["seed"],
            },
        )
