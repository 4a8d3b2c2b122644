"""Check transforms against the size of the images, where the study gives it."""

from typing import Any

from planning.study.errors import StudyError


def check_patches(images: dict[str, Any]) -> None:
    """Raise `StudyError` where an image cannot be cut into the patches that are scrambled."""
    for name, entry in images.items():
        transform = entry.get("transform", {})
        if transform.get("kind") != "scramble":
            continue
        patches, side = transform["patches"], side_of(images, entry["from"])
        if side and side % patches:
            source = source_of(images, name)
            key = "crop" if images[source].get("crop") else "size"
            divisors = [str(number) for number in range(2, side + 1) if side % number == 0]
            raise StudyError(
                f"images.{name}.transform.patches: {side}×{side} pixels (images.{source}.{key}) "
                f"cannot be cut into {patches}×{patches} equal patches; allowed for this size: "
                f"{', '.join(divisors) or 'none'}"
            )


def side_of(images: dict[str, Any], name: str) -> int | None:
    """Return the side of an image set's square images in pixels; None if only its files tell."""
    source = images[source_of(images, name)]
    return source.get("crop") or (None if source.get("resize") else source.get("size"))


def source_of(images: dict[str, Any], name: str) -> str:
    """Return the name of the source from which an image set is derived, or of a source itself."""
    while "from" in images[name]:
        name = images[name]["from"]
    return name
