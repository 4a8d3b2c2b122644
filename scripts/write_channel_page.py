"""One network's page of the channels that matter most."""

from functools import partial

from shapebias.io.atomic import write_text
from shapebias.io.image_sets import read_rows
from shapebias.io.tables import read_table
from shapebias.networks.checkpoints import load_network
from shapebias.report.pages.channel_page import channel_page
from shapebias.report.pages.important_channels import important_channels
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job


def main(page, network, *, scores, flips, labels, top, images, concepts, number, **names):
    scores, flips, labels, top = (
        read_table(*paths) if paths else None for paths in (scores, flips, labels, top)
    )
    channels = important_channels(scores, labels, number)
    rows, more_rows = partial(read_rows, images), partial(read_rows, concepts)
    found = {"channels": channels, "flips": flips, "top_images": top}
    found |= {"conflict_rows": rows, "concept_rows": more_rows}
    write_text(channel_page(load_network(*network).to(device()), **found, **names), page)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        files = ("scores", "flips", "labels", "top", "images", "concepts")
        main(
            snakemake.output.page,
            (snakemake.input.weights, snakemake.input.description),
            **{name: snakemake.input.get(name, []) for name in files},
            study=snakemake.params.code["study"],
            model=snakemake.wildcards.model,
            number=snakemake.params.number,
        )
