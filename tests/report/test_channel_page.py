"""Pages of channels: which channels and images they show, and how."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from shapebias.io.table_schemas import TABLES
from shapebias.report.pages.channel_page import N_FLIPPED, channel_page
from shapebias.report.pages.important_channels import important_channels, linked_channels
from shapebias.report.pages.thumbnails import (
    LOSSLESS_SIDE,
    OUTSIDE,
    activation_mask,
    crop_to_field,
    data_uri,
    top_image_crops,
)
from tests.helpers.planted_networks import one_channel_reader


def frame(table, rows):
    return pd.DataFrame(rows, columns=[column.name for column in TABLES[table].columns])


ABLATION = frame(
    "ablation",
    [
        ("a", "colours", 0, 5, 5, 1, 4, -0.1, -0.2),
        ("a", "colours", 1, 5, 5, 0, 0, 0.0, 0.0),
        ("a", "colours", 2, 5, 5, 3, 2, -0.3, -0.001),
        ("b", "x.1", 7, 5, 0, 2, 0, -0.5, np.nan),
        ("b", "x.1", 8, 5, 0, 3, 0, -0.5, np.nan),
    ],
)
DISSECTION = frame(
    "dissection",
    [
        ("a", "colours", 0, "red", "color", 0.3, 0.5, 2),
        ("a", "colours", 2, "blue<", "color", 0.0, 0.25, 0),
    ],
)


def test_the_channels_with_most_flips_come_first():
    channels = important_channels(ABLATION, DISSECTION, 2)
    # Ties keep the order of the table; a channel that flips nothing is left out.
    names = ["model", "channel", "concept"]
    rows = channels[names].astype(object).where(channels[names].notna(), None).to_numpy().tolist()
    assert rows == [["a", 0, "red"], ["a", 2, "blue<"], ["b", 8, None], ["b", 7, None]]
    assert important_channels(ABLATION, None, 1)["channel"].tolist() == [0, 8]
    assert len(important_channels(ABLATION, DISSECTION, 9)) == 4


def test_layers_take_turns():
    scores = {"conv1": [9, 8, 7, 6], "conv2": [3, 5, 0], "conv3": [1, 4], "conv4": [0]}
    rows = [
        (model, layer, channel, 9, 9, score, 0, -0.1, -0.1)
        for model in "ab"
        for layer, of_channels in scores.items()
        for channel, score in enumerate(of_channels)
    ]
    table = frame("ablation", rows)

    def selected(number):
        rows = important_channels(table, None, number)
        assert rows["model"].tolist() == ["a"] * number + ["b"] * number
        return [tuple(row) for row in rows[["layer", "channel"]].to_numpy()[:number].tolist()]

    assert selected(3) == [("conv1", 0), ("conv2", 1), ("conv3", 1)]
    # In the second round the highest come first.
    assert selected(4) == [("conv1", 0), ("conv1", 1), ("conv2", 1), ("conv3", 1)]
    # Layers without further channels leave their places to others.
    assert selected(7)[:4] == [("conv1", channel) for channel in range(3)] + [("conv2", 1)]


def test_rows_of_the_report_link_to_the_pages():
    lines = linked_channels({"ablation": ABLATION, "dissection": DISSECTION}, 1)
    assert [(line.model, line.anchor, line.name) for line in lines] == [
        ("a", "colours-0", "colours 0"),
        ("b", "x.1-8", "x.1 8"),
    ]
    texts = [text for _, text, _ in lines[0].cells]
    # Sorted by shares, as networks differ in their number of decisions.
    shares = [float(value) for value, text, _ in lines[0].cells if " of " in text]
    assert shares == [0.2, 0.8]
    assert texts == ["red", "color", "0.300", "2", "1 of 5", "4 of 5", "−0.100", "−0.200"]
    assert [text for _, text, _ in lines[1].cells][-1] == "–"
    assert linked_channels({"ablation": ABLATION}, 0) == []
    assert linked_channels({}, 3) == []


def test_crops_are_grey_outside_the_image():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert (crop_to_field(image, 1, 2, 2, 2) == image[1:3, 2:4]).all()
    crop = crop_to_field(image, -1, 3, 3, 4)
    assert crop.shape == (3, 4, 3)
    assert (crop[1:, :1] == image[:2, 3:]).all()
    assert (crop[0] == OUTSIDE).all() and (crop[:, 1:] == OUTSIDE).all()
    assert (crop_to_field(image, 9, 0, 2, 2) == OUTSIDE).all()


def test_pixels_below_the_threshold_are_darkened():
    network = one_channel_reader()
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :4, 0] = 255
    # The layer has the size of the image, so nothing is interpolated.
    mask = activation_mask(network, "colours", 0, 0.5, [image, image])
    assert mask.shape == (2, 8, 8)
    assert (mask[1] == (image[:, :, 0] > 0)).all()
    image[:, 4:, 2] = 100
    whole = pd.DataFrame({"top": [0], "left": [0], "height": [8], "width": [8]})
    (shown,) = top_image_crops(network, "colours", 0, 0.5, [image], whole)
    assert (shown[:, :4] == image[:, :4]).all()
    assert (shown[:, 4:, 2] == 45).all()
    (cropped,) = top_image_crops(network, "colours", 0, 0.5, [image], whole.assign(height=2))
    assert (cropped == image[:2]).all()


@pytest.mark.parametrize("shape", [(11, 11, 3), (64, 64, 3), (300, 200, 3), (1, 7, 3)])
def test_pictures_are_small(shape):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, shape, dtype=np.uint8)
    kind, data = data_uri(pixels, 100).split(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert max(image.size) == min(100, max(shape))
    assert kind == f"data:image/{'png' if max(shape) <= LOSSLESS_SIDE else 'jpeg'};base64"
    if max(shape) <= LOSSLESS_SIDE:
        assert (np.asarray(image) == pixels).all()
    assert len(data) < 20_000


def rows_of(number, value):
    return [
        {
            "image_id": f"i{k}",
            "pixels": np.full((8, 8, 3), value + k, np.uint8),
            "shape": "bright",
            "texture": "dark<",
        }
        for k in range(number)
    ]


def among(rows):
    return lambda *, only: [row for row in rows if row["image_id"] in only]


def page(**changes):
    conflict = rows_of(N_FLIPPED + 5, 0)
    flips = [
        ("a", "colours", 0, row["image_id"], "bright", "dark<", 0.9, 0.5 - k / 100, 0.1, 0.5)
        for k, row in enumerate(conflict)
    ]
    flips += [("a", "colours", 2, "i1", "dark<", "bright", 0.7, 0.2, 0.3, 0.8)]
    flips += [("a", "colours", 1, "i1", "dark<", "bright", 0.7, 0.2, 0.3, 0.8)]
    top = [("a", "colours", 0, k + 1, f"i{k}", 3 - k, 0, 0, 0, 0, 8, 8) for k in range(4)]
    settings = {
        "study": "<s>",
        "name": "a",
        "channels": important_channels(ABLATION[:3], DISSECTION, 2),
        "flips": frame("ablation_flips", flips),
        "conflict_rows": among(conflict),
        "top_images": frame("top_images", top),
        "concept_rows": among(rows_of(6, 100)),
    }
    return channel_page(one_channel_reader(), **{**settings, **changes})


def test_a_page_shows_each_channel_and_loads_nothing():
    html = page()
    assert re.findall(r'<section id="([^"]+)"', html) == ["colours-0", "colours-2"]
    first, second = html.split("<section ")[1:]
    # Activations 3, 2 and 1; the channel is zero on the last image.
    assert first.count(', activation 1" title="i2, activation 1"') == 1
    assert first.count(", activation ") == 6
    assert f"The {N_FLIPPED} images whose class lost most probability" in first
    assert first.count("bright 0.90→") == N_FLIPPED
    # The image that lost most comes first.
    places = [first.index(f'title="i{k}: shape bright') for k in (N_FLIPPED + 4, 10)]
    assert places == sorted(places)
    assert "but not when the channel is ablated (1)" in second
    assert "dark&lt; 0.70→0.20" in second and "bright 0.30→0.80" in second
    assert "<figcaption>shape: bright<br>texture: dark&lt;<br>bright 0.90→" in first
    assert "grey lies outside" not in first
    assert "1 of 5" in first and "<b><span>threshold</span>0.5</b>" in first
    assert "covers the whole image" in first and "zero on all images" in second
    # IoU 0 is no label.
    assert "blue" not in second.split("</h2>")[0]
    for target in re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'>\s)]+)""", html):
        assert target.startswith(("data:", "#", "../report.html")), target
    assert "<s>" not in html and "dark<" not in html
    assert html == page()


def test_a_network_that_was_not_dissected_has_a_page():
    html = page(
        channels=important_channels(ABLATION[:3], None, 2), top_images=None, concept_rows=None
    )
    assert "Top images" not in html
    assert html.count("<section ") == 2


def test_a_network_without_flips_has_a_page():
    none = ABLATION[1:2]
    html = page(channels=important_channels(none, None, 2), top_images=None, concept_rows=None)
    assert "No image changes its label" in html


def test_the_page_of_a_network_without_feature_maps_says_so():
    network = one_channel_reader()
    network._segments = {}
    none = important_channels(ABLATION[1:2], None, 2)
    flips = frame("ablation_flips", [])
    html = channel_page(
        network, study="s", name="a", channels=none, flips=flips, conflict_rows=lambda only: []
    )
    assert "This network has no feature maps" in html
    assert "No image changes its label" not in html
