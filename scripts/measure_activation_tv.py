"""Total variation of every channel's activation maps on an image set."""

from typing import Any

from shapebias.io.tables import write_table
from shapebias.networks.checkpoints import load_network
from shapebias.runtime.batches import run_in_batches
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job
from shapebias.smoothness.activations import activation_tv
from shapebias.stimuli.derive import rows_of


def main(
    *,
    paths_to_network: tuple[str, str],
    architecture: dict[str, Any],
    paths_to_images: list[str],
    paths_to_styles: list[str],
    paths_to_segmenter: list[str],
    path_to_table: str,
    model: str,
    image_set: str,
    transform: dict[str, Any] | None,
    seed: int,
) -> None:
    network = load_network(*paths_to_network, architecture=architecture).to(device())
    table = run_in_batches(
        lambda batches: activation_tv(network, batches),
        paths_to_images,
        lambda: rows_of(
            paths_to_images,
            transform=transform,
            seed=seed,
            image_set=image_set,
            styles=paths_to_styles,
            segmenter=paths_to_segmenter,
        ),
        what="measuring activations",
    )
    table = table.assign(model=model, image_set=image_set)
    write_table(table, path_to_table, schema="activation_tv")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_network=(snakemake.input.weights, snakemake.input.description),
            architecture=snakemake.params.architecture,
            paths_to_images=snakemake.input.images,
            paths_to_styles=snakemake.input.styles,
            paths_to_segmenter=snakemake.input.segmenter,
            path_to_table=snakemake.output.table,
            model=snakemake.wildcards.model,
            image_set=snakemake.wildcards.image_set,
            transform=snakemake.params.transform,
            seed=snakemake.params.code["seed"],
        )
