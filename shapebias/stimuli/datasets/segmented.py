"""Photos with a class for every pixel, as a concept set."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt16

from shapebias.errors import ShapebiasError
from shapebias.plugins import FilePath, plugin
from shapebias.stimuli.datasets._label_files import labelled_row, numbers_in
from shapebias.stimuli.image_folders import (
    Listing,
    check_folder,
    files_below,
    image_row,
    readable,
    slice_of,
)


@plugin
class Segmented:
    """Concept set of photos with one label map each, such as CamVid.

    Parameters
    ----------
    path
        Folder of the two folders below.
    classes
        Names of the classes, in the order of the numbers in the label maps, from 0. None reads
        them from `classes.txt` in the folder, one per line.
    unlabelled
        Numbers in the label maps that mean no label, whether `classes` names them (a background)
        or not (255). An image with any other number is rejected.
    category
        Category of all these concepts.
    images, labels
        Folders of the photos and of the label maps: PNG files with the photos' names, whose pixels
        are the numbers (grey levels or palette indices). They may be smaller than the photos.

    Raises
    ------
    ShapebiasError
        If a folder or the list of classes is missing, or the list is invalid.
    """

    path: FilePath
    classes: list | None = None
    unlabelled: list | None = None
    category: str = "object"
    images: str = "images"
    labels: str = "labels"

    def __post_init__(self):
        check_folder(self.folder / self.images)
        check_folder(self.folder / self.labels)
        for number in self.unlabelled or []:
            if type(number) is not int or not 0 <= number < 2**16:
                raise ShapebiasError(
                    f"datasets/segmented: unlabelled {self.unlabelled} are not label numbers, as "
                    "[0, 255] are"
                )
        if len(set(self.names)) < len(self.names) or not self.concepts:
            raise ShapebiasError(
                f"datasets/segmented: classes {self.names} need one different name each"
            )

    @property
    def folder(self) -> Path:
        """Folder of the photos' and the label maps' folders."""
        return Path(self.path)

    @cached_property
    def names(self) -> list[str]:
        """Names of the classes."""
        names = self.classes if self.classes is not None else _names_in_file(self.folder)
        return [str(name) for name in names]

    @cached_property
    def concepts(self) -> list[tuple[int, str, str]]:
        """Number, name and category of each concept; 0 means unlabelled, so they count from 1."""
        return [
            (number + 1, name, self.category)
            for number, name in enumerate(self.names)
            if number not in (self.unlabelled or [])
        ]

    @cached_property
    def listing(self) -> Listing:
        """Photos' names relative to their folder, sorted."""
        return files_below(self.folder / self.images)

    @property
    def files(self) -> list[str]:
        """Photos that are stored or rejected by name."""
        return self.listing.files

    def remarks(self) -> list[str]:
        """Lines for the log on other files and on label maps without a photo."""
        used = set(map(self._map_for, self.files))
        maps = [f"{self.labels}/{name}" for name in files_below(self.folder / self.labels).files]
        unused = [name for name in maps if name not in used]
        return self.listing.remarks() + (
            [f"{len(unused)} label maps have no photo: {readable(unused[0])} …"] if unused else []
        )

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the photos, with the files' own bytes."""
        for name in slice_of(self.files, part, parts):
            row = image_row(self.folder / self.images, name)
            yield labelled_row(row, lambda name=name: self._map_of(name))

    def _map_for(self, name: str) -> str:
        return f"{self.labels}/{PurePosixPath(name).with_suffix('.png')}"

    def _map_of(self, name: str) -> dict[str, list]:
        """The photo's label map, with the numbers of the concepts."""
        file = self._map_for(name)
        numbers = numbers_in(self.folder, file)
        known = {number - 1 for number, _, _ in self.concepts} | set(self.unlabelled or [])
        unknown = set(np.unique(numbers).tolist()) - known
        if unknown:
            raise ShapebiasError(
                f"label map {file}: {min(unknown)} is neither a class nor among the unlabelled"
            )
        return {"maps": [(self.category, self._concept_of[numbers])], "labels": []}

    @cached_property
    def _concept_of(self) -> UInt16[np.ndarray, " number"]:
        """Concept of each number in a label map."""
        concept_of = np.zeros(2**16, np.uint16)
        for number, _, _ in self.concepts:
            concept_of[number - 1] = number
        return concept_of


def _names_in_file(folder: Path) -> list[str]:
    file = folder / "classes.txt"
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise ShapebiasError(
            f"cannot read the class list {file}: write one name per line, or set `classes`"
        ) from error
