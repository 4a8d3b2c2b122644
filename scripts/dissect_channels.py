"""What every channel of a network's named layers detects."""

from shapebias.dissection.part import dissect_part
from shapebias.io.tables import write_table
from shapebias.networks.checkpoints import load_network
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job

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
