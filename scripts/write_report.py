"""HTML report of a study: set-up, findings, every figure and table."""

import json
from pathlib import Path

from shapebias.io.atomic import write_text
from shapebias.io.provenance import current_code
from shapebias.io.tables import read_table
from shapebias.report.pages.report import ReportFigure, render_report
from shapebias.runtime.job import job


def main(
    path_to_report,
    *,
    study,
    descriptions,
    tables,
    figures,
    figure_captions,
    table_captions,
    introduction,
    channel_pages,
):
    page = render_report(
        study=study,
        descriptions={m: json.loads(Path(path).read_bytes()) for m, path in descriptions.items()},
        tables={name: read_table(path) for name, path in tables.items()},
        figures=[
            ReportFigure(kind, Path(path).read_bytes(), figure_captions[kind])
            for kind, path in figures.items()
        ],
        captions=table_captions,
        introduction=introduction,
        provenance=current_code(),
        channel_pages=channel_pages,
    )
    write_text(page, path_to_report)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path_to_report=snakemake.output.report,
            study=snakemake.params.study,
            descriptions=dict(zip(snakemake.params.models, snakemake.input.models, strict=True)),
            tables=dict(zip(snakemake.params.tables, snakemake.input.tables, strict=True)),
            figures=dict(zip(snakemake.params.figures, snakemake.input.figures, strict=True)),
            figure_captions=snakemake.params.captions,
            table_captions=snakemake.params.table_captions,
            introduction=snakemake.params.introduction,
            channel_pages=snakemake.params.channel_pages,
        )
