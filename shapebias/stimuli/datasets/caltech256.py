"""Caltech-256: photos of 256 objects and clutter, split as in Zhang & Zhu."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import FilePath
from shapebias.ranges import Range
from shapebias.seeds import generator_of
from shapebias.stimuli.image_folders import check_folder, folders_in, image_row, images_in, slice_of

SPLITS = ("train", "test")


def build(
    *,
    path: FilePath,
    split: Literal["train", "test"],
    seed: int,
    test_share: Annotated[float, Range(gt=0, lt=1)] = 0.2,
    clutter: bool = True,
) -> "Caltech256":
    """Photos of Caltech-256; the label is the folder's name without its number (ak47 of 001.ak47).

    The set has no split of its own. A fifth of each class's photos, drawn with the seed, is the
    test split here, as Zhang & Zhu drew theirs [1]_.

    Parameters
    ----------
    path
        The unpacked folder 256_ObjectCategories, with folders `<number>.<name>/`.
    split
        "train" or "test".
    seed
        Of the split; training and test images need the same.
    test_share
        Share of each class's photos in the test split, in (0, 1).
    clutter
        Whether 257.clutter counts as a class.

    Raises
    ------
    ShapebiasError
        If the folder does not exist, or a setting is out of range.

    References
    ----------
    .. [1] Zhang & Zhu (2019). Interpreting adversarially trained convolutional neural networks.
       ICML. :DOI:`10.48550/arXiv.1905.09797`
    .. [2] Griffin, Holub & Perona (2007). Caltech-256 object category dataset.
       :DOI:`10.22002/D1.20087`
    """
    if split not in SPLITS:
        raise UnknownName("split of images/caltech256", split, SPLITS)
    check_folder(Path(path))
    return Caltech256(Path(path), split=split, seed=seed, test_share=test_share, clutter=clutter)


class Caltech256:
    """Rows of one split; see `build`."""

    def __init__(self, folder: Path, *, split: str, seed: int, test_share: float, clutter: bool):
        self.folder, self.split, self.seed = folder, split, seed
        self.test_share, self.clutter = test_share, clutter

    @cached_property
    def files(self) -> list[str]:
        """The split's photos `<number>.<name>/<file>`, sorted by class and name."""
        classes = [one for one in folders_in(self.folder) if self.clutter or "clutter" not in one]
        check_classes(self.folder, classes)
        return [f"{one}/{file}" for one in classes for file in self._of_class(one)]

    def _of_class(self, folder: str) -> list[str]:
        """The photos of a class that are in the split; adding a class moves none of another."""
        files = images_in(self.folder / folder)
        order = generator_of("caltech256", self.seed, folder).permutation(len(files))
        tested = set(order[: round(self.test_share * len(files))].tolist())
        wanted = self.split == "test"
        return [file for number, file in enumerate(files) if (number in tested) == wanted]

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, part: int, parts: int) -> Iterator[dict]:
        """Rows of one contiguous part (from 0) of the split, with the files' own bytes."""
        for name in slice_of(self.files, part, parts):
            yield {**image_row(self.folder, name), "label": class_of(name.partition("/")[0])}


def check_classes(folder: Path, classes: list[str]) -> None:
    """Raise `ShapebiasError` unless every class folder has a number and a name of its own."""
    seen: dict[str, str] = {}
    for one in classes:
        number, dot, name = one.partition(".")
        if not (number.isdecimal() and dot and name):
            raise ShapebiasError(f"{folder / one} is not named <number>.<name>, as 001.ak47 is")
        if name in seen:
            raise ShapebiasError(f"{folder}: {seen[name]} and {one} are one class by their names")
        seen[name] = one
    if not classes:
        raise ShapebiasError(f"{folder} holds no class folders, as 001.ak47")


def class_of(folder: str) -> str:
    """Class of a folder: its name without the number."""
    return folder.partition(".")[2]
