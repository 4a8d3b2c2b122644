"""Traced outlines, compared with the potrace command on photos and between the two packages."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import decode
from shapebias.plugins import build
from shapebias.stimuli.image_ops import potrace

SETTINGS = {"turdsize": 2, "alphamax": 1.0, "opttolerance": 0.2}
NUMBERS = {"m": 1, "l": 1, "c": 3}


@pytest.fixture(scope="module")
def photos(shared_data):
    """Twelve photos, resized and cropped to the size of the study's images."""
    archives = sorted((shared_data / "imagenette-sample").glob("*.zip"))
    if not archives:
        pytest.skip("no photos beside the checkout (../shared/data/imagenette-sample)")
    with zipfile.ZipFile(archives[0]) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".JPEG"))
        names = names[:: len(names) // 12][:12]
        return [decode(archive.read(name), resize=256, crop=224) for name in names]


def outlines_of(svg: str) -> list[list[tuple[str, tuple[int, ...]]]]:
    """Closed outlines of an SVG's paths: letters and absolute points, in tenths of a pixel."""
    outlines = []
    for path in re.findall(r'\sd="([^"]*)"', svg):
        here = start = np.zeros(2, int)
        letter, numbers = "", []
        for token in re.findall(r"[a-zA-Z]|-?\d+", path):
            if token.isalpha():
                letter = token
                if token in "zZ":
                    here = start
                continue
            numbers.append(int(token))
            if len(numbers) < 2 * NUMBERS[letter.lower()]:
                continue
            points = np.array(numbers).reshape(-1, 2) + (here if letter.islower() else 0)
            here, numbers = points[-1], []
            if letter in "mM":
                start = here
                outlines.append([("M", tuple(start))])
                letter = "l" if letter == "m" else "L"
            else:
                outlines[-1].append((letter.upper(), tuple(points.ravel())))
    return outlines


def svg_of_command(black: np.ndarray) -> str:
    rows, columns = black.shape
    bitmap = f"P4\n{columns} {rows}\n".encode() + np.packbits(black, axis=1).tobytes()
    command = ["potrace", "--svg", "--output", "-", "-"]
    return subprocess.run(command, input=bitmap, capture_output=True, check=True).stdout.decode()


@pytest.mark.skipif(not shutil.which("potrace"), reason="the command potrace is not installed")
@pytest.mark.skipif(potrace.find_tracer().name != "pypotrace", reason="pypotrace not installed")
def test_outlines_of_photos_equal_those_of_the_potrace_command(photos):
    transform = build("transforms", kind="black_and_white")
    number = 0
    for pixels in photos:
        black = transform.binarise(pixels)
        outlines = outlines_of(transform.trace(black))
        assert sorted(outlines) == sorted(outlines_of(svg_of_command(black)))
        number += len(outlines)
    assert number > 20 * len(photos)


def test_the_tracing_package_is_recorded():
    _, drawn = build("transforms", kind="black_and_white")(np.zeros((9, 9, 3), np.uint8))
    assert drawn["tracer"] == potrace.find_tracer().name
    assert drawn["tracer"] in ("pypotrace", "potracer")


@pytest.fixture(scope="module")
def potracer():
    """The pure-Python package, imported under another name than pypotrace."""
    folder = os.environ.get("POTRACER")
    if not folder:
        pytest.skip(
            "potracer has the same module name as pypotrace: install it in a separate folder"
            " (pip install --no-deps --target) and set POTRACER to that folder"
        )
    package = Path(folder) / "potrace"
    spec = importlib.util.spec_from_file_location(
        "potracer_alone", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["potracer_alone"] = module
    spec.loader.exec_module(module)
    yield potrace.Potracer(module)
    del sys.modules["potracer_alone"]


def drawn_by(tracer, black, monkeypatch):
    monkeypatch.setattr("shapebias.stimuli.transforms.black_and_white.find_tracer", lambda: tracer)
    pixels = np.where(black, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    return build("transforms", kind="black_and_white")(pixels)


@pytest.mark.skipif(potrace.find_tracer().name != "pypotrace", reason="pypotrace not installed")
@pytest.mark.parametrize("seed", range(3))
def test_the_two_packages_draw_the_same(potracer, seed, monkeypatch):
    smooth = gaussian_filter(np.random.default_rng(seed).standard_normal((60, 80)), 3)
    by_pypotrace, _ = drawn_by(potrace.find_tracer(), smooth > 0, monkeypatch)
    by_potracer, drawn = drawn_by(potracer, smooth > 0, monkeypatch)
    assert drawn["tracer"] == "potracer"
    difference = np.abs(by_pypotrace.astype(int) - by_potracer)
    assert (difference > 40).mean() < 0.005 and difference.mean() < 0.5
    assert 0.2 < (by_potracer < 128).mean() < 0.8


class Missing:
    """Importer that fails for modules of some names."""

    def __init__(self, *names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.fixture
def without(monkeypatch):
    """Function that hides modules from new imports of the tracer."""

    def hide(*names):
        for name in [name for name in sys.modules if name.split(".")[0] == "potrace"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [Missing(*names), *sys.meta_path])
        potrace.find_tracer.cache_clear()

    yield hide
    monkeypatch.undo()
    potrace.find_tracer.cache_clear()


def test_the_error_without_a_package_names_both(without):
    without("potrace")
    with pytest.raises(ShapebiasError, match=r"^[^\n]*pip install pypotrace[^\n]*potracer[^\n]*$"):
        potrace.find_tracer()


def test_potracer_is_used_where_pypotrace_is_not_installed(without, tmp_path, monkeypatch):
    (tmp_path / "potrace").mkdir()
    (tmp_path / "potrace" / "__init__.py").write_text("class Bitmap: ...")
    without()
    monkeypatch.syspath_prepend(tmp_path)
    assert potrace.find_tracer().name == "potracer"


@pytest.mark.parametrize(
    ("text", "error"),
    [("import no_such_module", ModuleNotFoundError), ("raise ImportError('libpotrace.so')", None)],
)
def test_an_error_inside_a_package_is_not_hidden(without, tmp_path, monkeypatch, text, error):
    (tmp_path / "potrace").mkdir()
    (tmp_path / "potrace" / "__init__.py").write_text("from potrace._potrace import *")
    (tmp_path / "potrace" / "_potrace.py").write_text(text)
    without()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(error or ImportError, match=r"no_such_module|libpotrace\.so"):
        potrace.find_tracer()
