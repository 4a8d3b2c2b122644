"""One figure, as PNG and as PDF."""

from typing import Any

from shapebias.plugins import draw
from shapebias.report.plotting.inputs import figure_inputs
from shapebias.report.plotting.style import save
from shapebias.runtime.job import job


def main(
    *,
    figure: str,
    path_to_png: str,
    path_to_pdf: str,
    tables: dict[str, str],
    paths_to_kernels: list[str],
    paths_to_images: list[str],
    paths_to_adversarial_images: list[str],
    pairs: dict[str, dict[str, str]],
    settings: dict[str, Any],
    stimuli: dict[str, Any],
) -> None:
    inputs = figure_inputs(
        pairs=pairs,
        tables=tables,
        kernels=paths_to_kernels,
        images=paths_to_images,
        adversarial=paths_to_adversarial_images,
        stimuli=stimuli,
    )
    drawing = draw(figure, pairs=pairs, **inputs, **settings)
    save(drawing, path_to_png)
    save(drawing, path_to_pdf)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            figure=snakemake.wildcards.figure,
            path_to_png=snakemake.output.png,
            path_to_pdf=snakemake.output.pdf,
            tables=dict(zip(snakemake.params.tables, snakemake.input.tables, strict=True)),
            paths_to_kernels=snakemake.input.get("kernels", []),
            paths_to_images=snakemake.input.get("images", []),
            paths_to_adversarial_images=snakemake.input.get("adversarial", []),
            pairs=snakemake.params.pairs,
            settings=snakemake.params.settings,
            stimuli=snakemake.params.stimuli,
        )
