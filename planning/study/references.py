"""Check the references between the entries of a study."""

from collections.abc import Iterator
from typing import Any

from planning.networks.starts import check_starts
from planning.study.errors import StudyError
from shapebias.errors import UnknownName

# Measurements that apply the transforms of image sets that are not stored.
APPLIED_WHILE_READING = (
    "measurements.accuracy.",
    "measurements.shape_bias.",
    "measurements.activation_tv.",
)


def check_references(study: dict[str, Any]) -> None:
    """Raise `StudyError` unless every entry that is referred to exists and suits its use."""
    for where, family, name in references(study):
        if name not in study[family]:
            raise StudyError(f"{where}: {UnknownName(f'entry of {family}', name, study[family])}")
    for name in study["images"]:
        check_chain(study["images"], name)
    check_starts(study["models"])
    check_comparisons(study)
    check_adversarial_sets(study)
    check_unstored_sets(study)
    check_measurements(study)
    check_auxiliary_norms(study)


def references(study: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield place, family and name of every reference from one entry to another."""
    for name, entry in study["images"].items():
        yield from _named(f"images.{name}", entry, {"from": "images", "attack": "attacks"})
        keys = {"styles": "images", "segmenter": "segmenters"}
        yield from _named(f"images.{name}.transform", entry.get("transform", {}), keys)
    for name, entry in study["segmenters"].items():
        yield from _named(f"segmenters.{name}", entry, {"concepts": "concepts"})
    for name, entry in study["models"].items():
        training, where = entry.get("training", {}), f"models.{name}.training"
        yield from _named(where, training, {"images": "images", "validation": "images"})
        yield from _named(f"{where}.recipe", training.get("recipe", {}), {"attack": "attacks"})
    for name, pair in study["pairs"].items():
        yield from _named(f"pairs.{name}", pair, {"standard": "models", "robust": "models"})
    for name, settings in study["measurements"].items():
        where = f"measurements.{name}"
        keys = {"clean": "images", "noisy": "images", "images": "images", "concepts": "concepts"}
        yield from _named(where, settings, keys)
        for key in settings:
            if key.endswith("_sets"):
                yield from ((f"{where}.{key}", "images", image_set) for image_set in settings[key])


def _named(
    where: str, entry: dict[str, Any], families: dict[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Yield the references in an entry by those of its keys whose family is given."""
    for key, family in families.items():
        if key in entry:
            yield f"{where}.{key}", family, entry[key]


def check_chain(images: dict[str, Any], name: str) -> None:
    """Raise `StudyError` if an image set is derived from itself."""
    chain = [name]
    while "from" in images[chain[-1]]:
        parent = images[chain[-1]]["from"]
        if parent in chain:
            raise StudyError(
                f"images.{name}: derived from itself ({' <- '.join([*chain, parent])})"
            )
        chain.append(parent)


def check_comparisons(study: dict[str, Any]) -> None:
    """Raise `StudyError` where a network or an image set is compared with itself."""
    for name, pair in study["pairs"].items():
        if pair["standard"] == pair["robust"]:
            raise StudyError(f"pairs.{name} compares {pair['robust']!r} with itself")
    images = study["measurements"].get("activation_tv", {"clean": 0, "noisy": 1})
    if images["clean"] == images["noisy"]:
        raise StudyError(f"measurements.activation_tv compares {images['noisy']!r} with itself")


def check_adversarial_sets(study: dict[str, Any]) -> None:
    """Raise `StudyError` where an adversarial set is used for anything but predictions."""
    adversarial = {name for name, entry in study["images"].items() if "attack" in entry}
    for where, family, name in references(study):
        if family == "images" and name in adversarial and not where.endswith("_sets"):
            raise StudyError(
                f"{where}: {name!r} differs between networks, as it attacks each of them, and can "
                "only be scored (measurements.accuracy.image_sets)"
            )


def check_unstored_sets(study: dict[str, Any]) -> None:
    """Raise `StudyError` where an image set that is not stored has to be read from a file."""
    for where, family, name in references(study):
        stored = family != "images" or study["images"][name].get("materialize") is not False
        if not stored and not where.startswith(APPLIED_WHILE_READING):
            raise StudyError(f"{where}: {name!r} is not stored; give it `materialize: true`")


def check_measurements(study: dict[str, Any]) -> None:
    """Raise `StudyError` where a measurement needs what the study does not measure."""
    measurements = study["measurements"]
    if "ablation_by_concept" in measurements and "dissection" not in measurements:
        raise StudyError(
            "measurements.ablation_by_concept needs measurements.dissection, which finds the "
            "concept of each channel"
        )
    check_ablated_layers(measurements)


def check_ablated_layers(measurements: dict[str, Any]) -> None:
    """Raise `StudyError` where a layer is ablated but not dissected, though others are."""
    dissected = measurements.get("dissection", {}).get("layers")
    if "ablation" not in measurements or not dissected:
        return
    for layer in measurements["ablation"].get("layers", ["all layers"]):
        if layer not in dissected:
            raise StudyError(
                f"measurements.ablation.layers: {layer!r} is ablated but not dissected: name only "
                f"layers of measurements.dissection.layers ({', '.join(dissected)}), or add it"
            )


def check_auxiliary_norms(study: dict[str, Any]) -> None:
    """Raise `StudyError` where advprop trains an AlexNet without batch norm.

    The training job checks networks of libraries and of users.
    """
    for name, entry in study["models"].items():
        recipe, architecture = entry.get("training", {}).get("recipe", {}), entry["architecture"]
        without_norm = architecture["kind"] == "alexnet" and not architecture.get("batch_norm")
        if recipe.get("kind") == "advprop" and without_norm:
            raise StudyError(
                f"models.{name}.training.recipe: advprop needs a network with batch norm: give "
                f"models.{name}.architecture `batch_norm: true`, or choose another architecture"
            )
