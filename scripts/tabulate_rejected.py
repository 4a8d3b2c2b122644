"""Images that a source rejected or a silhouette left out, and why."""

from shapebias.io.tables import write_table
from shapebias.runtime.job import job
from shapebias.stimuli.ingest import rejected_images


def main(
    *, paths_to_parts: list[str], path_to_table: str, path_to_csv: str, sets: list[str]
) -> None:
    parts: dict[str, list[str]] = {}
    for name, path in zip(sets, paths_to_parts, strict=True):
        parts.setdefault(name, []).append(path)
    table = rejected_images(parts)
    write_table(table, path_to_table, schema="rejected")
    write_table(table, path_to_csv, schema="rejected")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_parts=snakemake.input.parts,
            path_to_table=snakemake.output.table,
            path_to_csv=snakemake.output.csv,
            sets=snakemake.params.sets,
        )
