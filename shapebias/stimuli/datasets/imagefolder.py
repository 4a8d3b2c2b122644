"""Photos in one folder per class, the arrangement of ImageNet and of most image sets."""

from collections.abc import Iterator
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated, Any, Literal

from shapebias.errors import ShapebiasError
from shapebias.plugins import FilePath, plugin
from shapebias.ranges import Range
from shapebias.stimuli.image_folders import (
    Listing,
    check_folder,
    class_files,
    image_row,
    misplaced_row,
    slice_of,
)


@plugin
class ImageFolder:
    """Images in the class folders of a folder.

    Parameters
    ----------
    path
        Folder with one folder per class, each read at any depth; an image's id is its path in the
        folder. Files .jpg, .jpeg, .jpe, .jfif, .png, .webp, .bmp, .gif, .tif, .tiff, .ppm, .pgm,
        .pbm and .pnm are read. Rejected by name are other files, animations and multi-page images,
        floating-point pixels and pixels of more than 16 bits, damaged images, files outside of
        class folders, and images above 89 million pixels (60 for a progressive JPEG, 45 for a
        WebP), before or after resizing, or 128 MiB. Hidden files, lists, checksums, licences and
        archives are ignored; the log counts them.
    label_from
        "folder": the label is the class folder's name. "filename_prefix": it is the file's name
        up to the first underscore (n01440764 of n01440764_10026.JPEG), and the folder's name is
        the entry-level class, `coarse`.
    max_per_class
        Images taken from each folder, the first by name; None takes all.

    Raises
    ------
    ShapebiasError
        If the folder does not exist.
    """

    path: FilePath
    label_from: Literal["folder", "filename_prefix"] = "folder"
    max_per_class: Annotated[int, Range(ge=1)] | None = None

    def __post_init__(self):
        check_folder(self.folder)

    @property
    def folder(self) -> Path:
        """Folder of the class folders."""
        return Path(self.path)

    @cached_property
    def listing(self) -> Listing:
        """Files `<class>/.../<name>`, sorted by class and name."""
        return class_files(self.folder)

    @cached_property
    def files(self) -> list[str]:
        """Files that are stored or rejected by name."""
        by_class = groupby(self.listing.files, key=lambda name: name.partition("/")[0])
        return [name for _, names in by_class for name in islice(names, self.max_per_class)]

    def remarks(self) -> list[str]:
        """Lines for the log on other files."""
        return self.listing.remarks()

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the images, with the files' own bytes."""
        for name in slice_of(self.files, part, parts):
            if "/" not in name:
                yield misplaced_row(name, "is in no class folder; move it there or remove it")
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
