"""Classes that a network assigns to images attacked along its own gradients."""

from typing import Any

from shapebias.behaviour.adversarial_images import attack_batches, keep_examples
from shapebias.behaviour.predict import predict
from shapebias.io.image_sets import ResizeCrop, read_rows, write_images
from shapebias.io.predictions import write_predictions
from shapebias.networks.checkpoints import load_network
from shapebias.plugins import build
from shapebias.runtime.batches import run_in_batches
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job
from shapebias.stimuli.entry_level_classes import entry_level_of
from shapebias.stimuli.examples import spread_ids


def main(
    *,
    paths_to_images: list[str],
    paths_to_network: tuple[str, str],
    architecture: dict[str, Any],
    path_to_predictions: str,
    path_to_examples: str,
    attack: dict[str, Any],
    entry_level: str | None,
    n_examples: int,
    seed: int,
) -> None:
    model = load_network(*paths_to_network, architecture=architecture).to(device())
    example_ids = spread_ids(paths_to_images[0], n_examples)

    def work(batches):
        examples = []
        attacked = attack_batches(model, batches, build("attacks", **attack), seed=seed)
        attacked = keep_examples(attacked, examples, example_ids)
        return predict(model, attacked, entry_level=entry_level_of(entry_level)), examples

    predictions, examples = run_in_batches(
        work, paths_to_images, lambda: read_rows(paths_to_images), what="attacking"
    )
    write_predictions(predictions, path_to_predictions)
    write_images(examples, path_to_examples, sizing=ResizeCrop())


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_images=snakemake.input.images,
            paths_to_network=(snakemake.input.weights, snakemake.input.description),
            architecture=snakemake.params.architecture,
            path_to_predictions=snakemake.output.predictions,
            path_to_examples=snakemake.output.examples,
            attack=snakemake.params.attack,
            entry_level=snakemake.params.entry_level,
            n_examples=snakemake.params.examples,
            seed=snakemake.params.code["seed"],
        )
