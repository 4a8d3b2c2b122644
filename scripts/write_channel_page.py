"""HTML page of one network's most important channels."""

from functools import partial

from shapebias.io.atomic import write_text
from shapebias.io.image_sets import read_rows
from shapebias.io.tables import read_table
from shapebias.networks.checkpoints import load_network
from shapebias.report.pages.channel_page import channel_page
from shapebias.report.pages.important_channels import important_channels
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job


def main(
    path_to_page, path_to_weights, path_to_description, *, paths, images, concepts, study, name, n
):
    tables = {table: read_table(*files) if files else None for table, files in paths.items()}
    page = channel_page(
        load_network(path_to_weights, path_to_description).to(device()),
        study=study,
        name=name,
        channels=important_channels(tables["scores"], tables["labels"], n),
        flips=tables["flips"],
        conflict_rows=partial(read_rows, images),
        top_images=tables["top"],
        concept_rows=partial(read_rows, concepts),
    )
    write_text(page, path_to_page)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        tables = ("scores", "flips", "labels", "top")
        main(
            path_to_page=snakemake.output.page,
            path_to_weights=snakemake.input.weights,
            path_to_description=snakemake.input.description,
            paths={table: snakemake.input.get(table, []) for table in tables},
            images=snakemake.input.images,
            concepts=snakemake.input.get("concepts", []),
            study=snakemake.params.code["study"],
            name=snakemake.wildcards.model,
            n=snakemake.params.number,
        )
