"""Decisions and accuracy without all channels that detect a concept, or with them alone."""

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


def main(paths, clean, dissection, network, table, *, name, entry_level, settings, seed, memory):
    net, levels = load_network(*network).to(device()), entry_level_of(entry_level)
    rows, labels = conflict_rows(paths), read_table(*dissection)
    groups = unit_groups(labels, iou_cut=settings["iou_cut"], each_layer=settings["each_layer"])
    images, shape = ImageSet(clean), rows[0]["pixels"].shape[:2]
    what, total = f"ablating {len(groups)} groups", len(rows) + len(images)
    found = with_fitting_batch_size(lambda size: ablate_groups(
        net, groups, rows, batches(images.rows(), size=size), entry_level=levels, batch=size,
        control=RandomControl(settings["random_draws"], seed, name),
        progress=ProgressCounter(what, total),
    ), settings["batch"], shape=shape, memory=memory, what="ablating groups")  # fmt: skip
    write_table(found.assign(model=name), table, schema="ablation_by_concept")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            *(snakemake.input.images, snakemake.input.clean, snakemake.input.dissection),
            *((snakemake.input.weights, snakemake.input.description), snakemake.output.table),
            name=snakemake.wildcards.model,
            entry_level=snakemake.params.entry_level,
            settings=snakemake.params.settings,
            seed=snakemake.params.code["seed"],
            memory=snakemake.resources.mem_mb,
        )
