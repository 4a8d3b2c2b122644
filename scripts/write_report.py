"""HTML report of a study: set-up, findings, every figure and table."""

import json
from pathlib import Path
from typing import Any

from shapebias.io.atomic import write_text
from shapebias.io.provenance import current_code
from shapebias.io.tables import read_table
from shapebias.report.pages.report import ReportFigure, render_report
from shapebias.runtime.job import job


def main(
    *,
    descriptions: dict[str, str],
    tables: dict[str, str],
    figures: dict[str, str],
    captions: dict[str, dict[str, str]],
    path_to_report: str,
    study: dict[str, Any],
    introduction: str,
    n_channel_pages: int,
) -> None:
    page = render_report(
        study=study,
        descriptions={
            model: json.loads(Path(path).read_bytes()) for model, path in descriptions.items()
        },
        tables={name: read_table(path) for name, path in tables.items()},
        figures=[
            ReportFigure(kind, Path(path).read_bytes(), captions["figures"][kind])
            for kind, path in figures.items()
        ],
        captions=captions["tables"],
        introduction=introduction,
        provenance=current_code(),
        channel_pages=n_channel_pages,
    )
    write_text(page, path_to_report)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        params, files = snakemake.params, snakemake.input
        main(
            descriptions=dict(zip(params.models, files.models, strict=True)),
            tables=dict(zip(params.tables, files.tables, strict=True)),
            figures=dict(zip(params.figures, files.figures, strict=True)),
            captions={"figures": params.captions, "tables": params.table_captions},
            path_to_report=snakemake.output.report,
            study=params.study,
            introduction=params.introduction,
            n_channel_pages=params.channel_pages,
        )
