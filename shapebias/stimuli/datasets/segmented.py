"""Photos with a class for every pixel, as a concept set."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from shapebias.errors import ShapebiasError
from shapebias.plugins import FilePath
from shapebias.stimuli.datasets._label_files import labelled_row, numbers_in
from shapebias.stimuli.image_folders import (
    Listing,
    check_folder,
    files_below,
    image_row,
    readable,
    slice_of,
)


def build(
    *,
    path: FilePath,
    classes: list | None = None,
    unlabelled: list | None = None,
    category: str = "object",
    images: str = "images",
    labels: str = "labels",
) -> "Segmented":
    """Concept set of photos and label maps, as CamVid's or those of one's own.

    Parameters
    ----------
    path
        Folder of the two folders below.
    classes
        Names of the classes, in the order of the numbers in the label maps, from 0. None reads
        them from `classes.txt` in the folder, one a line.
    unlabelled
        Numbers in the label maps that label nothing, whether `classes` names them (a background)
        or not (255). An image with any other number is refused.
    category
        Category of all these concepts.
    images, labels
        Folders of the photos and of the label maps: PNG files of the photos' names, whose pixels
        are the numbers (grey levels or palette indices). They may be smaller than the photos.

    Raises
    ------
    ShapebiasError
        If a folder or the list of classes is missing, or the list is none.
    """
    folder = Path(path)
    check_folder(folder / images)
    check_folder(folder / labels)
    names = [str(name) for name in (classes if classes is not None else _listed(folder))]
    if not all(type(number) is int and 0 <= number < 2**16 for number in unlabelled or []):
        raise ShapebiasError(
            f"datasets/segmented: unlabelled {unlabelled} are no label numbers, as [0, 255] are"
        )
    ignored = set(unlabelled or [])
    if len(set(names)) < len(names) or not set(range(len(names))) - ignored:
        raise ShapebiasError(f"datasets/segmented: classes {names} need one different name each")
    return Segmented(
        folder, names=names, ignored=ignored, category=category, images=images, labels=labels
    )


class Segmented:
    """Rows of photos with one label map each; see `build`."""

    def __init__(
        self,
        folder: Path,
        *,
        names: Sequence[str],
        ignored: set[int],
        category: str,
        images: str,
        labels: str,
    ):
        self.folder, self.category = folder, category
        self.images, self.labels = images, labels
        # 0 means unlabelled in a concept set, so that concepts count from 1.
        self.concepts = [
            (number + 1, name, category)
            for number, name in enumerate(names)
            if number not in ignored
        ]
        self._known = {number - 1 for number, _, _ in self.concepts} | ignored
        self._number = np.zeros(2**16, np.uint16)
        for number, _, _ in self.concepts:
            self._number[number - 1] = number

    @cached_property
    def listing(self) -> Listing:
        """Photos' names relative to their folder, sorted."""
        return files_below(self.folder / self.images)

    @property
    def files(self) -> list[str]:
        """Photos that are stored or refused by name."""
        return self.listing.files

    def remarks(self) -> list[str]:
        """What the log says of other files, and of label maps whose photo is not there."""
        wanted = set(map(self._map_for, self.files))
        maps = [f"{self.labels}/{name}" for name in files_below(self.folder / self.labels).files]
        alone = [name for name in maps if name not in wanted]
        return self.listing.remarks() + (
            [f"{len(alone)} label maps have no photo: {readable(alone[0])} …"] if alone else []
        )

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, part: int, parts: int) -> Iterator[dict]:
        """Rows of one contiguous part (from 0) of the photos, with the files' own bytes."""
        for name in slice_of(self.files, part, parts):
            row = image_row(self.folder / self.images, name)
            yield labelled_row(row, lambda name=name: self._map_of(name))

    def _map_for(self, name: str) -> str:
        return f"{self.labels}/{PurePosixPath(name).with_suffix('.png')}"

    def _map_of(self, name: str) -> dict[str, list]:
        """The photo's label map, its numbers those of the concepts."""
        file = self._map_for(name)
        numbers = numbers_in(self.folder, file)
        unknown = set(np.unique(numbers).tolist()) - self._known
        if unknown:
            raise ShapebiasError(
                f"label map {file}: {min(unknown)} is neither a class nor among the unlabelled"
            )
        return {"maps": [(self.category, self._number[numbers])], "labels": []}


def _listed(folder: Path) -> list[str]:
    file = folder / "classes.txt"
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise ShapebiasError(
            f"cannot read the class list {file}: write one name a line, or set `classes`"
        ) from error
