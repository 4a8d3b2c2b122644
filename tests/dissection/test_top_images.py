import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shapebias.dissection.concept_labels import ConceptBatch
from shapebias.dissection.dissect import dissect
from shapebias.networks.receptive_fields import Field, receptive_fields
from shapebias.plugins import build
from tests.helpers.planted_networks import colour_units, exact_images, exact_network, network
from tests.helpers.reference_implementations import fields_by_poisoning, top_images_by_sorting

CONCEPTS = [(1, "red", "color")]


def unlabelled(images, image_ids=()):
    return ConceptBatch(images, {}, [[]] * len(images), image_ids=image_ids)


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    number=st.integers(1, 9),
)
@settings(max_examples=25, deadline=None)
def test_top_images_equal_those_by_sorting(seed, sizes, number):
    # Pixels are quarters and weights halves: many activations are equal, and one channel is dead.
    model = exact_network(seed)
    batches = [
        unlabelled(exact_images(seed + 100 * i, count), [f"{i}/{j}" for j in range(count)])
        for i, count in enumerate(sizes)
    ]
    ids = [image_id for batch in batches for image_id in batch.image_ids]
    table = dissect(model, lambda: batches, CONCEPTS, top_images=number).top_images
    expected = top_images_by_sorting(model, batches, number)
    fields = receptive_fields(model, (8, 8))
    frames = {key: frame for key, frame in table.groupby(["layer", "channel"], sort=False)}
    assert list(frames) == list(expected)
    for (layer, channel), best in expected.items():
        frame = frames[layer, channel]
        columns = frame[["activation", "image_id", "row", "column"]].values.tolist()
        assert columns == [[value, ids[image], r, c] for value, image, r, c in best]
        assert frame["rank"].tolist() == list(range(1, min(number, len(ids)) + 1))
        assert (frame["top"] == fields[layer][0].of(frame["row"])).all()
        assert (frame["left"] == fields[layer][1].of(frame["column"])).all()


def test_images_without_ids_are_numbered():
    images = torch.zeros(3, 3, 8, 8)
    images[1, 0, 2, 5] = 1.0
    batches = [unlabelled(images[:1]), unlabelled(images[1:])]
    table = dissect(colour_units(), lambda: batches, CONCEPTS, top_images=2).top_images
    first = table[(table["channel"] == 0) & (table["rank"] == 1)].iloc[0]
    assert first[["image_id", "row", "column", "top", "left", "height", "width"]].tolist() == [
        "1", 2, 5, 2, 5, 1, 1,
    ]  # fmt: skip
    pd.testing.assert_series_equal(
        table[table["channel"] == 2]["image_id"], pd.Series(["0", "1"]), check_index=False,
        check_names=False,
    )  # fmt: skip


class Branches(nn.Module):
    """Sum and concatenation of branches with different windows, and padding on one side."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(3, 4, (5, 3), padding=(2, 1))
        self.dilated = nn.Conv2d(3, 4, 3, padding=2, dilation=2)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)

    def forward(self, images):
        added = self.wide(images) + self.dilated(images)
        padded = nn.functional.pad(added, (0, 1, 1, 0))
        return self.pool(torch.cat([padded.relu(), torch.sigmoid(padded)], dim=1))


def branched_network():
    layers = {"sum": [Branches()], "after": [nn.Conv2d(8, 2, 2, stride=2), nn.ReLU(inplace=True)]}
    return network(layers, [nn.AdaptiveAvgPool2d(1), nn.Flatten()], classes="ab", size=31)


@pytest.mark.parametrize(
    "model",
    [
        branched_network(),
        build("architectures", kind="alexnet", width=0.125, classes=["a"], input_size=63),
        build("architectures", kind="resnet", depth=18, width=0.125, classes=["a"], input_size=64),
        build("architectures", kind="googlenet", width=0.125, classes=["a"], input_size=64),
    ],
    ids=["branches", "alexnet", "resnet", "googlenet"],
)
def test_receptive_fields_are_the_pixels_that_affect_a_position(model):
    size = model.input_size
    fields = receptive_fields(model.eval(), (size, size))
    assert tuple(fields) == model.layers
    image = torch.rand(3, size, size, generator=torch.Generator().manual_seed(0))
    for layer in (*model.layers[:2], model.layers[-1]):
        for axis in (0, 1):
            field = fields[layer][axis]
            for position, (first, last) in fields_by_poisoning(
                model, layer, image, axis=axis
            ).items():
                start = field.of(position)
                assert (first, last) == (max(start, 0), min(start + field.size, size) - 1)


def test_after_pooling_to_a_fixed_size_a_position_sees_the_whole_image():
    layers = {"pooled": [nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(2)]}
    model = network(layers, [nn.Flatten()], classes="abcdefgh", size=9).eval()
    assert receptive_fields(model, (9, 12))["pooled"] == (Field(0, 9, 0), Field(0, 12, 0))
