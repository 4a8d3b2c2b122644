"""What the entries of a study refer to: that it is there, and fit for its use."""

from typing import Any

from planning.networks.starts import start_error
from planning.study.errors import StudyError
from shapebias.errors import UnknownName


def check_references(study: dict[str, Any]) -> None:
    """Raise `StudyError` unless every name that an entry refers to is an entry."""
    for where, family, name in references(study):
        if name not in study[family]:
            raise StudyError(f"{where}: {UnknownName(f'entry of {family}', name, study[family])}")
    for name in study["images"]:
        check_chain(study["images"], name)
    if wrong := start_error(study["models"]):
        raise StudyError(": ".join(wrong))
    check_uses(study)
    check_needs(study)
    check_auxiliary_norms(study)


def check_auxiliary_norms(study: dict[str, Any]) -> None:
    """Raise `StudyError` where advprop meets an architecture that is known to have no batch norm.

    Networks of libraries and of a user's own are left to their job.
    """
    for name, entry in study["models"].items():
        recipe, architecture = entry.get("training", {}).get("recipe", {}), entry["architecture"]
        bare = architecture["kind"] == "alexnet" and not architecture.get("batch_norm")
        if recipe.get("kind") == "advprop" and bare:
            raise StudyError(
                f"models.{name}.training.recipe: advprop needs a network with batch norm: give "
                f"models.{name}.architecture `batch_norm: true`, or choose another"
            )


def references(study: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Place, family and name of every reference from one entry to another."""
    found = []
    for name, entry in study["images"].items():
        transform = entry.get("transform", {})
        for key, family, holder in (
            ("from", "images", entry),
            ("attack", "attacks", entry),
            ("styles", "images", transform),
            ("segmenter", "segmenters", transform),
        ):
            if key in holder:
                place = "transform." if holder is transform else ""
                found.append((f"images.{name}.{place}{key}", family, holder[key]))
    for name, entry in study["segmenters"].items():
        if "concepts" in entry:
            found.append((f"segmenters.{name}.concepts", "concepts", entry["concepts"]))
    for name, entry in study["models"].items():
        training = entry.get("training", {})
        for key in ("images", "validation"):
            if key in training:
                found.append((f"models.{name}.training.{key}", "images", training[key]))
        if "attack" in training.get("recipe", {}):
            place = f"models.{name}.training.recipe.attack"
            found.append((place, "attacks", training["recipe"]["attack"]))
    for name, pair in study["pairs"].items():
        found += [(f"pairs.{name}.{side}", "models", pair[side]) for side in ("standard", "robust")]
    for name, settings in study["measurements"].items():
        for key, value in (settings or {}).items():
            where = f"measurements.{name}.{key}"
            if key in ("clean", "noisy", "images"):
                found.append((where, "images", value))
            elif key.endswith("_sets"):
                found += [(where, "images", one) for one in value]
            elif key == "concepts":
                found.append((where, "concepts", value))
    return found


def check_chain(images: dict[str, Any], name: str) -> None:
    """Raise `StudyError` if an image set is derived from itself or from one that is not stored."""
    seen = [name]
    while "from" in images[seen[-1]]:
        parent = images[seen[-1]]["from"]
        if parent in seen:
            raise StudyError(f"images.{name}: derived from itself ({' <- '.join([*seen, parent])})")
        if images[parent].get("materialize") is False and "from" in images[parent]:
            raise StudyError(
                f"images.{seen[-1]}.from: {parent!r} is not stored; give it `materialize: true`"
            )
        seen.append(parent)


def check_uses(study: dict[str, Any]) -> None:
    """Raise `StudyError` where an adversarial set is used for more than predictions."""
    adversarial = {name for name, entry in study["images"].items() if "attack" in entry}
    for where, family, name in references(study):
        if family == "images" and name in adversarial and not where.endswith("_sets"):
            raise StudyError(
                f"{where}: {name!r} belongs to the network that it attacks and can only be "
                "scored (measurements.accuracy.image_sets)"
            )


def check_needs(study: dict[str, Any]) -> None:
    """Raise `StudyError` where a measurement needs what the study does not make or store."""
    measured = study["measurements"]
    if "ablation_by_concept" in measured and "dissection" not in measured:
        raise StudyError(
            "measurements.ablation_by_concept needs measurements.dissection, which says what each "
            "channel detects"
        )
    check_layers(measured)
    for name in ("ablation", "ablation_by_concept"):
        for key in ("images", "clean"):
            image_set = measured.get(name, {}).get(key)
            if study["images"].get(image_set, {}).get("materialize") is False:
                raise StudyError(
                    f"measurements.{name}.{key}: {image_set!r} is not stored; give it "
                    "`materialize: true`"
                )


def check_layers(measured: dict[str, Any]) -> None:
    """Raise `StudyError` where layers are silenced that are not dissected, though others are."""
    dissected = (measured.get("dissection") or {}).get("layers")
    if "ablation" not in measured or not dissected:
        return
    silenced = measured["ablation"].get("layers")
    left = [layer for layer in silenced or ["all layers"] if layer not in dissected]
    if left:
        raise StudyError(
            f"measurements.ablation.layers: {left[0]!r} is not among measurements.dissection.layers"
            f" ({', '.join(dissected)}), by which scores are told; name it there or leave it out"
        )
