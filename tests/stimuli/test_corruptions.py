"""Corruptions equal the published formulas with the same noise, at every severity and size."""

import importlib.util
import io
import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from shapebias.errors import ShapebiasError
from shapebias.plugins import build, kinds
from shapebias.seeds import generator_of
from shapebias.stimuli.corruptions.spatter import outline_distance
from shapebias.stimuli.derive import build_transform
from shapebias.stimuli.image_ops.motion_blur import motion_blur
from tests.helpers import reference_corruptions as references

SEVERITIES = (1, 2, 3, 4, 5)
KINDS = kinds("corruptions")
# Levels by which single precision, in the library or in the published code, may shift a value.
SLACK = {
    "defocus_blur": 1e-3,
    "zoom_blur": 1e-3,
    "elastic_transform": 5e-3,
    "spatter": 1e-3,
    "snow": 1e-3,
}
# Corruptions in which every pixel depends on random numbers.
ALL_DRAW = {"gaussian_noise", "shot_noise", "speckle_noise", "snow", "frost", "fog", "glass_blur"}


@pytest.fixture(scope="session")
def frost_pictures(tmp_path_factory):
    """Folder of six pictures, the last of which must never be drawn."""
    folder = tmp_path_factory.mktemp("frost")
    for number in range(1, 7):
        file = folder / f"frost{number}.png"
        Image.fromarray(picture(60 + number, 90 - number, seed=number)).save(file)
    (folder / "LICENSE").write_text("not a picture")
    return folder


