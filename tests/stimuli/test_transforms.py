"""Every transform: invariants, changes and rejected settings."""

import http.server
import io
import shutil
import subprocess
import threading
from collections import Counter
from contextlib import suppress

import cairosvg
import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import build
from shapebias.seeds import generator_of
from shapebias.stimuli.transforms.black_and_white import draw


class Halves:
    """Segmenter that labels the left part of every image as a cat."""

    classes = ("background", "cat", "dog")
    source = "left half"

    def __init__(self, share: float = 0.5):
        self.share = share

    def __call__(self, pixels):
        columns = pixels.shape[1]
        return np.broadcast_to(np.arange(columns) < self.share * columns, pixels.shape[:2]).astype(
            np.int64
        )


def fade(content, style, rng):
    return ((content.astype(int) + style) // 2).astype(np.uint8)


GREYS = [np.full((16, 16, 3), level, np.uint8) for level in (0, 100, 200)]
TRANSFORMS = {
    "scramble": {"patches": 4},
    "noise": {"sd": 0.08},
    "saturate": {"level": 8.0},
    "blur": {"sigma": 1.5},
    "black_and_white": {},
    "stylize": {"stylizer": fade, "styles": GREYS, "style_ids": ["a", "b", "c"]},
    "silhouette": {"segmenter": Halves()},
}


def picture(size: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def blobs(size: int, seed: int) -> np.ndarray:
    smooth = gaussian_filter(
        np.random.default_rng(seed).standard_normal((size, size, 3)), (4, 4, 0)
    )
    return (128 + 60 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)


def patches_of(pixels: np.ndarray, patches: int) -> list[bytes]:
    step = len(pixels) // patches
    corners = [(row, column) for row in range(patches) for column in range(patches)]
    return [
        pixels[row * step : (row + 1) * step, column * step : (column + 1) * step].tobytes()
        for row, column in corners
    ]


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_same_random_numbers_give_the_same_image_and_do_not_modify_the_source(kind):
    transform = build("transforms", kind=kind, **TRANSFORMS[kind])
    pixels = picture()
    before = pixels.copy()
    first, drawn = transform(pixels, rng=generator_of(0, "one"), label="cat")
    transform(picture(seed=1), rng=generator_of(0, "another"), label="cat")
    second, second_drawn = transform(pixels, rng=generator_of(0, "one"), label="cat")
    assert first.dtype == np.uint8 and first.shape == pixels.shape
    assert np.array_equal(first, second) and drawn == second_drawn
    assert np.array_equal(pixels, before)
    assert all(isinstance(value, str | int | float) for value in drawn.values())


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_repr_shows_the_plain_settings(kind):
    plain = {k: v for k, v in TRANSFORMS[kind].items() if isinstance(v, int | float)}
    text = repr(build("transforms", kind=kind, **TRANSFORMS[kind]))
    assert all(f"{name}={value!r}" in text for name, value in plain.items())


@given(patches=st.integers(2, 4), step=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_scramble_moves_whole_patches_by_the_recorded_permutation(patches, step, seed):
    pixels = picture(patches * step, seed)
    scramble = build("transforms", kind="scramble", patches=patches)
    scrambled, drawn = scramble(pixels, rng=np.random.default_rng(seed), label=None)
    order = [int(number) for number in drawn["permutation"].split()]
    assert sorted(order) == list(range(patches**2)) and order != sorted(order)
    before, after = patches_of(pixels, patches), patches_of(scrambled, patches)
    assert after == [before[number] for number in order]


def test_scramble_is_never_the_identity_and_otherwise_uniform():
    scramble = build("transforms", kind="scramble", patches=2)
    rng = np.random.default_rng(0)
    drawn = Counter(scramble(picture(4), rng=rng)[1]["permutation"] for _ in range(2300))
    assert len(drawn) == 23 and "0 1 2 3" not in drawn
    assert min(drawn.values()) > 60 and max(drawn.values()) < 145


def test_scramble_rejects_a_size_that_its_patches_do_not_divide():
    scramble = build("transforms", kind="scramble", patches=3)
    with pytest.raises(ShapebiasError, match="16×16 pixels cannot be cut into 3×3"):
        scramble(picture(16), rng=np.random.default_rng(0))


def test_noise_has_the_standard_deviation_of_the_setting():
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy, _ = build("transforms", kind="noise", sd=0.08)(grey, rng=np.random.default_rng(0))
    difference = (noisy.astype(float) - 128) / 255
    assert abs(difference.std() - 0.08) < 0.001 and abs(difference.mean()) < 0.001
    assert abs(np.corrcoef(difference[..., 0].ravel(), difference[..., 1].ravel())[0, 1]) < 0.02


def test_noise_is_clipped_and_does_not_wrap_around():
    for level in (0, 255):
        flat = np.full((64, 64, 3), level, np.uint8)
        noisy, _ = build("transforms", kind="noise", sd=0.08)(flat, rng=np.random.default_rng(0))
        assert np.abs(noisy.astype(int) - level).max() < 128


@hypothesis.settings(max_examples=30)
@given(level=st.floats(0.25, 1024))
def test_saturate_equals_the_published_formula(level):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    saturated, _ = build("transforms", kind="saturate", level=level)(ramp)
    for before, after in zip(ramp[..., 0].flat, saturated[..., 0].flat, strict=True):
        x = 2 * int(before) / 255 - 1
        expected = (np.sign(x) * abs(x) ** (2 / level) + 1) / 2 * 255
        assert abs(expected - int(after)) <= 0.5 + 1e-9


def test_saturate_at_two_at_infinity_and_near_zero():
    pixels = picture()
    saturated = {
        level: build("transforms", kind="saturate", level=level)(pixels)[0]
        for level in (2.0, float("inf"), 1e-4)
    }
    assert np.array_equal(saturated[2.0], pixels)
    assert np.array_equal(saturated[float("inf")], np.where(pixels > 127, 255, 0))
    inner = (pixels > 0) & (pixels < 255)
    assert np.isin(saturated[1e-4][inner], (127, 128)).all()


def test_blur_spreads_a_point_as_a_gaussian_and_keeps_uniform_colours():
    point = np.zeros((33, 33, 3), np.uint8)
    point[16, 16, 1] = 255
    blurred, _ = build("transforms", kind="blur", sigma=1.0)(point)
    assert blurred[16, 16, 1] == round(255 / (2 * np.pi), 0) and not blurred[..., (0, 2)].any()
    flat = np.full((9, 9, 3), 77, np.uint8)
    assert np.array_equal(build("transforms", kind="blur", sigma=3.0)(flat)[0], flat)
    assert np.array_equal(build("transforms", kind="blur", sigma=0.0)(point)[0], point)


def test_black_is_a_colour_sum_of_382_and_white_one_of_383():
    binarise = build("transforms", kind="black_and_white").binarise
    pixels = np.array([[[127, 127, 128], [127, 128, 128], [255, 127, 0], [255, 128, 0]]], np.uint8)
    assert binarise(pixels).tolist() == [[True, False, True, False]]


@pytest.mark.parametrize("level", [0, 255])
def test_a_solid_image_stays_solid_at_its_own_size(level):
    solid = np.full((20, 31, 3), level, np.uint8)
    assert np.array_equal(build("transforms", kind="black_and_white")(solid)[0], solid)


def test_black_and_white_keeps_the_orientation_of_a_shape():
    pixels = np.full((40, 60, 3), 220, np.uint8)
    pixels[5:15, 8:40] = (90, 20, 60)
    traced, drawn = build("transforms", kind="black_and_white")(pixels)
    assert (traced[7:13, 10:38] == 0).all() and (traced[20:] == 255).all()
    assert drawn["black"] == pytest.approx(10 * 32 / (40 * 60))


@pytest.mark.skipif(not shutil.which("potrace"), reason="the command potrace is not installed")
@pytest.mark.parametrize("seed", range(3))
def test_black_and_white_equals_the_output_of_the_potrace_command(seed):
    transform = build("transforms", kind="black_and_white")
    pixels = blobs(96, seed)
    black = transform.binarise(pixels)
    bitmap = b"P4\n96 96\n" + np.packbits(black, axis=1).tobytes()
    command = ["potrace", "--svg", "--output", "-", "-"]
    svg = subprocess.run(command, input=bitmap, capture_output=True, check=True).stdout
    encoded = cairosvg.svg2png(bytestring=svg.replace(b'pt"', b'"'), background_color="white")
    expected = np.array(Image.open(io.BytesIO(encoded)).convert("RGB")).astype(int)
    difference = np.abs(transform(pixels)[0] - expected)
    # The command draws outlines separately, which shades pixels shared by two differently.
    assert difference.max() <= 40 and difference.mean() < 0.5
    assert 0.2 < (expected < 128).mean() < 0.8


def test_svg_without_a_background_is_drawn_on_white():
    empty = '<svg xmlns="http://www.w3.org/2000/svg" width="5" height="4" viewBox="0 0 5 4"></svg>'
    assert (draw(empty) == 255).all() and draw(empty).shape == (4, 5, 3)


@pytest.mark.parametrize(
    "content",
    [
        '<image href="{file}" width="4" height="4"/>',
        '<image href="{url}" width="4" height="4"/>',
        '<style>@import url("{url}");</style>',
        '<use href="{url}#a"/>',
    ],
)
def test_svg_reads_no_file_and_contacts_no_server(tmp_path, content):
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_error(404)

        def log_message(self, *arguments):
            pass

    Image.new("RGB", (4, 4), "red").save(tmp_path / "red.png")
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/red.png"
        body = content.format(file=(tmp_path / "red.png").as_uri(), url=url)
        head = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4">'
        with suppress(Exception):
            assert (draw(f"{head}{body}</svg>") == 255).all()
        server.shutdown()
    assert requests == []


def test_svg_with_an_entity_is_rejected(tmp_path):
    (tmp_path / "secret").write_text("M0,0L4,0L4,4Z")
    entity = f'<!DOCTYPE svg [<!ENTITY secret SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    text = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><path d="&secret;"/></svg>'
    with pytest.raises(Exception, match="Entit"):
        draw(entity + text)


def test_stylize_draws_every_style_and_records_it():
    transform = build("transforms", kind="stylize", **TRANSFORMS["stylize"])
    styles = dict(zip("abc", GREYS, strict=True))
    drawn = []
    for number in range(60):
        pixels = picture(seed=number)
        painted, record = transform(pixels, rng=generator_of(number))
        assert np.array_equal(painted, fade(pixels, styles[record["style"]], None))
        drawn.append(record["style"])
    assert min(Counter(drawn)[name] for name in "abc") > 8


def test_silhouette_draws_the_labels_mask_in_black_on_white():
    black_on_white = build("transforms", kind="silhouette", segmenter=Halves())
    white_on_black = build("transforms", kind="silhouette", segmenter=Halves(), background="black")
    image, drawn = black_on_white(picture(), label="cat")
    assert (image[:, :8] == 0).all() and (image[:, 8:] == 255).all()
    assert drawn == {"coverage": 0.5, "mask_source": "left half"}
    assert np.array_equal(255 - image, white_on_black(picture(), label="cat")[0])


@pytest.mark.parametrize(("share", "label"), [(0.5, "dog"), (1.0, "cat")])
def test_silhouette_rejects_masks_that_are_too_small_or_too_large(share, label):
    transform = build("transforms", kind="silhouette", segmenter=Halves(share))
    image, drawn = transform(picture(), label=label)
    assert image is None
    assert drawn == {"coverage": float(label == "cat"), "mask_source": "left half"}


@pytest.mark.parametrize("label", ["cow", "background", None])
def test_silhouette_rejects_a_label_that_the_segmenter_does_not_know(label):
    with pytest.raises(UnknownName, match=r"unknown class of the segmenter.*known: cat, dog"):
        build("transforms", kind="silhouette", segmenter=Halves())(picture(), label=label)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("scramble", {"patches": 1}),
        ("noise", {"sd": -0.1}),
        ("saturate", {"level": 0.0}),
        ("blur", {"sigma": float("nan")}),
        ("black_and_white", {"threshold": 1.5}),
        ("stylize", {"style_ids": ["a"]}),
        ("silhouette", {"background": "grey"}),
        ("silhouette", {"min_coverage": 0.9, "max_coverage": 0.1}),
        ("silhouette", {"unknown": "ignore"}),
        ("silhouette", {"entry_level": "imagenet"}),
    ],
)
def test_invalid_settings_are_rejected_in_one_line(kind, settings):
    with pytest.raises(ShapebiasError, match=kind) as error:
        build("transforms", kind=kind, **{**TRANSFORMS[kind], **settings})
    assert "\n" not in str(error.value)
