"""Conflict images that lose their shape or texture label when a channel is silenced."""

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


def main(paths, paths_to_network, outputs, *, model, part, entry_level, settings, memory=None):
    network, rows = load_network(*paths_to_network).to(device()), conflict_rows(paths)
    channels = channels_of_part(network, part, settings)
    more, total = {"entry_level": entry_level_of(entry_level), "channels": channels}, len(rows)

    def work(size):
        return ablate_rows(
            network, rows, batch=size, progress=ProgressCounter("ablating", total), **more
        )

    shape = rows[0]["pixels"].shape[:2]
    found = with_fitting_batch_size(
        work, settings["batch"], shape=shape, memory=memory, what="ablating"
    )
    for table, path, schema in zip(found, outputs, ("ablation", "ablation_flips"), strict=True):
        write_table(table.assign(model=model), path, schema=schema)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths=snakemake.input.images,
            paths_to_network=(snakemake.input.weights, snakemake.input.description),
            outputs=snakemake.output,
            model=snakemake.wildcards.model,
            part=int(snakemake.wildcards.part),
            entry_level=snakemake.params.entry_level,
            settings=snakemake.params.settings,
            memory=snakemake.resources.mem_mb,
        )
