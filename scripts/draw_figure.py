"""One figure, as a picture and for print."""

from shapebias.plugins import draw
from shapebias.report.plotting.inputs import figure_inputs
from shapebias.report.plotting.style import save
from shapebias.runtime.job import job


def main(figure, paths_to_figure, *, pairs, settings, **sources):
    inputs = figure_inputs(pairs=pairs, **sources)
    drawing = draw(figure, pairs=pairs, **inputs, **settings)
    for path in paths_to_figure:
        save(drawing, path)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            figure=snakemake.wildcards.figure,
            paths_to_figure=snakemake.output,
            pairs=snakemake.params.pairs,
            settings=snakemake.params.settings,
            tables=dict(zip(snakemake.params.tables, snakemake.input.tables, strict=True)),
            kernels=snakemake.input.get("kernels", []),
            images=snakemake.input.get("images", []),
            adversarial=snakemake.input.get("adversarial", []),
            stimuli=snakemake.params.stimuli,
        )
