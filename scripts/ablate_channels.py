"""Conflict images that lose their shape or texture label when one channel is ablated."""

from functools import partial
from typing import Any

from shapebias.ablation.channels import ablate_rows
from shapebias.ablation.conflict_images import conflict_rows
from shapebias.io.tables import write_table
from shapebias.networks.channel_parts import channels_of_part
from shapebias.networks.checkpoints import load_network
from shapebias.progress import ProgressCounter
from shapebias.runtime.batch_size import with_fitting_batch_size
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job
from shapebias.stimuli.entry_level_classes import entry_level_of


def main(
    *,
    paths_to_images: list[str],
    paths_to_network: tuple[str, str],
    architecture: dict[str, Any],
    path_to_scores: str,
    path_to_flips: str,
    model: str,
    part: int,
    entry_level: str | None,
    settings: dict[str, Any],
    memory: int | None = None,
) -> None:
    network = load_network(*paths_to_network, architecture=architecture).to(device())
    rows, levels = conflict_rows(paths_to_images), entry_level_of(entry_level)
    channels = channels_of_part(network, part, settings)
    ablate = partial(ablate_rows, network, rows, entry_level=levels, channels=channels)
    scores, flips = with_fitting_batch_size(
        lambda batch: ablate(batch=batch, progress=ProgressCounter("ablating", len(rows))),
        settings["batch"],
        shape=rows[0]["pixels"].shape[:2],
        memory=memory,
        what="ablating",
    )
    write_table(scores.assign(model=model), path_to_scores, schema="ablation")
    write_table(flips.assign(model=model), path_to_flips, schema="ablation_flips")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths_to_images=snakemake.input.images,
            paths_to_network=(snakemake.input.weights, snakemake.input.description),
            architecture=snakemake.params.architecture,
            path_to_scores=snakemake.output.scores,
            path_to_flips=snakemake.output.flips,
            model=snakemake.wildcards.model,
            part=int(snakemake.wildcards.part),
            entry_level=snakemake.params.entry_level,
            settings=snakemake.params.settings,
            memory=snakemake.resources.mem_mb,
        )
