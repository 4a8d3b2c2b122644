"""Pages of channels: which channels, which images, and what is shown of them."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from shapebias.io.table_schemas import TABLES
from shapebias.report.pages.channel_page import FLIPPED, channel_page
from shapebias.report.pages.important_channels import important_channels, linked_channels
from shapebias.report.pages.thumbnails import (
    OUTSIDE,
    TINY,
    activation_mask,
    crop_to_field,
    picture,
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
    found = important_channels(ABLATION, DISSECTION, 2)
    # Of equals the first; what flips nothing has no page.
    names = ["model", "channel", "concept"]
    rows = found[names].astype(object).where(found[names].notna(), None).to_numpy().tolist()
    assert rows == [["a", 0, "red"], ["a", 2, "blue<"], ["b", 8, None], ["b", 7, None]]
    assert important_channels(ABLATION, None, 1)["channel"].tolist() == [0, 8]
    assert len(important_channels(ABLATION, DISSECTION, 9)) == 4


def test_every_layer_has_its_turn():
    scores = {"conv1": [9, 8, 7, 6], "conv2": [3, 5, 0], "conv3": [1, 4], "conv4": [0]}
    rows = [
        (model, layer, channel, 9, 9, score, 0, -0.1, -0.1)
        for model in "ab"
        for layer, own in scores.items()
        for channel, score in enumerate(own)
    ]
    table = frame("ablation", rows)

    def chosen(number):
        found = important_channels(table, None, number)
        assert found["model"].tolist() == ["a"] * number + ["b"] * number
        return [tuple(row) for row in found[["layer", "channel"]].to_numpy()[:number].tolist()]

    assert chosen(3) == [("conv1", 0), ("conv2", 1), ("conv3", 1)]
    # In the second turn the highest come first.
    assert chosen(4) == [("conv1", 0), ("conv1", 1), ("conv2", 1), ("conv3", 1)]
    # Layers that have no more leave their places to others.
    assert chosen(7)[:4] == [("conv1", channel) for channel in range(3)] + [("conv2", 1)]


def test_lines_of_the_report_lead_to_the_pages():
    lines = linked_channels({"ablation": ABLATION, "dissection": DISSECTION}, 1)
    assert [(line.model, line.anchor, line.name) for line in lines] == [
        ("a", "colours-0", "colours 0"),
        ("b", "x.1-8", "x.1 8"),
    ]
    texts = [text for _, text, _ in lines[0].cells]
    # Sorted by shares, as networks differ in how many decisions they have.
    shares = [float(value) for value, text, _ in lines[0].cells if " of " in text]
    assert shares == [0.2, 0.8]
    assert texts == ["red", "color", "0.300", "2", "1 of 5", "4 of 5", "−0.100", "−0.200"]
    assert [text for _, text, _ in lines[1].cells][-1] == "–"
    assert linked_channels({"ablation": ABLATION}, 0) == []
    assert linked_channels({}, 3) == []


def test_fields_are_cut_out_and_grey_outside():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert (crop_to_field(image, 1, 2, 2, 2) == image[1:3, 2:4]).all()
    part = crop_to_field(image, -1, 3, 3, 4)
    assert part.shape == (3, 4, 3)
    assert (part[1:, :1] == image[:2, 3:]).all()
    assert (part[0] == OUTSIDE).all() and (part[:, 1:] == OUTSIDE).all()
    assert (crop_to_field(image, 9, 0, 2, 2) == OUTSIDE).all()


def test_pixels_below_the_threshold_are_darkened():
    network = one_channel_reader()
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :4, 0] = 255
    # The layer is as large as the image: nothing is interpolated.
    mask = activation_mask(network, "colours", 0, 0.5, [image, image])
    assert mask.shape == (2, 8, 8)
    assert (mask[1] == (image[:, :, 0] > 0)).all()
    image[:, 4:, 2] = 100
    whole = pd.DataFrame({"top": [0], "left": [0], "height": [8], "width": [8]})
    (shown,) = top_image_crops(network, "colours", 0, 0.5, [image], whole)
    assert (shown[:, :4] == image[:, :4]).all()
    assert (shown[:, 4:, 2] == 45).all()
    (cut,) = top_image_crops(network, "colours", 0, 0.5, [image], whole.assign(height=2))
    assert (cut == image[:2]).all()


@pytest.mark.parametrize("shape", [(11, 11, 3), (64, 64, 3), (300, 200, 3), (1, 7, 3)])
def test_pictures_are_small(shape):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, shape, dtype=np.uint8)
    kind, data = picture(pixels, 100).split(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert max(image.size) == min(100, max(shape))
    assert kind == f"data:image/{'png' if max(shape) <= TINY else 'jpeg'};base64"
    if max(shape) <= TINY:
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
    conflict = rows_of(FLIPPED + 5, 0)
    flips = [
        ("a", "colours", 0, row["image_id"], "bright", "dark<", 0.9, 0.5 - k / 100, 0.1, 0.5)
        for k, row in enumerate(conflict)
    ]
    flips += [("a", "colours", 2, "i1", "dark<", "bright", 0.7, 0.2, 0.3, 0.8)]
    flips += [("a", "colours", 1, "i1", "dark<", "bright", 0.7, 0.2, 0.3, 0.8)]
    top = [("a", "colours", 0, k + 1, f"i{k}", 3 - k, 0, 0, 0, 0, 8, 8) for k in range(4)]
    given = {
        "study": "<s>",
        "model": "a",
        "channels": important_channels(ABLATION[:3], DISSECTION, 2),
        "flips": frame("ablation_flips", flips),
        "conflict_rows": among(conflict),
        "top_images": frame("top_images", top),
        "concept_rows": among(rows_of(6, 100)),
    }
    return channel_page(one_channel_reader(), **{**given, **changes})


def test_a_page_holds_each_channel_and_loads_nothing():
    html = page()
    assert re.findall(r'<section id="([^"]+)"', html) == ["colours-0", "colours-2"]
    one, two = html.split("<section ")[1:]
    # Activations 3, 2 and 1: in the last image the channel is silent.
    assert one.count(', activation 1" title="i2, activation 1"') == 1
    assert one.count(", activation ") == 6
    assert f"The {FLIPPED} whose class lost most probability" in one
    assert one.count("bright 0.90→") == FLIPPED
    # The image that lost most comes first.
    assert one.index(f'title="i{FLIPPED + 4}: shape bright') < one.index('title="i10: shape bright')
    assert "with it, otherwise without it (1)" in two
    assert "dark&lt; 0.70→0.20" in two and "bright 0.30→0.80" in two
    assert "<figcaption>shape: bright<br>texture: dark&lt;<br>bright 0.90→" in one
    assert "grey at an edge" not in one
    assert "1 of 5" in one and "<b><span>threshold</span>0.5</b>" in one
    assert "It sees the whole image at most" in one and "Nothing excites it" in two
    # IoU 0 is no label.
    assert "blue" not in two.split("</h2>")[0]
    for target in re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'>\s)]+)""", html):
        assert target.startswith(("data:", "#", "../report.html")), target
    assert "<s>" not in html and "dark<" not in html
    assert html == page()


def test_a_network_that_was_not_dissected_has_a_page():
    html = page(
        channels=important_channels(ABLATION[:3], None, 2), top_images=None, concept_rows=None
    )
    assert "excite" not in html
    assert html.count("<section ") == 2


def test_a_network_without_flips_has_a_page():
    none = ABLATION[1:2]
    html = page(channels=important_channels(none, None, 2), top_images=None, concept_rows=None)
    assert "No image changes its label" in html


def test_a_network_without_layers_says_so():
    network = one_channel_reader()
    network._segments = {}
    none = important_channels(ABLATION[1:2], None, 2)
    given = {"flips": frame("ablation_flips", []), "conflict_rows": lambda only: []}
    html = channel_page(network, study="s", model="a", channels=none, **given)
    assert "This network has no layers" in html
    assert "No image changes its label" not in html
