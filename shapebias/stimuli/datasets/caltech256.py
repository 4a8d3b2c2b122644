"""Caltech-256: photos of 256 objects and clutter, split as in Zhang & Zhu."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from shapebias.errors import ShapebiasError
from shapebias.plugins import FilePath, plugin
from shapebias.ranges import Range
from shapebias.seeds import generator_of
from shapebias.stimuli.image_folders import check_folder, folders_in, image_row, images_in, slice_of


@plugin
class Caltech256:
    """Photos of Caltech-256; the label is the folder's name without its number (ak47 of 001.ak47).

    The set has no published split. A fifth of each class's photos, drawn with the seed, is the
    test split here, as in Zhang & Zhu [1]_.

    Parameters
    ----------
    path
        The unpacked folder 256_ObjectCategories, with folders `<number>.<name>/`.
    split
        "train" or "test".
    seed
        Of the split; training and test images need the same.
    test_share
        Share of each class's photos in the test split.
    clutter
        Whether 257.clutter counts as a class.

    Raises
    ------
    ShapebiasError
        If the folder does not exist.

    References
    ----------
    .. [1] Zhang & Zhu (2019). Interpreting adversarially trained convolutional neural networks.
       ICML. :DOI:`10.48550/arXiv.1905.09797`
    .. [2] Griffin, Holub & Perona (2007). Caltech-256 object category dataset.
       :DOI:`10.22002/D1.20087`
    """

    path: FilePath
    split: Literal["train", "test"]
    seed: int
    test_share: Annotated[float, Range(gt=0, lt=1)] = 0.2
    clutter: bool = True

    def __post_init__(self):
        check_folder(self.folder)

    @property
    def folder(self) -> Path:
        """Folder of the class folders."""
        return Path(self.path)

    @cached_property
    def files(self) -> list[str]:
        """The split's photos `<number>.<name>/<file>`, sorted by class and name."""
        folders = folders_in(self.folder)
        classes = [name for name in folders if self.clutter or "clutter" not in name]
        check_classes(self.folder, classes)
        return [f"{name}/{file}" for name in classes for file in self._of_class(name)]

    def _of_class(self, folder: str) -> list[str]:
        """Photos of a class in the split; they do not depend on the other classes."""
        files = images_in(self.folder / folder)
        order = generator_of("caltech256", self.seed, folder).permutation(len(files))
        test = set(order[: round(self.test_share * len(files))].tolist())
        is_test = self.split == "test"
        return [file for number, file in enumerate(files) if (number in test) == is_test]

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the split, with the files' own bytes."""
        for name in slice_of(self.files, part, parts):
            yield {**image_row(self.folder, name), "label": class_of(name.partition("/")[0])}


def check_classes(folder: Path, classes: list[str]) -> None:
    """Raise `ShapebiasError` unless every class folder has a number and a name of its own."""
    folder_of: dict[str, str] = {}
    for class_folder in classes:
        number, dot, name = class_folder.partition(".")
        if not (number.isdecimal() and dot and name):
            raise ShapebiasError(
                f"{folder / class_folder} is not named <number>.<name>, as 001.ak47 is"
            )
        if name in folder_of:
            raise ShapebiasError(
                f"{folder}: {folder_of[name]} and {class_folder} are one class by their names"
            )
        folder_of[name] = class_folder
    if not classes:
        raise ShapebiasError(f"{folder} holds no class folders, as 001.ak47")


def class_of(folder: str) -> str:
    """Class of a folder: its name without the number."""
    return folder.partition(".")[2]
