"""Photos of ImageNet and of what was made from it, in one folder a synset."""

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath

from shapebias.errors import ShapebiasError
from shapebias.stimuli.entry_level_classes import imagenet_classes
from shapebias.stimuli.image_folders import files_in_classes, folders_in, image_row, slice_of


class SynsetFolders:
    """Rows of photos in synset folders, the label a synset and the image id the file's bare name.

    An ImageNet file name is unique whatever its folder. So a photo has one id however the photos
    are laid out, and the same one in every set that was made from it (ImageNet-C,
    Stylized-ImageNet): a selection of images of one set holds for the others.

    Parameters
    ----------
    folder
        Folder of the synset folders.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def files(self) -> list[str]:
        """Files' names relative to the folder, sorted by image id.

        Raises
        ------
        ShapebiasError
            If a folder is none of ImageNet's 1,000 synsets, or two files have one bare name.
        """
        files = sorted(self.listing(), key=id_of)
        for one, another in pairwise(files):
            if id_of(one) == id_of(another):
                raise ShapebiasError(
                    f"{self.folder}: {one} and {another} have one name; remove one of them"
                )
        return files

    def listing(self) -> list[str]:
        """Files' names in any order."""
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

    def rows(self, part: int, parts: int) -> Iterator[dict]:
        """Rows of one contiguous part (from 0) of the images, with the files' own bytes."""
        for name in slice_of(self.files, part, parts):
            row = image_row(self.folder, name, image_id=id_of(name))
            yield {**row, "label": self.synset_of(name)}


def id_of(name: str) -> str:
    """Image id of a file: its name without folder and suffix."""
    return PurePosixPath(name).stem
