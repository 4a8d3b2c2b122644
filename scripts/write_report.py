"""The study on one page: set-up, findings, every figure and table."""

from pathlib import Path

from shapebias.jobs import job
from shapebias.provenance import current
from shapebias.report import ReportFigure, render_report
from shapebias.tables import read_table
from shapebias.writing import written_whole


def main(path_to_report, *, study, tables, figures, captions, table_captions, introduction):
    page = render_report(
        study=study,
        tables={name: read_table(path) for name, path in tables.items()},
        figures=[
            ReportFigure(kind, Path(path).read_bytes(), captions[kind])
            for kind, path in figures.items()
        ],
        captions=table_captions,
        introduction=introduction,
        provenance=current(),
    )
    with written_whole(path_to_report) as temporary:
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_report=snakemake.output.report,
            study=snakemake.params.study,
            tables=dict(zip(snakemake.params.tables, snakemake.input.tables, strict=True)),
            figures=dict(zip(snakemake.params.figures, snakemake.input.figures, strict=True)),
            captions=snakemake.params.captions,
            table_captions=snakemake.params.table_captions,
            introduction=snakemake.params.introduction,
        )
