"""What the channels of a network with random or shuffled weights detect: the control."""

from typing import Any

from shapebias.dissection.part import dissect_part
from shapebias.dissection.randomised_network import randomise_weights
from shapebias.io.tables import write_table
from shapebias.networks.checkpoints import load_network
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job
from shapebias.seeds import seed_of


def main(
    *,
    paths_to_concepts: list[str],
    paths_to_network: tuple[str, str],
    architecture: dict[str, Any],
    path_to_labels: str,
    model: str,
    control: str,
    part: int,
    seed: int,
    settings: dict[str, Any],
    memory: int | None = None,
) -> None:
    network = load_network(*paths_to_network, architecture=architecture)
    randomise_weights(network, control, seed=seed_of(seed, "twin", control, model))
    dissection = dissect_part(
        network.to(device()), paths_to_concepts, part=part, settings=settings, memory=memory
    )
    labels = dissection.labels.assign(model=model, control=control)
    write_table(labels, path_to_labels, schema="dissection_controls")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_concepts=snakemake.input.concepts,
            paths_to_network=(snakemake.input.weights, snakemake.input.description),
            architecture=snakemake.params.architecture,
            path_to_labels=snakemake.output.labels,
            model=snakemake.wildcards.model,
            control=snakemake.wildcards.control,
            part=int(snakemake.wildcards.part),
            seed=snakemake.params.seed,
            settings=snakemake.params.settings,
            memory=snakemake.resources.mem_mb,
        )
