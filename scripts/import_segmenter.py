"""Bring a segmentation network with published weights into the study."""

from pathlib import Path

from shapebias.runtime.job import job
from shapebias.stimuli.segmenter import save_segmenter
from shapebias.stimuli.segmenters._published import import_segmenter


def main(path, path_to_weights, *, architecture):
    network, classes = import_segmenter(architecture, path)
    source = Path(path).name
    save_segmenter(
        network, path_to_weights, architecture=architecture, classes=classes, source=source
    )


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path=snakemake.input.weights,
            path_to_weights=snakemake.output.weights,
            architecture=snakemake.params.architecture,
        )
