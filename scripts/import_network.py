"""Bring a network with published weights into the study."""

from shapebias.checkpoints import WithoutDraws, load_weights, package_file, save_network
from shapebias.entry_level import imagenet_classes
from shapebias.jobs import job
from shapebias.plugins import build


def main(path, weights, description, *, architecture, input_size, classes, source):
    classes = imagenet_classes() if classes == "imagenet" else classes
    size = {"input_size": input_size} if input_size else {}
    with WithoutDraws():
        network = build("models", classes=list(classes), **size, **architecture)
    path = path or package_file(source["package"], source["file"])
    provenance = load_weights(network, path, norm=source.get("norm", "main"))
    save_network(network, weights, description, architecture=architecture, provenance=provenance)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path=snakemake.input.get("weights"),
            weights=snakemake.output.weights,
            description=snakemake.output.description,
            architecture=snakemake.params.architecture,
            input_size=snakemake.params.input_size,
            classes=snakemake.params.classes,
            source=snakemake.params.weights,
        )
