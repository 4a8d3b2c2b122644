"""What every channel of a network's named layers detects."""

from shapebias.batching import device
from shapebias.checkpoints import load_network
from shapebias.concept_batches import concept_batches
from shapebias.dissection import dissect
from shapebias.imagesets import concepts_of, read_rows
from shapebias.jobs import job
from shapebias.tables import write_table
from shapebias.units import channels_of_part


def main(paths, weights, description, path_to_labels, path_to_overlaps, *, model, part, settings):
    network = load_network(weights, description).to(device())
    labels, overlaps = dissect(
        network,
        lambda: concept_batches(read_rows(paths), size=settings["batch"]),
        concepts_of(paths[0]),
        quantile=settings["quantile"],
        area=settings["area"],
        channels=channels_of_part(network, settings.get("layers"), part, settings["parts"]),
    )
    write_table(labels.assign(model=model), path_to_labels, schema="dissection")
    write_table(overlaps.assign(model=model), path_to_overlaps, schema="dissection_iou")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths=snakemake.input.concepts,
            weights=snakemake.input.weights,
            description=snakemake.input.description,
            path_to_labels=snakemake.output.labels,
            path_to_overlaps=snakemake.output.overlaps,
            model=snakemake.wildcards.model,
            part=int(snakemake.wildcards.part),
            settings=snakemake.params.settings,
        )
