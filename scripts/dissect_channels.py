"""What every channel of a network's named layers detects."""

from shapebias.batching import device
from shapebias.checkpoints import load_network
from shapebias.concept_batches import concept_batches
from shapebias.dissection import dissect
from shapebias.imagesets import concepts_of, number_of_rows, read_rows
from shapebias.jobs import job
from shapebias.progress import Counter
from shapebias.tables import write_table
from shapebias.units import channels_of_part


def main(paths, paths_to_network, outputs, *, model, part, settings):
    network, n_images = load_network(*paths_to_network).to(device()), number_of_rows(paths)
    tables = dissect(
        network,
        lambda: concept_batches(read_rows(paths), size=settings["batch"]),
        concepts_of(paths[0]),
        **{name: settings[name] for name in ("quantile", "area", "top_images")},
        channels=channels_of_part(network, settings.get("layers"), part, settings["parts"]),
        n_images=n_images,
        progress=Counter("dissecting, two passes", 2 * n_images),
    )
    schemas = ("dissection", "dissection_iou", "top_images")
    for table, path, schema in zip(tables, outputs, schemas, strict=True):
        write_table(table.assign(model=model), path, schema=schema)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths=snakemake.input.concepts,
            paths_to_network=(snakemake.input.weights, snakemake.input.description),
            outputs=snakemake.output,
            model=snakemake.wildcards.model,
            part=int(snakemake.wildcards.part),
            settings=snakemake.params.settings,
        )
