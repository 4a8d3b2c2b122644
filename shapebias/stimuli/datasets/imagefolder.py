"""Photos in one folder a class, the layout of ImageNet and of most image sets."""

from collections.abc import Iterator
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated, Literal

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import FilePath
from shapebias.ranges import Range
from shapebias.stimuli.image_folders import (
    Listing,
    check_folder,
    class_files,
    image_row,
    misplaced_row,
    slice_of,
)

LABELS = ("folder", "filename_prefix")


def build(
    *,
    path: FilePath,
    label_from: Literal["folder", "filename_prefix"] = "folder",
    max_per_class: Annotated[int, Range(ge=1)] | None = None,
) -> "ImageFolder":
    """Images in the class folders of a folder.

    Parameters
    ----------
    path
        Folder that holds one folder a class, each read at any depth; an image's id is its path in
        the folder. Files .jpg, .jpeg, .jpe, .jfif, .png, .webp, .bmp, .gif, .tif, .tiff, .ppm,
        .pgm, .pbm and .pnm are read. Refused by name are other files, animations and stacks of
        pages, pixels that are floating-point or of more than 16 bits, damaged images, files in no
        class folder, and what is too large: beyond 89 million pixels (60 of a progressive JPEG, 45
        of a WebP) as it is or resized, or 128 MiB. Hidden files, lists, checksums, licences and
        archives are passed over, and counted in the log.
    label_from
        "folder": the label is the class folder's name. "filename_prefix": it is the file's name
        up to the first underscore (n01440764 of n01440764_10026.JPEG), and the folder's name is
        the entry-level class, `coarse`.
    max_per_class
        Images taken of each folder, the first by name; None takes all of them.

    Raises
    ------
    ShapebiasError
        If the folder does not exist, `label_from` is neither, or no image would be taken.
    """
    if label_from not in LABELS:
        raise UnknownName("label_from of datasets/imagefolder", label_from, LABELS)
    check_folder(Path(path))
    return ImageFolder(Path(path), label_from=label_from, max_per_class=max_per_class)


class ImageFolder:
    """Rows of the images in class folders; see `build`."""

    def __init__(self, folder: Path, *, label_from: str, max_per_class: int | None):
        self.folder, self.label_from = folder, label_from
        self.max_per_class = max_per_class

    @cached_property
    def listing(self) -> Listing:
        """Files `<class>/.../<name>`, sorted by class and name."""
        return class_files(self.folder)

    @cached_property
    def files(self) -> list[str]:
        """Files that are stored or refused by name."""
        by_class = groupby(self.listing.files, key=lambda name: name.partition("/")[0])
        return [name for _, names in by_class for name in islice(names, self.max_per_class)]

    def remarks(self) -> list[str]:
        """What the log says of other files."""
        return self.listing.remarks()

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, part: int, parts: int) -> Iterator[dict]:
        """Rows of one contiguous part (from 0) of the images, with the files' own bytes."""
        for name in slice_of(self.files, part, parts):
            if "/" not in name:
                yield misplaced_row(name, "lies in no class's folder; move it there or remove it")
                continue
            row = image_row(self.folder, name)
            yield row if row["image"] is None else {**row, **self._labels(name)}

    def _labels(self, name: str) -> dict[str, str]:
        folder, file = name.partition("/")[0], name.rpartition("/")[2]
        if self.label_from == "folder":
            return {"label": folder}
        prefix, underscore, _ = file.partition("_")
        if not (prefix and underscore):
            raise ShapebiasError(
                f"{self.folder / name} has no label before an underscore in its name"
            )
        return {"label": prefix, "coarse": folder}
