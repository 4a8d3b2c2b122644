"""What every channel of a network's named layers detects."""

from shapebias.batching import device
from shapebias.checkpoints import load_network
from shapebias.dissecting import dissect_part
from shapebias.jobs import job
from shapebias.tables import write_table

TABLES = ("dissection", "dissection_iou", "top_images", "dissection_sweep")


def main(paths, paths_to_network, outputs, *, model, part, settings, memory=None):
    network = load_network(*paths_to_network).to(device())
    found = dissect_part(network, paths, part=part, settings=settings, memory=memory)
    for table, path, schema in zip(found, outputs, TABLES, strict=True):
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
            memory=snakemake.resources.mem_mb,
        )