def picture(rows, columns, seed=0):
    """Smooth colours with uniform patches, one of them white."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.standard_normal((rows, columns, 3)), (3, 3, 0))
    pixels = (128 + 60 * smooth / (smooth.std() or 1)).clip(0, 255).astype(np.uint8)
    pixels[: rows // 4, : columns // 4] = 255
    pixels[-(rows // 4) or rows :, : columns // 4] = (0, 60, 200)
    return pixels


def corruption_of(kind, severity, frost_pictures):
    extra = {"pictures": str(frost_pictures)} if kind == "frost" else {}
    return build("corruptions", kind=kind, severity=severity, **extra)


def reference_of(kind, pixels, severity, rng, frost_pictures):
    extra = {}
    if kind == "frost":
        files = sorted(frost_pictures.glob("*.png"))
        extra = {"pictures": [np.array(Image.open(file)) for file in files]}
    return getattr(references, kind)(pixels, severity, rng, **extra)


def test_there_are_nineteen_corruptions():
    assert len(KINDS) == 19
    assert all(hasattr(references, kind) for kind in KINDS)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_published_formula_with_the_same_noise(kind, severity, frost_pictures):
    pixels = picture(34, 41, seed=severity)
    corruption = corruption_of(kind, severity, frost_pictures)
    corrupted = corruption(pixels, rng=np.random.default_rng(severity))
    levels = reference_of(kind, pixels, severity, np.random.default_rng(severity), frost_pictures)
    slack = SLACK.get(kind, 1e-5)
    lowest, highest = np.floor(levels - slack), np.floor(levels + slack)
    assert ((corrupted >= lowest) & (corrupted <= highest)).all()
    assert not np.array_equal(corrupted, pixels)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 300), (64, 64), (225, 180)])
@pytest.mark.parametrize("kind", KINDS)
def test_images_of_any_size_are_corrupted_and_their_source_is_not_modified(
    kind, size, frost_pictures
):
    pixels = picture(*size)
    before = pixels.copy()
    for severity in SEVERITIES:
        corruption = corruption_of(kind, severity, frost_pictures)
        corrupted = corruption(pixels, rng=np.random.default_rng(0))
        assert corrupted.dtype == np.uint8 and corrupted.shape == pixels.shape
        assert corrupted.flags.c_contiguous and np.array_equal(pixels, before)


@pytest.mark.parametrize("kind", KINDS)
def test_random_numbers_come_from_the_generator_only(kind, frost_pictures):
    transform = build(
        "transforms", kind="corrupt", corruption=corruption_of(kind, 3, frost_pictures)
    )
    pixels = picture(48, 48)
    np.random.seed(0)
    before = np.random.get_state()[1].tolist()
    first, drawn = transform(pixels, rng=generator_of(0, "one"), label="cat")
    other, _ = transform(pixels, rng=generator_of(0, "another"))
    repeated, _ = transform(pixels, rng=generator_of(0, "one"))
    assert np.array_equal(first, repeated)
    assert drawn == {"corruption": kind, "severity": 3}
    assert np.random.get_state()[1].tolist() == before
    if kind in ALL_DRAW:
        assert not np.array_equal(first, other)


def test_a_study_nests_a_corruption_in_its_transform():
    entry = {"kind": "corrupt", "corruption": {"kind": "contrast", "severity": 2}}
    transform = build_transform(entry)
    assert repr(transform) == "Corrupt(corruption=Contrast(severity=2))"


@pytest.mark.parametrize("severity", [0, 6, 2.5, True, "3"])
def test_other_severities_are_rejected(severity):
    message = r"unknown severity of corruptions/fog: .*known: 1, 2, 3, 4, 5"
    with pytest.raises(ShapebiasError, match=message):
        build("corruptions", kind="fog", severity=severity)


def test_without_pictures_frost_names_a_source_of_them(tmp_path):
    (tmp_path / "frost1.png").write_bytes(b"no picture")
    for folder in (tmp_path / "missing", tmp_path):
        with pytest.raises(ShapebiasError, match=r"hendrycks/robustness, and in .*imagecorrupt"):
            build("corruptions", kind="frost", severity=1, pictures=str(folder))


def test_frost_never_draws_the_sixth_picture(frost_pictures):
    corruption = corruption_of("frost", 1, frost_pictures)
    assert [image.shape for image in corruption.images] == [
        (60 + n, 90 - n, 3) for n in range(1, 6)
    ]


def test_frost_covers_an_image_larger_than_its_pictures(tmp_path):
    Image.new("RGB", (20, 10), (100, 100, 100)).save(tmp_path / "frost1.png")
    corruption = build("corruptions", kind="frost", severity=1, pictures=str(tmp_path))
    frosted = corruption(np.zeros((64, 64, 3), np.uint8), rng=np.random.default_rng(0))
    assert (frosted == 40).all()


def test_frost_reads_the_published_pictures(shared_frost):
    corruption = build("corruptions", kind="frost", severity=5, pictures=str(shared_frost))
    assert len(corruption.images) == 5
    frosted = corruption(picture(224, 224), rng=np.random.default_rng(0))
    assert frosted.mean() > picture(224, 224).mean() * 0.6 + 20


@pytest.fixture
def shared_frost():
    spec = importlib.util.find_spec("imagecorruptions")
    if spec is None:
        pytest.skip("imagecorruptions, which contains the published frost, is not installed")
    return Path(spec.origin).parent / "frost"


def test_canny_and_chamfer_distances_equal_those_of_loops():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        grey = gaussian_filter(rng.integers(0, 2, (30, 37)) * 255.0, 1.5).astype(np.uint8)
        edges = references.canny(grey, 50, 150)
        assert edges.any() and np.array_equal(cv2.Canny(grey, 50, 150) > 0, edges)
        distance = outline_distance(grey).clip(max=9)
        assert np.abs(distance - references.chamfer(edges).clip(max=9)).max() < 1e-4
    assert (outline_distance(np.zeros((5, 6), np.uint8)) > 9).all()


@pytest.fixture(scope="session")
def convert():
    """ImageMagick's `convert`, distinguished from other programs of that name."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        program = Path(folder, "convert")
        if program.is_file() and os.access(program, os.X_OK):
            version = subprocess.run([program, "-version"], capture_output=True, text=True)
            if "ImageMagick" in version.stdout and "Q16" in version.stdout:
                return program
    pytest.skip("ImageMagick's 16-bit `convert` is not installed")


@pytest.mark.parametrize("angle", [-135.0, -90.0, -61.7, -45.0, -3.2, 0.0, 17.9, 45.0])
@pytest.mark.parametrize(("radius", "sigma"), [(10, 3), (15, 12), (20, 15)])
def test_motion_blur_equals_imagemagicks(convert, radius, sigma, angle):
    for pixels in (picture(40, 57), picture(40, 57)[..., 0].copy()):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        form = "rgb:-" if pixels.ndim == 3 else "gray:-"
        order = ["-motion-blur", f"{radius}x{sigma}{angle:+}", "-depth", "16", "-endian", "LSB"]
        process = subprocess.run(
            [convert, "png:-", *order, form],
            input=file.getvalue(),
            capture_output=True,
            check=True,
        )
        sixteen_bits = np.frombuffer(process.stdout, "<u2").reshape(pixels.shape).astype(int)
        # Releases of ImageMagick differ in the conversion to 8 bits; most round.
        expected = (sixteen_bits + 128 - ((sixteen_bits + 128) >> 8)) >> 8
        blurred = motion_blur(pixels, radius=radius, sigma=sigma, angle=angle)
        assert np.array_equal(blurred, expected)
