"""Answers to the questions of the report, with their verdicts."""

from typing import Any

from shapebias.io.tables import read_table, write_table
from shapebias.report.findings.all_questions import findings
from shapebias.report.findings.answers import Measurements
from shapebias.runtime.job import job


def main(
    *,
    tables: dict[str, str],
    path_to_table: str,
    path_to_csv: str,
    pairs: dict[str, dict[str, str]],
    clean: str | None,
    noise: Any,
    kinds: dict[str, str],
) -> None:
    frames = {name: read_table(path) for name, path in tables.items()}
    table = findings(Measurements(frames, pairs, clean, noise, kinds))
    for path in (path_to_table, path_to_csv):
        write_table(table, path, schema="findings")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        settings = snakemake.params.settings
        main(
            tables=dict(zip(snakemake.params.tables, snakemake.input.tables, strict=True)),
            path_to_table=snakemake.output.table,
            path_to_csv=snakemake.output.csv,
            pairs=settings["pairs"],
            clean=settings["clean"],
            noise=settings["noise"],
            kinds=settings["kinds"],
        )
