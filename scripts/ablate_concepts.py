"""Decisions and accuracy without all channels that detect a concept, and with only those."""

from functools import partial
from typing import Any

from shapebias.ablation.concepts import ablate_groups
from shapebias.ablation.conflict_images import conflict_rows
from shapebias.ablation.random_controls import RandomControl
from shapebias.ablation.unit_groups import unit_groups
from shapebias.io.image_sets import ImageSet
from shapebias.io.tables import read_table, write_table
from shapebias.networks.checkpoints import load_network
from shapebias.progress import ProgressCounter
from shapebias.runtime.batch_size import with_fitting_batch_size
from shapebias.runtime.batches import batches
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job
from shapebias.stimuli.entry_level_classes import entry_level_of


def main(
    *,
    paths: dict[str, Any],
    path_to_table: str,
    architecture: dict[str, Any],
    model: str,
    entry_level: str | None,
    settings: dict[str, Any],
    seed: int,
    memory: int | None = None,
) -> None:
    files = paths["weights"], paths["description"]
    network = load_network(*files, architecture=architecture).to(device())
    rows, levels = conflict_rows(paths["images"]), entry_level_of(entry_level)
    images, labels = ImageSet(paths["clean"]), read_table(*paths["dissection"])
    groups = unit_groups(labels, iou_cut=settings["iou_cut"], each_layer=settings["each_layer"])
    control = RandomControl(settings["random_draws"], seed, model)
    ablate = partial(ablate_groups, network, groups, rows, entry_level=levels, control=control)

    def work(batch):
        counter = ProgressCounter(f"ablating {len(groups)} groups", len(rows) + len(images))
        return ablate(batches(images.rows(), size=batch), batch=batch, progress=counter)

    limits = {"shape": rows[0]["pixels"].shape[:2], "memory": memory}
    table = with_fitting_batch_size(work, settings["batch"], **limits, what="ablating")
    write_table(table.assign(model=model), path_to_table, schema="ablation_by_concept")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths=dict(snakemake.input.items()),
            path_to_table=snakemake.output.table,
            architecture=snakemake.params.architecture,
            model=snakemake.wildcards.model,
            entry_level=snakemake.params.entry_level,
            settings=snakemake.params.settings,
            seed=snakemake.params.code["seed"],
            memory=snakemake.resources.mem_mb,
        )
