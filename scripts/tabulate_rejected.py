"""Images that a source refused or a silhouette left out, and why."""

from shapebias.io.tables import write_table
from shapebias.runtime.job import job
from shapebias.stimuli.ingest import rejected_images


def main(paths, paths_to_table, *, sets):
    parts = {}
    for image_set, path in zip(sets, paths, strict=True):
        parts.setdefault(image_set, []).append(path)
    table = rejected_images(parts)
    for path in paths_to_table:
        write_table(table, path, schema="rejected")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths=snakemake.input.parts,
            paths_to_table=snakemake.output,
            sets=snakemake.params.sets,
        )
