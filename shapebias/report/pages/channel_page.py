"""A network's page of the channels that matter most: what excites each, and what it decides."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from shapebias.networks.classifier import Classifier
from shapebias.report.pages.important_channels import SHOWN, anchor, cell
from shapebias.report.pages.thumbnails import field_is_smaller, picture, top_image_crops

DATA = resources.files("shapebias") / "data"
TEMPLATE, STYLE = DATA / "channels.html.jinja", DATA / "style.css"
Rows = Callable[..., Iterable[Mapping[str, Any]]]
# Flipped images shown of each cue; a channel can decide hundreds.
FLIPPED = 14
# Largest pictures in pixels: top images, of which there are many, and flipped ones.
SMALL, LARGE = 64, 112
# What a channel sees, as a page says it.
PART = "Cut to what it sees where it is most active; even grey at an edge lies outside the image."
WHOLE = "It sees the whole image at most; where it is below its threshold, the image is darkened."


@dataclass(frozen=True)
class Picture:
    """An image as a `data:` address, the lines below it, and what the pointer tells."""

    source: str
    tip: str
    lines: tuple[str, ...] = ()


def channel_page(
    network: Classifier,
    *,
    study: str,
    model: str,
    channels: pd.DataFrame,
    flips: pd.DataFrame,
    conflict_rows: Rows,
    top_images: pd.DataFrame | None = None,
    concept_rows: Rows | None = None,
) -> str:
    """HTML of one network's page, which loads nothing from outside itself.

    Parameters
    ----------
    network
        The network; it shows what its channels see in their top images.
    study, model
        The study's name, and the network's in it.
    channels
        From `shapebias.report.pages.important_channels.important_channels`, of that network.
    flips
        Rows of the table `ablation_flips` of that network.
    conflict_rows
        Gives the rows of the cue-conflict set whose ids are in `only`, a keyword, with image_id,
        pixels, shape and texture.
    top_images
        Rows of the table `top_images` of that network; None where it was not dissected.
    concept_rows
        The same of the concept set, with image_id and pixels.

    Returns
    -------
    The page: of every channel its label and scores; its top images, cut down to the receptive
    field or, where that holds the whole image, darkened where the channel is below its threshold;
    and the images that change their label without it.
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
            "top": [] if tops is None else _top(network, row, _own(tops, row), concepts),
            "flipped": _flipped(_own(flips, row), conflict),
        }
        for row in channels.to_dict("records")
    ]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        style=Markup(STYLE.read_text(encoding="utf-8")),
        study=study,
        model=model,
        channels=views,
        layers=network.layers,
    )


def _by_id(rows: Rows, table: pd.DataFrame) -> dict[str, Mapping[str, Any]]:
    return {row["image_id"]: row for row in rows(only=set(table["image_id"]))}


def _own(table: pd.DataFrame, row: Mapping[str, Any]) -> pd.DataFrame:
    return table[(table["layer"] == row["layer"]) & (table["channel"] == row["channel"])]


def _facts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of what is known of a channel."""
    facts = [
        (heading, cell(column, row)[1])
        for column, (heading, _) in SHOWN.items()
        if column != "concept" and row.get(column) is not None and not pd.isna(row[column])
    ]
    found = dict(facts)
    if not pd.isna(row.get("threshold", np.nan)):
        found["threshold"] = f"{row['threshold']:.3g}"
    return list(found.items())


def _top(
    network: Classifier,
    row: Mapping[str, Any],
    top: pd.DataFrame,
    concepts: Mapping[str, Mapping[str, Any]],
) -> tuple[str, list[Picture]]:
    """What is shown of the top images, and the images."""
    top = top[top["activation"] > 0].sort_values("rank")
    pixels = [concepts[image_id]["pixels"] for image_id in top["image_id"]]
    if not pixels:
        return "Nothing excites it.", []
    shown = top_image_crops(network, row["layer"], row["channel"], row["threshold"], pixels, top)
    return PART if field_is_smaller(top, pixels[0]) else WHOLE, [
        Picture(picture(one, SMALL), f"{image_id}, activation {value:.3g}")
        for one, image_id, value in zip(shown, top["image_id"], top["activation"], strict=True)
    ]


def _flipped(
    flips: pd.DataFrame, conflict: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, list[Picture], int]]:
    """For either cue the images that it decided, and their number."""
    lost = flips["before_intact"] - flips["before_silenced"]
    flips = flips.loc[lost.sort_values(ascending=False, kind="stable").index]
    found = []
    for cue in ("shape", "texture"):
        own = [
            row for row in flips.to_dict("records")
            if row["before"] == conflict[row["image_id"]][cue]
        ]  # fmt: skip
        shown = [_decided(row, conflict[row["image_id"]]) for row in own[:FLIPPED]]
        found.append((cue, shown, len(own)))
    return found


def _decided(flip: Mapping[str, Any], row: Mapping[str, Any]) -> Picture:
    """A flipped image with the classes of both its cues, and what became of its label."""
    cues = tuple(f"{cue}: {row[cue]}" for cue in ("shape", "texture"))
    lines = tuple(
        f"{flip[side]} {flip[f'{side}_intact']:.2f}→{flip[f'{side}_silenced']:.2f}"
        for side in ("before", "after")
    )
    tip = f"{row['image_id']}: shape {row['shape']}, texture {row['texture']}"
    return Picture(picture(row["pixels"], LARGE), tip, (*cues, *lines))
