"""The study on one page: set-up, findings, every figure and table."""

from pathlib import Path

from shapebias.jobs import job
from shapebias.provenance import current
from shapebias.report import ReportFigure, render_report
from shapebias.tables import read_table
from shapebias.writing import written_whole


def main(path_to_report, *, study, tables, figures, table_captions, introduction):
    page = render_report(
        study=study,
        tables={name: read_table(path) for name, path in tables.items()},
        figures=[
            ReportFigure(kind, Path(png).read_bytes(), Path(caption).read_text(encoding="utf-8"))
            for kind, png, caption in figures
        ],
        captions={
            name: Path(path).read_text(encoding="utf-8")
            for name, path in zip(tables, table_captions, strict=True)
        },
        introduction=Path(introduction).read_text(encoding="utf-8"),
        provenance=current(),
    )
    with written_whole(path_to_report) as temporary:
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake.log[0], code=snakemake.params.code, inputs=snakemake.input):
        names, kinds, files = snakemake.params.tables, snakemake.params.figures, snakemake.input
        main(
            path_to_report=snakemake.output.report,
            study=snakemake.params.study,
            tables=dict(zip(names, files.tables, strict=True)),
            figures=list(zip(kinds, files.figures, files.captions, strict=True)),
            table_captions=files.table_captions,
            introduction=files.introduction,
        )
