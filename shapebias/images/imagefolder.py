"""Photos in one folder a class, the layout of ImageNet and of most image sets."""

from collections.abc import Iterator
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Literal

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.image_files import check_folder, class_files, image_row, slice_of
from shapebias.plugins import FilePath

LABELS = ("folder", "filename_prefix")


def build(
    *,
    path: FilePath,
    label_from: Literal["folder", "filename_prefix"] = "folder",
    most_per_class: int | None = None,
) -> "ImageFolder":
    """Images in the class folders of a folder.

    Parameters
    ----------
    path
        Folder that holds one folder a class.
    label_from
        "folder": the label is the class folder's name. "filename_prefix": it is the file's name
        up to the first underscore (n01440764 of n01440764_10026.JPEG), and the folder's name is
        the entry-level class, `coarse`.
    most_per_class
        Images taken of each folder, the first by name; None takes all of them.

    Raises
    ------
    ShapebiasError
        If the folder does not exist, `label_from` is neither, or no image would be taken.
    """
    if label_from not in LABELS:
        raise UnknownName("label_from of images/imagefolder", label_from, LABELS)
    if most_per_class is not None and most_per_class < 1:
        raise ShapebiasError(f"images/imagefolder: most_per_class is below 1: {most_per_class}")
    check_folder(Path(path))
    return ImageFolder(Path(path), label_from=label_from, most_per_class=most_per_class)


class ImageFolder:
    """Rows of the images in class folders; see `build`."""

    def __init__(self, folder: Path, *, label_from: str, most_per_class: int | None):
        self.folder, self.label_from = folder, label_from
        self.most_per_class = most_per_class

    @cached_property
    def files(self) -> list[str]:
        """Image files `<class>/<name>`, sorted by class and name."""
        by_class = groupby(class_files(self.folder), key=lambda name: name.partition("/")[0])
        return [name for _, names in by_class for name in islice(names, self.most_per_class)]

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, part: int, parts: int) -> Iterator[dict]:
        """Rows of one contiguous part (from 0) of the images, with the files' own bytes."""
        for name in slice_of(self.files, part, parts):
            yield {**image_row(self.folder, name), **self._labels(name)}

    def _labels(self, name: str) -> dict[str, str]:
        folder, _, file = name.partition("/")
        if self.label_from == "folder":
            return {"label": folder}
        prefix, underscore, _ = file.partition("_")
        if not (prefix and underscore):
            raise ShapebiasError(
                f"{self.folder / name} has no label before an underscore in its name"
            )
        return {"label": prefix, "coarse": folder}
