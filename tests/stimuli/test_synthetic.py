"""Synthetic scenes and the data sets and concept sets made of them."""

import collections
import itertools

import numpy as np
import pytest

from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import decode
from shapebias.plugins import build
from shapebias.seeds import generator_of
from shapebias.stimuli.datasets import synthetic, synthetic_concepts
from shapebias.stimuli.synthetic.scene import CLASSES, draw, label_maps, render
from shapebias.stimuli.synthetic.shapes import SHAPES, distance_to_polygon, on_circle
from shapebias.stimuli.synthetic.textures import TEXTURES

SMALL = {"size": 32, "seed": 0, "split": "some"}


def images(cues="agree", count=16, **settings):
    return synthetic.build(cues=cues, count=count, **{**SMALL, **settings})


def scene_of(shape, texture=None, disc_texture=None, number=0):
    rng = generator_of("test", number)
    cues = {"shape": shape, "texture": texture, "disc_texture": disc_texture}
    return draw(rng, **cues, amplitude=0.2, rotation=30.0)


def test_there_are_at_least_eight_shapes_and_equally_many_textures():
    assert len(SHAPES) == len(TEXTURES) >= 8


def test_agreeing_cues_are_balanced():
    rows = list(images(count=24).rows(0, 1))
    assert collections.Counter(row["label"] for row in rows) == dict.fromkeys(CLASSES, 3)
    assert all(row["label"] == row["shape"] == row["texture"] for row in rows)
    assert rows[3]["image_id"] == "some-00003"
    assert decode(rows[0]["image"]).shape == (32, 32, 3)


def test_every_conflict_is_equally_frequent():
    rows = list(images("conflict", 112, size=8).rows(0, 1))
    pairs = collections.Counter((row["shape"], row["texture"]) for row in rows)
    assert pairs == dict.fromkeys(itertools.permutations(CLASSES, 2), 2)
    assert all(row["label"] == row["shape"] for row in rows)


def test_conflicting_shapes_do_not_change_label_and_texture():
    rows = list(images(count=400, size=4, conflicting_shapes=0.25).rows(0, 1))
    assert all(row["label"] == row["texture"] for row in rows)
    assert 70 <= sum(row["shape"] != row["label"] for row in rows) <= 130


def test_parts_join_to_all_rows():
    rows, source = list(images().rows(0, 1)), images()
    assert len(source) == 16
    assert [row for part in range(5) for row in source.rows(part, 5)] == rows


def test_images_depend_on_seed_and_split():
    first = next(images().rows(0, 1))["image"]
    assert first == next(images().rows(0, 1))["image"]
    assert first != next(images(seed=1).rows(0, 1))["image"]
    assert first != next(images(split="other").rows(0, 1))["image"]


@pytest.mark.parametrize(("cues", "count"), [("agree", 12), ("conflict", 64), ("both", 8)])
def test_invalid_cues_and_counts_are_rejected_in_one_line(cues, count):
    with pytest.raises(ShapebiasError) as error:
        build("datasets", kind="synthetic", cues=cues, count=count, **SMALL)
    assert "\n" not in str(error.value)


def test_distance_to_a_polygon():
    x, y = np.float32([[0, 3, 0.5]]), np.float32([[0, 0, 0.25]])
    square = np.float32([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    assert np.allclose(distance_to_polygon(x, y, square), [[-1, 2, -0.5]])
    assert np.allclose(np.hypot(*on_circle(2, 0.3, 7).T), 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_large_and_within_the_radius(shape):
    line = np.linspace(-1.6, 1.6, 161, dtype=np.float32)
    x, y = np.meshgrid(line, -line)
    inside = SHAPES[shape].distance(x, y) < 0
    assert 0.15 < inside.mean() * 3.2**2 / np.pi < 1
    assert np.hypot(x, y)[inside].max() < 1.2
    counts = sum(test(x, y).astype(int) for test in SHAPES[shape].parts.values())
    assert counts.max() == 1, "the parts of one shape are disjoint"


@pytest.mark.parametrize("texture", TEXTURES)
def test_textures_are_fine_and_bounded(texture):
    line = np.arange(0, 16, 0.05, dtype=np.float32)
    values = TEXTURES[texture](*np.meshgrid(line, line), np.random.default_rng(0))
    assert values.dtype == np.float32
    assert np.abs(values).max() <= 1
    assert values.std() > 0.3
    blocks = values.reshape(4, 80, 4, 80).mean(axis=(1, 3))
    assert blocks.std() < 0.15, "no coarse structure"


@pytest.mark.parametrize("shape", SHAPES)
def test_label_map_covers_the_visible_shape(shape):
    scene = scene_of(shape)
    with_shape, without = (render(each, 64).astype(int) for each in (scene, scene_of(None)))
    changed = np.abs(with_shape - without).max(axis=-1) > 0
    inside = label_maps(scene, 64)["object"][shape]
    assert not (inside & ~changed).any()
    # Pixels on the outline are mixed; they are inside if their centre is.
    assert (changed & ~inside).sum() < 2 * np.sqrt(inside.sum()) * np.pi


def test_label_maps_cover_the_visible_textures():
    maps = label_maps(scene_of("ring", "dots", "grid"), 64)
    assert (maps["texture"]["dots"] == maps["object"]["ring"]).all()
    assert not (maps["texture"]["grid"] & maps["object"]["ring"]).any()
    same = label_maps(scene_of("ring", "dots", "dots"), 64)["texture"]
    assert (same["dots"] == (maps["texture"]["dots"] | maps["texture"]["grid"])).all()


def test_concepts_have_unique_names_and_valid_label_maps():
    source = synthetic_concepts.build(count=40, **SMALL)
    numbers, names, categories = zip(*source.concepts, strict=True)
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert len(set(names)) == len(names)
    category_of = dict(zip(numbers, categories, strict=True))
    rows = list(source.rows(0, 1))
    assert [row for part in range(3) for row in source.rows(part, 3)][-1]["labels"]
    for row in rows:
        assert [category for category, _ in row["labels"]] == ["scene"]
        for category, numbered in row["maps"]:
            assert (numbered.dtype, numbered.shape) == (np.uint16, (32, 32))
            assert {category_of[number] for number in np.unique(numbered) if number} <= {category}
        assert (dict(row["maps"])["color"] > 0).all()
    numbers = {number for row in rows for _, label_map in row["maps"] for number in label_map.flat}
    assert len(numbers) > 30


def test_concepts_without_a_shape():
    row = next(synthetic_concepts.build(count=1, shapes=0.0, patches=1.0, **SMALL).rows(0, 1))
    assert {category for category, _ in row["maps"]} == {"texture", "color"}
