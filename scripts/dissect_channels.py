"""What every channel of a network's named layers detects."""

from typing import Any

from shapebias.dissection.part import dissect_part
from shapebias.io.tables import write_table
from shapebias.networks.checkpoints import load_network
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job


def main(
    *,
    paths_to_concepts: list[str],
    paths_to_network: tuple[str, str],
    architecture: dict[str, Any],
    paths_to_tables: dict[str, str],
    model: str,
    part: int,
    settings: dict[str, Any],
    memory: int | None = None,
) -> None:
    network = load_network(*paths_to_network, architecture=architecture).to(device())
    dissection = dissect_part(
        network, paths_to_concepts, part=part, settings=settings, memory=memory
    )
    tables = {
        "dissection": dissection.labels,
        "dissection_iou": dissection.overlaps,
        "top_images": dissection.top_images,
        "dissection_sweep": dissection.sweep,
    }
    for schema, table in tables.items():
        write_table(table.assign(model=model), paths_to_tables[schema], schema=schema)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_concepts=snakemake.input.concepts,
            paths_to_network=(snakemake.input.weights, snakemake.input.description),
            architecture=snakemake.params.architecture,
            paths_to_tables={
                "dissection": snakemake.output.labels,
                "dissection_iou": snakemake.output.overlaps,
                "top_images": snakemake.output.top_images,
                "dissection_sweep": snakemake.output.sweep,
            },
            model=snakemake.wildcards.model,
            part=int(snakemake.wildcards.part),
            settings=snakemake.params.settings,
            memory=snakemake.resources.mem_mb,
        )
