"""Train a segmentation network on the label maps of a concept set."""

from typing import Any

import torch

from shapebias.io.concept_sets import concept_names
from shapebias.io.image_sets import read_rows, stack
from shapebias.plugins import build
from shapebias.progress import count_images
from shapebias.runtime.job import job
from shapebias.stimuli.segmenter import save_segmenter
from shapebias.stimuli.train_segmenter import class_masks, train_segmenter


def main(
    *,
    paths_to_concepts: list[str],
    path_to_weights: str,
    architecture: dict[str, Any],
    category: str,
    training: dict[str, Any],
    seed: int,
) -> None:
    rows = list(read_rows(paths_to_concepts))
    classes, masks = class_masks(rows, concept_names(paths_to_concepts[0]), category)
    torch.manual_seed(seed)
    network = build("segmenters", classes=classes, **architecture)
    images = torch.from_numpy(stack(rows)).contiguous()

    def log_epoch(epoch: dict[str, Any]) -> None:
        count_images(f"epoch {epoch['epoch']}", len(rows))
        print(epoch, flush=True)

    train_segmenter(
        network, images, torch.from_numpy(masks), seed=seed, progress=log_epoch, **training
    )
    save_segmenter(network, path_to_weights, architecture=architecture, classes=classes)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_concepts=snakemake.input.concepts,
            path_to_weights=snakemake.output.weights,
            architecture=snakemake.params.architecture,
            category=snakemake.params.category,
            training=snakemake.params.training,
            seed=snakemake.params.code["seed"],
        )
