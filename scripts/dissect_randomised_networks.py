"""What the channels of a network that has learnt nothing detect."""

from shapebias.dissection.part import dissect_part
from shapebias.dissection.randomised_network import randomise_weights
from shapebias.io.tables import write_table
from shapebias.networks.checkpoints import load_network
from shapebias.runtime.gpus import device
from shapebias.runtime.job import job
from shapebias.seeds import seed_of


def main(paths, paths_to_network, output, *, model, control, part, seed, settings, memory=None):
    network = load_network(*paths_to_network)
    randomise_weights(network, control, seed=seed_of(seed, "twin", control, model))
    labels = dissect_part(
        network.to(device()), paths, part=part, settings=settings, memory=memory
    ).labels
    write_table(labels.assign(model=model, control=control), output, schema="dissection_controls")


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            paths=snakemake.input.concepts,
            paths_to_network=(snakemake.input.weights, snakemake.input.description),
            output=snakemake.output.labels,
            model=snakemake.wildcards.model,
            control=snakemake.wildcards.control,
            part=int(snakemake.wildcards.part),
            seed=snakemake.params.seed,
            settings=snakemake.params.settings,
            memory=snakemake.resources.mem_mb,
        )
