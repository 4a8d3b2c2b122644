"""Shape bias of every network on every cue-conflict set."""

from shapebias.behaviour_tables import shape_bias_table
from shapebias.imagesets import read_columns
from shapebias.jobs import job
from shapebias.prediction_files import read_predictions
from shapebias.tables import write_table


def main(paths_to_predictions, paths_to_images, paths_to_table, *, scored):
    frames = zip(scored, map(read_predictions, paths_to_predictions), strict=True)
    cues = read_columns(paths_to_images, ["image_id", "shape", "texture"])
    table = shape_bias_table(frames, cues)
    for path in paths_to_table:
        write_table(table, path, schema="shape_bias")


if __name__ == "__main__":
    with job(snakemake.log[0], code=snakemake.params.code, inputs=snakemake.input):
        main(
            paths_to_predictions=snakemake.input.predictions,
            paths_to_images=snakemake.input.images,
            paths_to_table=snakemake.output,
            scored=snakemake.params.scored,
        )
