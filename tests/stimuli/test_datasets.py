import io
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from planning.fingerprints.files import _names_in
from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import decode, encode_png, image_size
from shapebias.io.image_sets import ResizeCrop, read_rows, rejected_in
from shapebias.plugins import build
from shapebias.stimuli.datasets import cue_conflict, imagefolder
from shapebias.stimuli.image_folders import SUFFIXES
from shapebias.stimuli.ingest import ingest_images
from shapebias.torchvision_import import torchvision
from tests.conftest import ROOT

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)


def file_of(image, kind="PNG", **settings):
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def put(folder, name, pixels=NOISE):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels))
    return path


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def test_png_and_back():
    assert np.array_equal(decode(encode_png(NOISE)), NOISE)
    assert encode_png(NOISE) == encode_png(NOISE.copy())
    assert np.array_equal(decode(encode_png(NOISE.transpose(1, 0, 2))), NOISE.transpose(1, 0, 2))


def test_grey_becomes_three_equal_colours():
    grey = decode(file_of(Image.fromarray(NOISE[..., 0])))
    assert np.array_equal(grey, np.repeat(NOISE[..., :1], 3, axis=2))


def test_palette_and_cmyk_become_rgb():
    flat = Image.new("RGB", (8, 6), (200, 30, 60))
    assert decode(file_of(flat.convert("P", palette=Image.Palette.ADAPTIVE)))[0, 0].tolist() == [
        200,
        30,
        60,
    ]
    cmyk = decode(file_of(flat.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(cmyk.astype(int) - [200, 30, 60]).max() <= 4


def test_transparency_is_laid_on_white():
    image = Image.new("RGBA", (8, 6), (0, 0, 0, 0))
    image.putpixel((0, 0), (10, 20, 30, 255))
    image.putpixel((1, 0), (0, 0, 0, 128))
    pixels = decode(file_of(image))
    assert pixels[0, 0].tolist() == [10, 20, 30]
    assert pixels[0, 1].tolist() == [127, 127, 127]
    assert pixels[5, 7].tolist() == [255, 255, 255]


def test_a_transparent_palette_entry_is_white():
    image = Image.new("P", (4, 4), 0)
    image.putpalette([9, 9, 9, 50, 60, 70])
    image.putpixel((1, 1), 1)
    pixels = decode(file_of(image, transparency=0))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [50, 60, 70]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind):
    levels = np.array([[0, 257, 32_896, 65_535]], dtype=np.uint16)
    pixels = decode(file_of(Image.fromarray(levels), kind))
    assert pixels[0, :, 0].tolist() == [0, 1, 128, 255]


def test_floating_point_is_refused():
    data = file_of(Image.fromarray(np.ones((3, 3), dtype=np.float32)), "TIFF")
    with pytest.raises(ShapebiasError, match=r"some\.tif: floating-point"):
        decode(data, name="some.tif")


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, lambda a: np.rot90(a)),
    ],
)
def test_the_camera_orientation_is_applied(orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(file_of(Image.fromarray(NOISE), exif=exif))
    assert np.array_equal(pixels, upright(NOISE))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_image_is_named(kind):
    data = file_of(Image.fromarray(NOISE), kind)
    with pytest.raises(ShapebiasError) as error:
        decode(data[: len(data) // 2], name="a/b.jpg")
    assert one_line(error).startswith("a/b.jpg: not a readable image")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_named(data):
    with pytest.raises(ShapebiasError, match=r"^x: not a readable image"):
        decode(data, name="x")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("limit", [100, 2000])
def test_a_decompression_bomb_is_refused(monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ShapebiasError, match="bomb: "):
        decode(encode_png(NOISE), name="bomb")


@pytest.mark.parametrize("size", [(40, 60), (60, 40), (33, 33), (500, 375), (31, 97)])
def test_resize_and_crop_are_torchvisions(size):
    pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    transforms = torchvision.transforms
    theirs = transforms.Compose([transforms.Resize(32), transforms.CenterCrop(27)])
    expected = np.asarray(theirs(Image.fromarray(pixels)))
    assert np.array_equal(decode(encode_png(pixels), resize=32, crop=27), expected)


def test_an_image_that_resizing_would_make_huge_is_refused():
    thin = encode_png(np.zeros((8000, 1, 3), np.uint8))
    for resize in ({"resize": 256}, {"resize": 256, "crop": 224}):
        with pytest.raises(ShapebiasError, match="x: the resized image would be 256×2048000"):
            decode(thin, **resize, name="x")
    assert decode(thin, name="x").shape == (8000, 1, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGB", "RGBA", "CMYK", "I;16", "I;16B"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_strips_make_no_difference(monkeypatch, mode, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(NOISE).convert("RGBA")
    image.putalpha(Image.fromarray(NOISE[..., 1]))
    image = image.convert("L") if mode[0] == "I" else image.convert(mode)
    if mode[0] == "I":
        image = Image.fromarray(np.asarray(image).astype(">u2" if mode[-1] == "B" else "<u2") * 257)
    kind = "JPEG" if mode == "CMYK" else "TIFF" if mode == "I;16B" else "PNG"
    data = file_of(image, kind, exif=exif)
    whole = decode(data)
    monkeypatch.setattr("shapebias.io.image_codec.PIXELS_PER_STRIP", 130)
    assert np.array_equal(decode(data), whole)
    assert image_size(data) == (whole.shape[1], whole.shape[0])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("kind", "settings", "least"),
    [
        ("PNG", {}, 2400),
        ("JPEG", {}, 2400),
        ("WEBP", {}, 4800),
        ("JPEG", {"progressive": True}, 3600),
    ],
)
def test_what_takes_more_memory_to_decode_may_have_fewer_pixels(monkeypatch, kind, settings, least):
    data = file_of(Image.fromarray(NOISE), kind, **settings)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", least)
    assert image_size(data) == (60, 40)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", least - 2)
    with pytest.raises(ShapebiasError, match="60×40 pixels, more than"):
        image_size(data)


def test_a_file_too_long_for_the_memory_is_refused(monkeypatch):
    data = encode_png(NOISE)
    monkeypatch.setattr("shapebias.io.image_codec.MAX_FILE_BYTES", len(data) - 1)
    with pytest.raises(ShapebiasError, match=r"x: a file of \d+ bytes is more than .* compress it"):
        decode(data, name="x")


PEAK = """
import sys
from shapebias.io.image_codec import image_size

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

data = open(sys.argv[1], "rb").read()
before = peak()
image_size(data)
print((peak() - before) / 1024)
"""


@pytest.mark.parametrize("mode", ["I;16", "RGBA", "RGB"])
def test_a_large_image_is_checked_in_little_memory(tmp_path, mode):
    """Beside the pixels as they were decoded there is room for a strip, but for no second copy."""
    grey = Image.new("L", (4000, 4000))
    levels = np.zeros((4000, 4000), np.uint16)
    image = Image.fromarray(levels) if mode == "I;16" else grey.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "large.png"
    image.save(path, exif=exif, compress_level=1)
    command = [sys.executable, "-c", PEAK, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    mebibytes = 16 * (2 if mode == "I;16" else 4)
    assert float(done.stdout) < mebibytes + 45


def test_a_crop_beyond_the_image_is_refused():
    with pytest.raises(ShapebiasError, match="60×40 pixels are too few for a crop of 50"):
        decode(encode_png(NOISE), crop=50)


def test_an_image_folder_keeps_order_bytes_and_labels(tmp_path):
    names = ["b/2.PNG", "a/10.png", "a/9.jpeg", "b/1.png"]
    paths = {name: put(tmp_path, name) for name in names}
    put(tmp_path, "a/.hidden.png")
    (tmp_path / "a/list.txt").write_text("not an image")
    (tmp_path / "LICENSE").write_text("not a class")
    source = imagefolder.build(path=str(tmp_path))
    rows = list(source.rows(0, 1))
    assert len(source) == 4
    assert [row["image_id"] for row in rows] == ["a/10.png", "a/9.jpeg", "b/1.png", "b/2.PNG"]
    assert [row["label"] for row in rows] == ["a", "a", "b", "b"]
    assert all(row["image"] == paths[row["image_id"]].read_bytes() for row in rows)


LOST = {
    "a/b/c/y.png": None,
    "a/x.png": None,
    "top.png": "is in no class folder",
    "a/p.heif": "unsupported format: .heif",
    "a/p.jxl": "unsupported format: .jxl",
    "a/p.dib": "unsupported format: .dib",
    "a/p.jpg.bak": "unsupported format: .bak",
    "a/photo": "unsupported format: no suffix",
}
RECORDS = ["README.md", "a/Thumbs.db", "a/.DS_Store", "a/b/list.txt", "SHA256SUMS", "a/LICENSE"]


def test_every_file_of_an_image_folder_is_stored_refused_or_counted(tmp_path, capsys):
    for name in [*LOST, *RECORDS, "a/readme.png"]:
        put(tmp_path / "in", name)
    put(tmp_path / "in", ".git/config")
    source = imagefolder.build(path=str(tmp_path / "in"))
    path = tmp_path / "part-0.parquet"
    counts = ingest_images(source, path, part=0, parts=1, sizing=ResizeCrop(), max_rejected=1.0)
    rejected = dict(rejected_in(path))
    assert rejected.keys() == {name for name, reason in LOST.items() if reason}
    assert all(rejected[name].startswith(reason) for name, reason in LOST.items() if reason)
    stored = {row["image_id"]: row["label"] for row in read_rows([path])}
    assert stored == {"a/b/c/y.png": "a", "a/x.png": "a", "a/readme.png": "a"}
    assert counts == (len(stored), len(rejected))
    assert "ignored 6 files beside the images: README.md …" in capsys.readouterr().out


def test_links_are_followed_but_not_in_circles(tmp_path):
    put(tmp_path / "in", "a/x.png")
    put(tmp_path / "elsewhere", "deep/y.png")
    for link, target in [("a/up", ".."), ("self", "."), ("a/far", "/"), ("a/lost.png", "nowhere"),
                         ("a/round", "round"), ("a/more", tmp_path / "elsewhere"),
                         ("b", "a")]:  # fmt: skip
        (tmp_path / "in" / link).symlink_to(target)
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "in/a")
    source = imagefolder.build(path=str(tmp_path / "in"))
    files = ["lost.png", "more/deep/y.png", "round", "x.png"]
    assert source.files == [f"{one}/{file}" for one in "ab" for file in files]
    rows = {row["image_id"]: row.get("rejected") for row in source.rows(0, 1)}
    assert rows["a/lost.png"] == "cannot be read: No such file or directory"
    assert rows["b/x.png"] is None
    read = {name for name, reason in rows.items() if reason is None}
    assert read <= set(_names_in(str(tmp_path / "in")))


def test_a_pipe_is_refused(tmp_path):
    put(tmp_path, "a/x.png")
    os.mkfifo(tmp_path / "a/y.png")
    rows = list(imagefolder.build(path=str(tmp_path)).rows(0, 1))
    assert [row.get("rejected") for row in rows] == [None, "not a plain file; remove it"]


def test_a_file_too_long_is_refused_unread(tmp_path, monkeypatch):
    put(tmp_path, "a/x.png")
    monkeypatch.setattr("shapebias.io.image_codec.MAX_FILE_BYTES", 10)
    (row,) = imagefolder.build(path=str(tmp_path)).rows(0, 1)
    assert row["image"] is None and row["rejected"].startswith("a file of ")


@pytest.mark.parametrize("name", ["top.png", "cat/more/cat1-dog2.png"])
def test_layouts_of_published_sets_are_asserted(tmp_path, name):
    put(tmp_path, "cat/cat1-dog1.png")
    assert len(cue_conflict.build(path=str(tmp_path))) == 1
    put(tmp_path, name)
    with pytest.raises(ShapebiasError, match="is not directly in a class's folder") as error:
        len(cue_conflict.build(path=str(tmp_path)))
    assert name in one_line(error)


def test_the_formats_that_are_read_are_documented():
    words = imagefolder.build.__doc__.replace(",", " ").split()
    assert {word for word in words if word[0] == "." and len(word) > 1} == set(SUFFIXES)


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 8])
def test_parts_are_slices_of_the_whole(tmp_path, parts):
    for number in range(5):
        put(tmp_path, f"c/{number}.png")
    source = imagefolder.build(path=str(tmp_path))
    ids = [row["image_id"] for part in range(parts) for row in source.rows(part, parts)]
    assert ids == [f"c/{number}.png" for number in range(5)]


def test_a_few_images_of_each_class(tmp_path):
    for name in ("a/3.png", "a/1.png", "a/2.png", "b/1.png"):
        put(tmp_path, name)
    source = imagefolder.build(path=str(tmp_path), max_per_class=2)
    assert source.files == ["a/1.png", "a/2.png", "b/1.png"]
    with pytest.raises(ShapebiasError, match="max_per_class: 0 is not at least 1"):
        build("datasets", kind="imagefolder", path=str(tmp_path), max_per_class=0)


def test_labels_from_file_names(tmp_path):
    put(tmp_path, "bear/n02132136_brown_bear.png")
    put(tmp_path, "bear/more_bears/n02132136_x.png")
    *_, row = imagefolder.build(path=str(tmp_path), label_from="filename_prefix").rows(0, 1)
    assert (row["label"], row["coarse"]) == ("n02132136", "bear")
    row = next(imagefolder.build(path=str(tmp_path), label_from="filename_prefix").rows(0, 1))
    assert (row["label"], row["coarse"]) == ("n02132136", "bear")
    put(tmp_path, "bear/plain.png")
    with pytest.raises(ShapebiasError, match=r"plain\.png has no label"):
        list(imagefolder.build(path=str(tmp_path), label_from="filename_prefix").rows(0, 1))
    with pytest.raises(ShapebiasError, match="did you mean 'folder'"):
        build("datasets", kind="imagefolder", path=str(tmp_path), label_from="folders")


def test_missing_and_empty_folders_are_named(tmp_path):
    for kind in ("imagefolder", "cue_conflict"):
        with pytest.raises(ShapebiasError, match="absent does not exist; unpack"):
            build("datasets", kind=kind, path=str(tmp_path / "absent"))
        with pytest.raises(ShapebiasError, match="holds no class folders"):
            len(build("datasets", kind=kind, path=str(tmp_path)))
    (tmp_path / "cat").mkdir()
    with pytest.raises(ShapebiasError, match=r"cat holds no image"):
        len(imagefolder.build(path=str(tmp_path)))


def test_cue_conflict_names(tmp_path):
    put(tmp_path, "cat/cat10-clock2.png")
    put(tmp_path, "cat/cat1-cat3.png")
    rows = list(cue_conflict.build(path=str(tmp_path)).rows(0, 1))
    cues = [(row["shape"], row["texture"], row["label"]) for row in rows]
    assert cues == [("cat", "cat", "cat"), ("cat", "clock", "cat")]


def test_cue_conflict_among_the_classes_that_a_network_knows(tmp_path):
    for name in ("cat/cat1-boat2", "boat/boat1-cat1", "boat/boat1-clock1", "clock/clock1-cat1"):
        put(tmp_path, f"{name}.png")
    some = {"boat": "ship", "cat": "cat"}
    rows = list(cue_conflict.build(path=str(tmp_path), classes=some).rows(0, 1))
    cues = [(row["shape"], row["texture"], row["label"]) for row in rows]
    assert cues == [("ship", "cat", "ship"), ("cat", "ship", "cat")]
    with pytest.raises(ShapebiasError, match="did you mean 'boat'"):
        len(cue_conflict.build(path=str(tmp_path), classes={"boats": "ship"}))


@pytest.mark.parametrize("name", ["cat/dog1-clock2.png", "cat/cat1.png", "cat/cat-clock2.png"])
def test_a_misnamed_stimulus_is_named(tmp_path, name):
    put(tmp_path, name)
    with pytest.raises(ShapebiasError, match=r"is not named <shape>/<shape><n>-<texture><m>"):
        list(cue_conflict.build(path=str(tmp_path)).rows(0, 1))


@pytest.fixture(scope="session")
def unpacked(shared_data, tmp_path_factory):
    def unpack(name):
        folder = tmp_path_factory.mktemp(name)
        command = [sys.executable, str(shared_data / "unpack.py"), name, str(folder)]
        subprocess.run(command, check=True)
        return folder

    return unpack


def test_the_207_photos(unpacked):
    source = imagefolder.build(
        path=str(unpacked("imagenet-16class-photos")), label_from="filename_prefix"
    )
    rows = list(source.rows(0, 1))
    assert len({row["label"] for row in rows}) == len(source) == 207
    assert len({row["coarse"] for row in rows}) == 16
    pixels = decode(rows[0]["image"], resize=256, crop=224)
    assert torch.from_numpy(pixels).shape == (224, 224, 3)


def test_the_published_stimuli(unpacked):
    source = cue_conflict.build(path=str(unpacked("cue-conflict")))
    assert len(source) == 1280
    cues = [cue_conflict.cues_of(file) for file in source.files]
    assert sum(shape != texture for shape, texture in cues) == 1200
    assert len({texture for _, texture in cues}) == 16
    row = next(source.rows(7, 1280))
    assert decode(row["image"]).shape == (224, 224, 3)
