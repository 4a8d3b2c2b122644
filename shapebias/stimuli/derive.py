"""Derived images: apply a transform to the rows of an image set, stored or on the fly."""

from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from shapebias import plugins
from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import encode_png
from shapebias.io.image_sets import read_rows
from shapebias.seeds import generator_of


def build_transform(
    settings: dict[str, Any],
    *,
    styles: Sequence[str | Path] = (),
    segmenter: Sequence[str | Path] = (),
) -> Any:
    """Build the transform of a study's entry, with the images and networks that it requires.

    Parameters
    ----------
    settings
        The entry: `kind` and the settings of its plug-in. Each key of `plugins.NESTED` contains
        the entry of another plug-in; `styles` and `segmenter` are names, replaced by the files
        below.
    styles
        Parts of the image set of style images.
    segmenter
        File of a trained segmenter, for a transform that requires one.
    """
    settings = {key: settings[key] for key in settings if key not in ("styles", "segmenter")}
    for key in plugins.NESTED.keys() & settings.keys():
        settings[key] = plugins.build(plugins.NESTED[key], **settings[key])
    if styles:
        rows = list(read_rows(styles))
        settings["styles"] = [row["pixels"] for row in rows]
        settings["style_ids"] = [row["image_id"] for row in rows]
    if segmenter:
        settings["segmenter"] = plugins.library_module("stimuli.segmenter").load_segmenter(
            segmenter[0]
        )
    return plugins.build("transforms", **settings)


def derive(
    rows: Iterable[dict[str, Any]], transform: Any, *, seed: int, image_set: str
) -> Iterator[dict[str, Any]]:
    """Yield rows with transformed `pixels` (None if an image is rejected) and values `drawn`.

    Parameters
    ----------
    rows
        Rows with `image_id`, `label` and `pixels`, uint8 of shape (row, column, 3).
    transform
        Callable of the family `transforms`.
    seed, image_set
        Together with an image's id they determine all random numbers of that image.

    Raises
    ------
    ShapebiasError
        If the transform fails for an image; the message names it.
    """
    for row in rows:
        rng = generator_of(seed, image_set, row["image_id"])
        try:
            pixels, drawn = transform(row["pixels"], rng=rng, label=row.get("label"))
        except ShapebiasError as error:
            raise ShapebiasError(f"{image_set}, image {row['image_id']}: {error}") from None
        yield {**row, "pixels": pixels, "drawn": drawn}


def encode(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows with pixels encoded as PNG in `image`, or the reason for their rejection."""
    for row in rows:
        if row["pixels"] is not None:
            yield {**row, "image": encode_png(row["pixels"])}
            continue
        drawn = ", ".join(f"{name} {value}" for name, value in row["drawn"].items())
        print(f"rejected {row['image_id']}: {drawn}", flush=True)
        yield {**row, "image": None, "rejected": f"left out: {drawn}"}


def rows_of(
    paths: Sequence[str | Path],
    *,
    transform: dict[str, Any] | None,
    seed: int,
    image_set: str,
    styles: Sequence[str | Path] = (),
    segmenter: Sequence[str | Path] = (),
    only: Container[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Read the rows of an image set that is stored, or derive them from its source.

    Parameters
    ----------
    paths
        Parts of the image set, or of its source if `transform` is given.
    transform
        Transform of the entry if its images are not stored.
    seed, image_set
        See `derive`.
    styles, segmenter
        See `build_transform`.
    only
        Ids of the images to read; None for all.
    """
    rows = read_rows(paths, only=only)
    if transform is None:
        return rows
    built = build_transform(transform, styles=styles, segmenter=segmenter)
    derived = derive(rows, built, seed=seed, image_set=image_set)
    return (row for row in derived if row["pixels"] is not None)
