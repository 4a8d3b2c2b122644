"""Bring a network with published weights into the study."""

from shapebias.networks.import_weights import import_network
from shapebias.plugins import library_module
from shapebias.runtime.job import job
from shapebias.stimuli.entry_level_classes import imagenet_classes
from shapebias.weights.torchvision_names import WITH_TORCHVISION_WEIGHTS


def main(path, weights, description, *, architecture, input_size, classes, source):
    classes = imagenet_classes() if classes == "imagenet" else classes
    settings = {"input_size": input_size, "classes": list(classes), "source": source}
    if architecture["kind"] in WITH_TORCHVISION_WEIGHTS and "package" not in source:
        known = library_module("weights.torchvision_weights")
        if "name" in source:
            published = known.published(architecture, source["name"])
            path = path or known.file_of(published)
        else:
            published = known.recognised(architecture, path)
    else:
        published = None
    if published:
        architecture = {"mean": published.mean, "std": published.std, **architecture}
        settings["input_size"] = input_size or published.input_size
    import_network(path, weights, description, architecture=architecture, **settings)


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
