"""Bring an image set from its publisher."""

from shapebias.runtime.job import job
from shapebias.stimuli.dataset_downloads import download_with_note


def main(path_to_note, *, name, only, checksum):
    download_with_note(path_to_note, name, only=only, checksum=checksum)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_note=snakemake.output.note,
            name=snakemake.params.download["download"],
            only=snakemake.params.download.get("only"),
            checksum=snakemake.params.download.get("checksum"),
        )
