"""One figure, as PNG and as PDF."""

from shapebias.plugins import draw
from shapebias.report.plotting.inputs import figure_inputs
from shapebias.report.plotting.style import save
from shapebias.runtime.job import job


def main(kind, paths_to_figure, *, pairs, settings, tables, kernels, images, adversarial, stimuli):
    inputs = figure_inputs(
        pairs=pairs,
        tables=tables,
        kernels=kernels,
        images=images,
        adversarial=adversarial,
        stimuli=stimuli,
    )
    figure = draw(kind, pairs=pairs, **inputs, **settings)
    for path in paths_to_figure:
        save(figure, path)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            kind=snakemake.wildcards.figure,
            paths_to_figure=snakemake.output,
            pairs=snakemake.params.pairs,
            settings=snakemake.params.settings,
            tables=dict(zip(snakemake.params.tables, snakemake.input.tables, strict=True)),
            kernels=snakemake.input.get("kernels", []),
            images=snakemake.input.get("images", []),
            adversarial=snakemake.input.get("adversarial", []),
            stimuli=snakemake.params.stimuli,
        )
