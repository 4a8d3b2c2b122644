"""Write one part of a source image set."""

from typing import Any

from shapebias.io.image_sets import ResizeCrop
from shapebias.plugins import build
from shapebias.runtime.job import job
from shapebias.stimuli.ingest import ingest_images


def main(
    *,
    path_to_images: str,
    source: dict[str, Any],
    resize: int | None,
    crop: int | None,
    max_rejected: float,
    part: int,
    parts: int,
) -> None:
    ingest_images(
        build("datasets", **source),
        path_to_images,
        part=part,
        parts=parts,
        sizing=ResizeCrop(resize, crop),
        max_rejected=max_rejected,
    )


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_images=snakemake.output.images,
            source=snakemake.params.source,
            resize=snakemake.params.resize,
            crop=snakemake.params.crop,
            max_rejected=snakemake.params.max_rejected,
            part=int(snakemake.wildcards.part),
            parts=snakemake.params.parts,
        )
