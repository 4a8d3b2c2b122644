"""Write one part of a source image set."""

from shapebias.imagesets import Sizing, write_images
from shapebias.jobs import job
from shapebias.plugins import build
from shapebias.progress import progress


def main(path_to_images, *, source, resize, crop, part, parts):
    rows = progress(build("images", **source).rows(part, parts), what="reading images")
    write_images(rows, path_to_images, sizing=Sizing(resize, crop))


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_images=snakemake.output.images,
            source=snakemake.params.source,
            resize=snakemake.params.resize,
            crop=snakemake.params.crop,
            part=int(snakemake.wildcards.part),
            parts=snakemake.params.parts,
        )
