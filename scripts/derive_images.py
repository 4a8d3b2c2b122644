"""Write one part of a derived image set."""

from typing import Any

from shapebias.io.image_sets import ImageSet, ResizeCrop, write_images
from shapebias.progress import progress
from shapebias.runtime.job import job
from shapebias.stimuli.derive import build_transform, derive, encode


def main(
    *,
    path_to_source: str,
    paths_to_styles: list[str],
    paths_to_segmenter: list[str],
    path_to_images: str,
    image_set: str,
    transform: dict[str, Any],
    seed: int,
) -> None:
    transform = build_transform(transform, styles=paths_to_styles, segmenter=paths_to_segmenter)
    source = ImageSet([path_to_source])
    rows = derive(source.rows(), transform, seed=seed, image_set=image_set)
    rows = progress(encode(rows), what=f"deriving {image_set}", total=len(source))
    write_images(rows, path_to_images, sizing=ResizeCrop())


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_source=snakemake.input.images,
            paths_to_styles=snakemake.input.styles,
            paths_to_segmenter=snakemake.input.segmenter,
            path_to_images=snakemake.output.images,
            image_set=snakemake.wildcards.image_set,
            transform=snakemake.params.transform,
            seed=snakemake.params.code["seed"],
        )
