"""What every channel of a network's named layers detects."""

from shapebias.batching import device
from shapebias.checkpoints import load_network
from shapebias.concept_batches import over_concepts
from shapebias.dissection import dissect
from shapebias.imagesets import concepts_of, number_of_rows
from shapebias.jobs import job
from shapebias.progress import Counter
from shapebias.tables import write_table
from shapebias.units import channels_of_part


def main(paths, paths_to_network, outputs, *, model, part, settings):
    network, n_images = load_network(*paths_to_network).to(device()), number_of_rows(paths)
    chosen = {name: settings[name] for name in ("quantile", "area", "top_images")}
    chosen["channels"] = channels_of_part(network, settings.get("layers"), part, settings["parts"])

    def work(batches):
        progress = Counter("dissecting, two passes", 2 * n_images)
        named = concepts_of(paths[0])
        return dissect(network, batches, named, n_images=n_images, progress=progress, **chosen)

    tables = over_concepts(work, paths, size=settings["batch"])
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
