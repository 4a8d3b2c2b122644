"""Photos of ImageNet, and of sets made from it, in one folder per synset."""

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from shapebias.errors import ShapebiasError
from shapebias.stimuli.entry_level_classes import imagenet_classes
from shapebias.stimuli.image_folders import files_in_classes, folders_in, image_row, slice_of


class SynsetFolders:
    """Rows of photos in synset folders; the label is the synset, the image id the bare file name.

    An ImageNet file name is unique whatever its folder. So a photo has the same id in every
    arrangement of the photos and in every set made from them (ImageNet-C, Stylized-ImageNet), and
    a selection of images of one set holds for the others.

    Parameters
    ----------
    folder
        Folder of the synset folders.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def files(self) -> list[str]:
        """File names relative to the folder, sorted by image id.

        Raises
        ------
        ShapebiasError
            If a folder is not one of ImageNet's 1,000 synsets, or two files share a bare name.
        """
        files = sorted(self.listing(), key=id_of)
        for name, next_name in pairwise(files):
            if id_of(name) == id_of(next_name):
                raise ShapebiasError(
                    f"{self.folder}: {name} and {next_name} have one name; remove one of them"
                )
        return files

    def listing(self) -> list[str]:
        """File names in any order."""
        unknown = sorted(set(folders_in(self.folder)).difference(imagenet_classes()))
        if unknown:
            raise ShapebiasError(
                f"{self.folder / unknown[0]} is none of ImageNet's 1,000 synsets, which are named "
                "like n01440764; remove the folder, or read the images as an imagefolder"
            )
        return files_in_classes(self.folder).files

    def synset_of(self, name: str) -> str:
        """Label of a file."""
        return name.partition("/")[0]

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the images, with the files' own bytes."""
        for name in slice_of(self.files, part, parts):
            row = image_row(self.folder, name, image_id=id_of(name))
            yield {**row, "label": self.synset_of(name)}


class SynsetSource:
    """Base of plug-ins whose photos are in synset folders; members define `photos`."""

    def __post_init__(self):
        # A missing folder is reported when the source is built.
        _ = self.photos

    @cached_property
    def photos(self) -> SynsetFolders:
        """The photos that the settings name."""
        raise AssertionError("members define `photos`")

    @property
    def folder(self) -> Path:
        """Folder of the photos."""
        return self.photos.folder

    def __len__(self) -> int:
        return len(self.photos)

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the photos, with the files' own bytes."""
        return self.photos.rows(part, parts)


def id_of(name: str) -> str:
    """Image id of a file: its name without folder and suffix."""
    return PurePosixPath(name).stem
