"""Download a published image set."""

from shapebias.runtime.job import job
from shapebias.stimuli.dataset_downloads import download_with_note


def main(*, path_to_record: str, name: str, only: list[str] | None, checksum: str | None) -> None:
    download_with_note(path_to_record, name, only=only, checksum=checksum)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_record=snakemake.output.record,
            name=snakemake.params.download["download"],
            only=snakemake.params.download.get("only"),
            checksum=snakemake.params.download.get("checksum"),
        )
