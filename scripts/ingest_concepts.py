"""Write one part of a concept set."""

from shapebias.imagesets import Sizing, write_concepts
from shapebias.jobs import job
from shapebias.plugins import build
from shapebias.progress import progress


def main(path_to_concepts, *, source, resize, crop, part, parts):
    source = build("images", **source)
    rows = progress(source.rows(part, parts), what="reading concepts")
    write_concepts(rows, path_to_concepts, concepts=source.concepts, sizing=Sizing(resize, crop))


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_concepts=snakemake.output.concepts,
            source=snakemake.params.source,
            resize=snakemake.params.resize,
            crop=snakemake.params.crop,
            part=int(snakemake.wildcards.part),
            parts=snakemake.params.parts,
        )
