"""One network's page of its most important channels."""

from functools import partial
from typing import Any

from shapebias.io.atomic import write_text
from shapebias.io.image_sets import read_rows
from shapebias.io.tables import read_table
from shapebias.networks.checkpoints import load_network
from shapebias.report.pages.channel_page import channel_page
from shapebias.report.pages.important_channels import important_channels
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job


def main(
    *,
    tables: dict[str, list[str]],
    paths_to_images: list[str],
    paths_to_concepts: list[str],
    paths_to_network: tuple[str, str],
    architecture: dict[str, Any],
    path_to_page: str,
    study: str,
    model: str,
    n_channels: int,
) -> None:
    frames = {name: read_table(*paths) if paths else None for name, paths in tables.items()}
    page = channel_page(
        load_network(*paths_to_network, architecture=architecture).to(device()),
        study=study,
        name=model,
        channels=important_channels(frames["scores"], frames["labels"], n_channels),
        flips=frames["flips"],
        conflict_rows=partial(read_rows, paths_to_images),
        top_images=frames["top_images"],
        concept_rows=partial(read_rows, paths_to_concepts),
    )
    write_text(page, path_to_page)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        names = ("scores", "flips", "labels", "top_images")
        main(
            tables={name: snakemake.input.get(name, []) for name in names},
            paths_to_images=snakemake.input.images,
            paths_to_concepts=snakemake.input.concepts,
            paths_to_network=(snakemake.input.weights, snakemake.input.description),
            architecture=snakemake.params.architecture,
            path_to_page=snakemake.output.page,
            study=snakemake.params.code["study"],
            model=snakemake.wildcards.model,
            n_channels=snakemake.params.number,
        )
