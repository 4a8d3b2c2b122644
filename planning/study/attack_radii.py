"""Check the radii and steps of attacks against the size of the images."""

from collections.abc import Iterator
from typing import Any

from planning.study.errors import StudyError
from planning.study.image_sizes import side_of
from shapebias.ranges import distance_error


def check_attacks(study: dict[str, Any]) -> None:
    """Raise `StudyError` for a radius or step larger than any distance between two images."""
    for name, side in _attacked_images(study):
        entry = study["attacks"][name]
        norm = "linf" if entry["kind"] == "fgsm" else entry.get("norm")
        for key in ("eps", "step"):
            if norm and entry.get(key) and (error := distance_error(norm, entry[key], side)):
                raise StudyError(f"attacks.{name}.{key}: {error}")


def _attacked_images(study: dict[str, Any]) -> Iterator[tuple[str, int | None]]:
    """Yield each attack with the side of the images that it changes, in pixels, or None."""
    images = study["images"]
    for name in study["attacks"]:
        yield name, None
    for entry in images.values():
        if "attack" in entry:
            yield entry["attack"], side_of(images, entry["from"])
    for entry in study["models"].values():
        training = entry.get("training", {})
        if attack := training.get("recipe", {}).get("attack"):
            yield attack, side_of(images, training["images"])
