"""Classes that a network assigns to the images of a set."""

from typing import Any

from shapebias.behaviour.predict import predict
from shapebias.io.predictions import write_predictions
from shapebias.networks.checkpoints import load_network
from shapebias.runtime.batches import run_in_batches
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job
from shapebias.stimuli.derive import rows_of
from shapebias.stimuli.entry_level_classes import entry_level_of


def main(
    *,
    paths_to_network: tuple[str, str],
    architecture: dict[str, Any],
    paths_to_images: list[str],
    paths_to_styles: list[str],
    paths_to_segmenter: list[str],
    path_to_predictions: str,
    image_set: str,
    entry_level: str | None,
    transform: dict[str, Any] | None,
    seed: int,
) -> None:
    model = load_network(*paths_to_network, architecture=architecture).to(device())
    predictions = run_in_batches(
        lambda batches: predict(model, batches, entry_level=entry_level_of(entry_level)),
        paths_to_images,
        lambda: rows_of(
            paths_to_images,
            transform=transform,
            seed=seed,
            image_set=image_set,
            styles=paths_to_styles,
            segmenter=paths_to_segmenter,
        ),
        what=f"predicting {image_set}",
    )
    write_predictions(predictions, path_to_predictions)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_network=(snakemake.input.weights, snakemake.input.description),
            architecture=snakemake.params.architecture,
            paths_to_images=snakemake.input.images,
            paths_to_styles=snakemake.input.styles,
            paths_to_segmenter=snakemake.input.segmenter,
            path_to_predictions=snakemake.output.predictions,
            image_set=snakemake.wildcards.image_set,
            entry_level=snakemake.params.entry_level,
            transform=snakemake.params.transform,
            seed=snakemake.params.code["seed"],
        )
