import struct
import zlib

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import decode, encode_png
from shapebias.io.image_sets import ResizeCrop, read_columns, read_rows, rejected_in
from shapebias.io.tables import read_table, write_table
from shapebias.plugins import build
from shapebias.stimuli.ingest import ingest_images, rejected_images
from tests.helpers.dataset_layouts import file_of, picture, put

FLAT = Image.new("RGB", (60, 40), (200, 30, 60))


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return file_of(picture(), exif=exif)


def cmyk():
    return file_of(FLAT.convert("CMYK"), "JPEG", quality=95)


def mpo():
    """A camera's photo with its preview behind it."""
    small = Image.new("RGB", (6, 4))
    return file_of(FLAT, "MPO", save_all=True, append_images=[small], quality=95)


GOOD = {
    "grey.jpg": (lambda: file_of(picture()[..., 0], "JPEG"), (40, 60)),
    "cmyk.jpg": (cmyk, (40, 60)),
    "camera.jpg": (mpo, (40, 60)),
    "turned.png": (turned, (60, 40)),
    "sixteen.png": (lambda: file_of(picture()[..., 0].astype(np.uint16) * 257), (40, 60)),
    "palette.gif": (lambda: file_of(FLAT, "GIF"), (40, 60)),
    "alpha.webp": (lambda: file_of(FLAT.convert("RGBA"), "WEBP"), (40, 60)),
    "bilevel.tif": (lambda: file_of(FLAT.convert("1"), "TIFF"), (40, 60)),
}


def frames(kind):
    return file_of(FLAT, kind, save_all=True, append_images=[Image.new("RGB", FLAT.size)])


