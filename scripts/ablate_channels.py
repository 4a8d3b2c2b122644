"""Conflict images that lose their shape or texture label when a channel is silenced."""

from shapebias.ablation import ablate_rows
from shapebias.batching import device
from shapebias.checkpoints import load_network
from shapebias.entry_level import entry_level_of
from shapebias.imagesets import read_rows
from shapebias.jobs import job
from shapebias.tables import write_table
from shapebias.units import channels_of_part


def main(paths, weights, description, scores, flips, *, model, part, entry_level, settings):
    network = load_network(weights, description).to(device())
    ablation, ablation_flips = ablate_rows(
        network,
        list(read_rows(paths)),
        entry_level=entry_level_of(entry_level),
        channels=channels_of_part(network, settings.get("layers"), part, settings["parts"]),
        batch=settings["batch"],
    )
    write_table(ablation.assign(model=model), scores, schema="ablation")
    write_table(ablation_flips.assign(model=model), flips, schema="ablation_flips")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths=snakemake.input.images,
            weights=snakemake.input.weights,
            description=snakemake.input.description,
            scores=snakemake.output.scores,
            flips=snakemake.output.flips,
            model=snakemake.wildcards.model,
            part=int(snakemake.wildcards.part),
            entry_level=snakemake.params.entry_level,
            settings=snakemake.params.settings,
        )
