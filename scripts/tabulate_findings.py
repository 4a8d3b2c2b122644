"""Answers to the questions of the report, with their verdicts."""

from shapebias.io.tables import read_table, write_table
from shapebias.report.findings.all_questions import findings
from shapebias.report.findings.answers import Measurements
from shapebias.runtime.job import job


def main(tables, paths_to_table, *, pairs, clean, noise, kinds):
    measurements = Measurements(
        {name: read_table(path) for name, path in tables.items()}, pairs, clean, noise, kinds
    )
    table = findings(measurements)
    for path in paths_to_table:
        write_table(table, path, schema="findings")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        settings = snakemake.params.settings
        main(
            tables=dict(zip(snakemake.params.tables, snakemake.input.tables, strict=True)),
            paths_to_table=snakemake.output,
            pairs=settings["pairs"],
            clean=settings["clean"],
            noise=settings["noise"],
            kinds=settings["kinds"],
        )
