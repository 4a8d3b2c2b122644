"""HTML page of a network's most important channels, with their top images and flipped images."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from shapebias.networks.classifier import Classifier
from shapebias.report.pages.important_channels import SHOWN_COLUMNS, anchor, cell
from shapebias.report.pages.templates import render
from shapebias.report.pages.thumbnails import data_uri, field_is_smaller, top_image_crops

Rows = Callable[..., Iterable[Mapping[str, Any]]]
# Flipped images shown of each cue; one channel can flip hundreds.
N_FLIPPED = 14
# Longest side in pixels of a top image and of a flipped image.
TOP_SIDE, FLIPPED_SIDE = 64, 112
# How top images are cropped or darkened.
CROPPED = "Cropped to the receptive field of the most active position; grey lies outside the image."
DARKENED = (
    "The receptive field covers the whole image; it is darkened where the channel is below its "
    "threshold."
)


@dataclass(frozen=True)
class Picture:
    """Image as a `data:` address, with its tooltip and the lines below it."""

    source: str
    tip: str
    lines: tuple[str, ...] = ()


def channel_page(
    model: Classifier,
    *,
    study: str,
    name: str,
    channels: pd.DataFrame,
    flips: pd.DataFrame,
    conflict_rows: Rows,
    top_images: pd.DataFrame | None = None,
    concept_rows: Rows | None = None,
) -> str:
    """Write one network's page as HTML that loads nothing from elsewhere.

    Parameters
    ----------
    model
        The network; its activations mask the top images.
    study, name
        Names of the study and of the network in it.
    channels
        Channels from `important_channels` of that network.
    flips
        Rows of the table `ablation_flips` of that network.
    conflict_rows
        Function that returns the rows of the cue-conflict set whose ids are in its keyword
        `only`, with image_id, pixels, shape and texture.
    top_images
        Rows of the table `top_images` of that network; None if it was not dissected.
    concept_rows
        The same function for the concept set, with image_id and pixels.

    Returns
    -------
    The page. It shows for each channel the label and scores; the top images, cropped to the
    receptive field or, if that covers the image, darkened where the channel is below its
    threshold; and the images whose label changes when the channel is ablated.
    """
    keys = channels[["layer", "channel"]]
    flips = flips.merge(keys, on=["layer", "channel"])
    conflict = _by_id(conflict_rows, flips)
    tops = None if top_images is None else top_images.merge(keys, on=["layer", "channel"])
    concepts = {} if tops is None else _by_id(concept_rows, tops)
    views = [
        {
            "anchor": anchor(row["layer"], row["channel"]),
            "name": f"{row['layer']}, channel {row['channel']}",
            "label": row.get("concept") if row.get("iou", 0) > 0 else "",
            "facts": _facts(row),
            "top": [] if tops is None else _top(model, row, _rows_of(tops, row), concepts),
            "flipped": _flipped(_rows_of(flips, row), conflict),
        }
        for row in channels.to_dict("records")
    ]
    return render(
        "channels.html.jinja", study=study, model=name, channels=views, layers=model.layers
    )


def _by_id(rows: Rows, table: pd.DataFrame) -> dict[str, Mapping[str, Any]]:
    return {row["image_id"]: row for row in rows(only=set(table["image_id"]))}


def _rows_of(table: pd.DataFrame, channel: Mapping[str, Any]) -> pd.DataFrame:
    same_layer = table["layer"] == channel["layer"]
    return table[same_layer & (table["channel"] == channel["channel"])]


def _facts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Heading and value of each measured property of a channel."""
    facts = [
        (heading, cell(column, row)[1])
        for column, (heading, _) in SHOWN_COLUMNS.items()
        if column != "concept" and not pd.isna(row.get(column))
    ]
    if not pd.isna(row.get("threshold")):
        facts.append(("threshold", f"{row['threshold']:.3g}"))
    return facts


def _top(
    model: Classifier,
    row: Mapping[str, Any],
    top: pd.DataFrame,
    concepts: Mapping[str, Mapping[str, Any]],
) -> tuple[str, list[Picture]]:
    """How the top images of a channel are shown, and the images."""
    top = top[top["activation"] > 0].sort_values("rank")
    pixels = [concepts[image_id]["pixels"] for image_id in top["image_id"]]
    if not pixels:
        return "The channel is zero on all images.", []
    crops = top_image_crops(model, row["layer"], row["channel"], row["threshold"], pixels, top)
    return CROPPED if field_is_smaller(top, pixels[0]) else DARKENED, [
        Picture(data_uri(crop, TOP_SIDE), f"{image_id}, activation {activation:.3g}")
        for crop, image_id, activation in zip(
            crops, top["image_id"], top["activation"], strict=True
        )
    ]


def _flipped(
    flips: pd.DataFrame, conflict: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, list[Picture], int]]:
    """For each cue, the flipped images that were labelled by it, and their number."""
    lost = flips["before_unablated"] - flips["before_ablated"]
    flips = flips.loc[lost.sort_values(ascending=False, kind="stable").index]
    sections = []
    for cue in ("shape", "texture"):
        by_cue = [
            row for row in flips.to_dict("records")
            if row["before"] == conflict[row["image_id"]][cue]
        ]  # fmt: skip
        pictures = [_flipped_picture(row, conflict[row["image_id"]]) for row in by_cue[:N_FLIPPED]]
        sections.append((cue, pictures, len(by_cue)))
    return sections


def _flipped_picture(flip: Mapping[str, Any], row: Mapping[str, Any]) -> Picture:
    """Flipped image with the classes of its cues, and its labels before and after ablation."""
    cues = tuple(f"{cue}: {row[cue]}" for cue in ("shape", "texture"))
    labels = tuple(
        f"{flip[side]} {flip[f'{side}_unablated']:.2f}→{flip[f'{side}_ablated']:.2f}"
        for side in ("before", "after")
    )
    tip = f"{row['image_id']}: shape {row['shape']}, texture {row['texture']}"
    return Picture(data_uri(row["pixels"], FLIPPED_SIDE), tip, (*cues, *labels))
