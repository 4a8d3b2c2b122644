"""Classes that a network gives the images of a set."""

from shapebias.behaviour.predict import predict
from shapebias.io.predictions import write_predictions
from shapebias.networks.checkpoints import load_network
from shapebias.runtime.batches import run_in_batches
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job
from shapebias.stimuli.derive import rows_of
from shapebias.stimuli.entry_level_classes import entry_level_of


def main(weights, description, path_to_predictions, *, entry_level, **images):
    model = load_network(weights, description).to(device())
    frame = run_in_batches(
        lambda batches: predict(model, batches, entry_level=entry_level_of(entry_level)),
        images["paths"],
        lambda: rows_of(**images),
        what=f"predicting {images['image_set']}",
    )
    write_predictions(frame, path_to_predictions)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            weights=snakemake.input.weights,
            description=snakemake.input.description,
            path_to_predictions=snakemake.output.predictions,
            entry_level=snakemake.params.entry_level,
            paths=snakemake.input.images,
            transform=snakemake.params.transform,
            seed=snakemake.params.code["seed"],
            image_set=snakemake.wildcards.image_set,
            styles=snakemake.input.styles,
            segmenter=snakemake.input.segmenter,
        )
