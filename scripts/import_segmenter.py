"""A segmentation network with published weights, converted to the study's format."""

from pathlib import Path
from typing import Any

from shapebias.runtime.job import job
from shapebias.stimuli.segmenter import save_segmenter
from shapebias.stimuli.segmenters._published import import_segmenter


def main(*, path: str, path_to_weights: str, architecture: dict[str, Any]) -> None:
    network, classes = import_segmenter(architecture, path)
    save_segmenter(
        network,
        path_to_weights,
        architecture=architecture,
        classes=classes,
        source=Path(path).name,
    )


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path=snakemake.input.weights,
            path_to_weights=snakemake.output.weights,
            architecture=snakemake.params.architecture,
        )
