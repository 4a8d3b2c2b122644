"""Check the radii of attacks against the size of the images."""

from collections.abc import Iterator
from typing import Any

from planning.study.errors import StudyError
from shapebias.ranges import distance_error


def check_attacks(study: dict[str, Any]) -> None:
    """Raise `StudyError` for a radius or step that no images of the study's sizes can have."""
    for name, side in attacked(study):
        entry = study["attacks"][name]
        norm = "linf" if entry["kind"] == "fgsm" else entry.get("norm")
        for key in ("eps", "step"):
            if norm and entry.get(key) and (wrong := distance_error(norm, entry[key], side)):
                raise StudyError(f"attacks.{name}.{key}: {wrong}")


def attacked(study: dict[str, Any]) -> Iterator[tuple[str, int | None]]:
    """Each attack with the side of the images that it changes, in pixels; None if not known."""
    for name in study["attacks"]:
        yield name, None
    for entry in study["images"].values():
        if "attack" in entry:
            yield entry["attack"], side_of(study["images"], entry["from"])
    for entry in study["models"].values():
        training = entry.get("training", {})
        if attack := training.get("recipe", {}).get("attack"):
            yield attack, side_of(study["images"], training["images"])


def side_of(images: dict[str, Any], name: str) -> int | None:
    """Side of an image set's square images; None where only the files can tell."""
    while "from" in images[name]:
        name = images[name]["from"]
    source = images[name]
    return source.get("crop") or (None if source.get("resize") else source.get("size"))
