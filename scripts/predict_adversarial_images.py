"""Classes that a network gives images changed along its own gradients."""

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


def main(paths, weights, description, outputs, *, attack, entry_level, n, seed):
    model, levels = load_network(weights, description).to(device()), entry_level_of(entry_level)
    attack, shown = build("attacks", **attack), spread_ids(paths[0], n)

    def work(batches):
        made = keep_examples(attack_batches(model, batches, attack, seed=seed), kept := [], shown)
        return predict(model, made, entry_level=levels), kept

    frame, kept = run_in_batches(work, paths, lambda: read_rows(paths), what="attacking")
    write_predictions(frame, outputs[0])
    write_images(kept, outputs[1], sizing=ResizeCrop())


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths=snakemake.input.images,
            weights=snakemake.input.weights,
            description=snakemake.input.description,
            outputs=snakemake.output,
            attack=snakemake.params.attack,
            entry_level=snakemake.params.entry_level,
            n=snakemake.params.examples,
            seed=snakemake.params.code["seed"],
        )
