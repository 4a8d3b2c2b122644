"""Broden, the concept set of network dissection, as published."""

import csv
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import FilePath, plugin
from shapebias.stimuli.datasets._label_files import LabelMap, labelled_row, numbers_in_red_and_green
from shapebias.stimuli.image_folders import check_folder, image_row, slice_of


class Listed(NamedTuple):
    """One line of the index: image, size of its label maps, and the cell of each category."""

    image: str
    rows: int
    columns: int
    cells: tuple[str, ...]


@plugin
class Broden:
    """Images of Broden with their label maps and whole-image labels.

    Parameters
    ----------
    path
        Folder of an unpacked archive (broden1_224) with `index.csv`, `label.csv`, `category.csv`,
        a `c_<category>.csv` per category, and `images/`.
    categories
        Categories to use, of color, object, part, material, scene and texture; None for all.
        Images without any label in them are dropped.
    split
        Value of the index's column `split`: "train" or "val". None for all images.

    Raises
    ------
    ShapebiasError
        If a file is missing or damaged, or does not contain a name.

    References
    ----------
    .. [1] Bau et al. (2017). Network dissection: quantifying interpretability of deep visual
       representations. CVPR. :DOI:`10.1109/CVPR.2017.354`
    """

    path: FilePath
    categories: list | None = None
    split: str | None = None

    def __post_init__(self):
        check_folder(self.folder)
        _ = self.used_categories

    @property
    def folder(self) -> Path:
        """Folder of the archive."""
        return Path(self.path)

    @cached_property
    def used_categories(self) -> list[str]:
        """Categories of the index that are used, in its order."""
        known = [row["name"] for row in _table(self.folder / "category.csv", ["name"])]
        for category in self.categories or []:
            if category not in known:
                raise UnknownName(f"category of {self.path}", category, known)
        return [name for name in known if self.categories is None or name in self.categories]

    @cached_property
    def concepts(self) -> list[tuple[int, str, str]]:
        """Number, name and primary category of every label in the used categories.

        The primary category is the one in which the label covers most pixels: a label can be an
        object in one image and a part in another.
        """
        covers: dict[int, dict[str, float]] = {}
        for category in self.used_categories:
            file = self.folder / f"c_{category}.csv"
            for row in _table(file, ["number", "coverage"]):
                coverage = _number(row["coverage"], file)
                covers.setdefault(int(_number(row["number"], file)), {})[category] = coverage
        file = self.folder / "label.csv"
        rows = _table(file, ["number", "name"])
        names = {int(_number(row["number"], file)): row["name"] for row in rows}
        for number in covers.keys() - names.keys():
            raise ShapebiasError(f"{file} does not name label {number}; download Broden again")
        return [
            (number, names[number], max(covers[number], key=covers[number].__getitem__))
            for number in sorted(covers)
        ]

    @cached_property
    def listed(self) -> list[Listed]:
        """Images of the split with a label in the used categories, in the index's order."""
        file = self.folder / "index.csv"
        lines, splits = [], set()
        for row in _table(file, ["image", "split", "sh", "sw", *self.used_categories]):
            splits.add(row["split"])
            cells = tuple(row[category] or "" for category in self.used_categories)
            if self.split in (None, row["split"]) and any(map(items_of, cells)):
                rows, columns = (int(_number(row[side], file)) for side in ("sh", "sw"))
                lines.append(Listed(row["image"], rows, columns, cells))
        if self.split is not None and self.split not in splits:
            raise UnknownName(f"split in {file}", self.split, splits)
        return lines

    def __len__(self) -> int:
        return len(self.listed)

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the images, with the files' own bytes."""
        images = self.folder / "images"
        for line in slice_of(self.listed, part, parts):
            yield labelled_row(image_row(images, line.image), lambda line=line: self._labels(line))

    def _labels(self, line: Listed) -> dict[str, list]:
        """Label maps and whole-image labels; within a category in the published order."""
        maps, labels = [], []
        for category, cell in zip(self.used_categories, line.cells, strict=True):
            for item in items_of(cell):
                if item.isdecimal():
                    labels.append((category, int(item)))
                else:
                    maps.append((category, self._map(item, line)))
        return {"maps": maps, "labels": labels}

    def _map(self, file: str, line: Listed) -> LabelMap:
        numbers = numbers_in_red_and_green(self.folder / "images", file)
        if numbers.shape != (line.rows, line.columns):
            raise ShapebiasError(
                f"label map {file}: {numbers.shape[1]}×{numbers.shape[0]} pixels, but "
                f"{line.columns}×{line.rows} by the index"
            )
        return numbers


def items_of(cell: str) -> list[str]:
    """Items of an index cell: numbers of whole-image labels and PNG file names; 0 means none."""
    return [item for item in cell.split(";") if item and item != "0"]


def _table(file: Path, columns: list[str]) -> Iterator[dict[str, str]]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            table = csv.DictReader(lines)
            for column in columns:
                if column not in (table.fieldnames or []):
                    raise UnknownName(f"column of {file}", column, table.fieldnames or [])
            yield from table
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ShapebiasError(f"cannot read {file} of Broden: {error}") from error


def _number(text: str, file: Path) -> float:
    try:
        return float(text)
    except (TypeError, ValueError) as error:
        raise ShapebiasError(f"{file}: {text!r} is not a number") from error