def bomb():
    """A PNG file of 200 bytes that claims to be a hundred thousand pixels wide and high."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def postscript():
    """A file that Pillow would hand to Ghostscript, an interpreter, by its content."""
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) show\n"


BAD = {
    "empty.jpg": (lambda: b"", "none of JPEG"),
    "text.jpg": (lambda: b"<html>not found</html>", "none of JPEG"),
    "cut.jpg": (lambda: file_of(picture(), "JPEG")[:900], "cut short"),
    "cut.png": (lambda: file_of(picture())[:900], "cut short"),
    "animated.gif": (lambda: frames("GIF"), "2 frames or pages"),
    "animated.png": (lambda: frames("PNG"), "2 frames or pages"),
    "animated.webp": (lambda: frames("WEBP"), "2 frames or pages"),
    "pages.tif": (lambda: frames("TIFF"), "2 frames or pages"),
    "float.tif": (lambda: file_of(np.ones((9, 9), np.float32), "TIFF"), "floating-point"),
    "bomb.png": (bomb, "exceeds limit"),
    "program.jpg": (postscript, "none of JPEG"),
}


def folder_of(tmp_path, files):
    for name, (make, _) in files.items():
        put(tmp_path / "photos", f"a/{name}", make())
    return build("datasets", kind="imagefolder", path=str(tmp_path / "photos"))


def ingest(source, tmp_path, **settings):
    path = tmp_path / "part-0.parquet"
    settings = {"part": 0, "parts": 1, "sizing": ResizeCrop(), **settings}
    return ingest_images(source, path, **settings), path


def test_odd_images_are_stored_as_they_are_and_read_right(tmp_path):
    source = folder_of(tmp_path, GOOD)
    counts, path = ingest(source, tmp_path)
    assert counts == (len(GOOD), 0) and rejected_in(path) == []
    stored = read_columns(path, ["image_id", "image"])
    for name, image in zip(stored["image_id"], stored["image"], strict=True):
        assert image["bytes"] == (tmp_path / "photos" / name).read_bytes()
    pixels = {row["image_id"].partition("/")[2]: row["pixels"] for row in read_rows([path])}
    assert {name: found.shape[:2] for name, found in pixels.items()} == {
        name: shape for name, (_, shape) in GOOD.items()
    }
    for name in ("cmyk.jpg", "camera.jpg", "alpha.webp", "palette.gif"):
        assert np.abs(pixels[name].astype(int) - [200, 30, 60]).max() <= 5, name
    assert np.array_equal(pixels["sixteen.png"][..., 1], picture()[..., 0])
    assert np.array_equal(pixels["turned.png"], np.rot90(picture(), -1))


def test_bad_images_are_refused_by_name(tmp_path, capsys):
    source = folder_of(tmp_path, {**GOOD, **BAD})
    (stored, refused), path = ingest(source, tmp_path, max_rejected=1.0)
    assert (stored, refused) == (len(GOOD), len(BAD))
    table = rejected_images({"photos": [path]})
    assert table["image_id"].tolist() == sorted(f"a/{name}" for name in BAD)
    reasons = dict(zip(table["image_id"], table["reason"], strict=True))
    log = capsys.readouterr().out
    for name, (_, reason) in BAD.items():
        assert reason in reasons[f"a/{name}"] and "\n" not in reasons[f"a/{name}"], name
        assert f"rejected a/{name}: " in log
    assert f"stored {len(GOOD)} images, rejected {len(BAD)}" in log


def test_the_table_of_refused_images_is_the_same_each_time(tmp_path):
    source = folder_of(tmp_path, BAD)
    tables = []
    for run in ("one", "two"):
        _, path = ingest(source, tmp_path / run, max_rejected=1.0)
        write_table(rejected_images({"a": [path]}), tmp_path / run / "t.parquet", schema="rejected")
        tables.append((tmp_path / run / "t.parquet").read_bytes())
    assert tables[0] == tables[1]
    assert "0x" not in " ".join(read_table(tmp_path / "one/t.parquet")["reason"])


def test_no_image_set_has_refused_any(tmp_path):
    _, path = ingest(folder_of(tmp_path, GOOD), tmp_path)
    write_table(rejected_images({"a": [path]}), tmp_path / "t.csv", schema="rejected")
    assert pd.read_csv(tmp_path / "t.csv").columns.tolist() == ["image_set", "image_id", "reason"]
    write_table(rejected_images({}), tmp_path / "t.parquet", schema="rejected")


@pytest.mark.parametrize("setting", [{}, {"max_rejected": 0.0}, {"max_rejected": 0.1}])
def test_one_bad_image_of_a_few_stops_and_leaves_no_file(tmp_path, setting):
    source = folder_of(tmp_path, {**GOOD, "cut.jpg": BAD["cut.jpg"]})
    with pytest.raises(ShapebiasError, match=r"^a/cut\.jpg: not a readable image") as error:
        ingest(source, tmp_path, **setting)
    assert "\n" not in str(error.value) and "max_rejected" in str(error.value)
    assert [one.name for one in tmp_path.iterdir()] == ["photos"]


def test_one_bad_image_of_a_hundred_is_a_line_in_a_table(tmp_path):
    data = encode_png(picture(0, 4, 4))
    for number in range(99):
        put(tmp_path / "photos", f"a/{number:02d}.png", data)
    source = folder_of(tmp_path, {"cut.jpg": BAD["cut.jpg"]})
    assert ingest(source, tmp_path)[0] == (99, 1)
    put(tmp_path / "photos", "a/00.png", b"")
    with pytest.raises(
        ShapebiasError, match=r"so far: 2 of the part's 100 images; `max_rejected` allows 1\.0%"
    ):
        ingest(build("datasets", kind="imagefolder", path=str(tmp_path / "photos")), tmp_path)


def test_an_image_too_small_for_the_crop_is_refused(tmp_path):
    source = folder_of(tmp_path, {"a.png": (lambda: encode_png(picture(0, 9, 9)), None), **GOOD})
    _, path = ingest(source, tmp_path, sizing=ResizeCrop(crop=30), max_rejected=0.5)
    assert rejected_in(path) == [
        ("a/a.png", "9×9 pixels are too few for a crop of 30; crop less, or set a larger `resize`")
    ]
    assert {row["pixels"].shape for row in read_rows([path])} == {(30, 30, 3)}


def test_an_image_too_thin_to_be_resized_is_refused(tmp_path):
    thin = np.zeros((8000, 1, 3), np.uint8)
    source = folder_of(tmp_path, {"thin.png": (lambda: encode_png(thin), None), **GOOD})
    _, path = ingest(source, tmp_path, sizing=ResizeCrop(256, 224), max_rejected=0.5)
    ((name, reason),) = rejected_in(path)
    assert name == "a/thin.png" and reason.startswith("the resized image would be 256×2048000")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    source = folder_of(tmp_path, GOOD)
    assert len(source) == len(GOOD)
    (tmp_path / "photos/a/grey.jpg").unlink()
    (tmp_path / "photos/a/grey.jpg").mkdir()
    _, path = ingest(source, tmp_path, max_rejected=0.5)
    assert rejected_in(path) == [("a/grey.jpg", "cannot be read: Is a directory")]


def test_a_name_that_is_no_text_is_escaped(tmp_path):
    put(tmp_path / "photos", "a/caf\udce9.png")
    source = build("datasets", kind="imagefolder", path=str(tmp_path / "photos"))
    _, path = ingest(source, tmp_path)
    assert list(read_columns(path, ["image_id"])["image_id"]) == ["a/caf\\udce9.png"]


class Short:
    """Source that lists more than it gives."""

    def __len__(self):
        return 4

    def rows(self, part, parts):
        for number in range(3):
            yield {"image_id": str(number), "image": encode_png(picture()), "path": None}


def test_counts_that_do_not_add_up_stop(tmp_path):
    with pytest.raises(ShapebiasError, match="lists 4 images in this part but returned 3"):
        ingest(Short(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_part_may_be_empty_where_the_source_is_not(tmp_path):
    source = folder_of(tmp_path, {"grey.jpg": GOOD["grey.jpg"]})
    assert [ingest(source, tmp_path, part=part, parts=2)[0] for part in (0, 1)] == [(0, 0), (1, 0)]


@pytest.mark.parametrize("parts", [1, 2, 5, 13])
def test_every_listed_image_is_stored_or_refused_whatever_the_parts(tmp_path, parts):
    source = folder_of(tmp_path, {**GOOD, **BAD})
    counts, ids = [], []
    for part in range(parts):
        count, path = ingest(source, tmp_path / str(part), part=part, parts=parts, max_rejected=1)
        counts.append(count)
        ids += list(read_columns(path, ["image_id"])["image_id"])
        ids += [image_id for image_id, _ in rejected_in(path)]
    assert sum(map(sum, counts)) == len(source)
    assert sorted(ids) == sorted(source.files)


def test_large_images_are_written_in_small_groups(tmp_path):
    data = file_of(picture(0, 1200, 1200), "BMP")
    for number in range(20):
        put(tmp_path / "photos", f"a/{number}.bmp", data)
    _, path = ingest(build("datasets", kind="imagefolder", path=str(tmp_path / "photos")), tmp_path)
    file = pq.ParquetFile(path)
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert sizes == [8, 8, 4]
    assert len(list(read_rows([path]))) == 20


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_whatever_is_wrong_with_a_file_the_error_is_ours(kind):
    whole = file_of(picture(0, 20, 30), kind)
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(400):
        data = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        for place in rng.integers(0, len(data), rng.integers(0, 9)):
            data[place] = rng.integers(256)
        try:
            outcomes.add(decode(bytes(data), name="x").ndim)
        except ShapebiasError as error:
            assert "\n" not in str(error) and str(error).startswith("x: ")
            outcomes.add("refused")
    assert "refused" in outcomes
