"""A network with published weights, converted to the study's format."""

from typing import Any

from shapebias.networks.import_weights import import_network
from shapebias.plugins import library_module
from shapebias.runtime.job import job
from shapebias.stimuli.entry_level_classes import imagenet_classes
from shapebias.weights.torchvision_names import WITH_TORCHVISION_WEIGHTS


def main(
    *,
    path: str | None,
    path_to_weights: str,
    path_to_description: str,
    architecture: dict[str, Any],
    input_size: int | None,
    classes: list[str] | str,
    source: dict[str, Any],
) -> None:
    if architecture["kind"] in WITH_TORCHVISION_WEIGHTS and "package" not in source:
        torchvision_weights = library_module("weights.torchvision_weights")
        if "name" in source:
            published = torchvision_weights.published(architecture, source["name"])
            path = path or torchvision_weights.file_of(published)
        else:
            published = torchvision_weights.recognised(architecture, path)
        if published:
            architecture = {"mean": published.mean, "std": published.std, **architecture}
            input_size = input_size or published.input_size
    import_network(
        path,
        path_to_weights,
        path_to_description,
        architecture=architecture,
        input_size=input_size,
        classes=list(imagenet_classes() if classes == "imagenet" else classes),
        source=source,
    )


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.code, snakemake.input, snakemake.threads):
        main(
            path=snakemake.input.get("weights"),
            path_to_weights=snakemake.output.weights,
            path_to_description=snakemake.output.description,
            architecture=snakemake.params.architecture,
            input_size=snakemake.params.input_size,
            classes=snakemake.params.classes,
            source=snakemake.params.weights,
        )
