"""Tiny ImageNet: 64 × 64 photos of 200 ImageNet classes, as published."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from shapebias.errors import ShapebiasError
from shapebias.plugins import FilePath, plugin
from shapebias.stimuli.datasets._synset_folders import SynsetFolders, SynsetSource
from shapebias.stimuli.image_folders import check_folder, folders_in, images_in


@plugin
class TinyImageNet(SynsetSource):
    """Photos of Tiny ImageNet; the label is the synset, the image id the bare file name.

    Parameters
    ----------
    path
        The unpacked folder tiny-imagenet-200 with `train/<synset>/images/`, `val/images/` and
        `val/val_annotations.txt`.
    split
        "train" or "val"; the published test photos have no labels.

    Raises
    ------
    ShapebiasError
        If the folder does not exist.
    """

    path: FilePath
    split: Literal["train", "val"]

    @cached_property
    def photos(self) -> SynsetFolders:
        """Photos of the split."""
        folder = Path(self.path) / self.split
        check_folder(folder)
        return TinyTraining(folder) if self.split == "train" else TinyValidation(folder)


class TinyTraining(SynsetFolders):
    """Training photos, in one folder per synset."""

    def listing(self) -> list[str]:
        """Files `<synset>/images/<name>`."""
        return [
            f"{synset}/images/{name}"
            for synset in folders_in(self.folder)
            for name in images_in(self.folder / synset / "images")
        ]


class TinyValidation(SynsetFolders):
    """Validation photos, in one folder with a list of their labels."""

    def listing(self) -> list[str]:
        """Files `images/<name>`."""
        return [f"images/{name}" for name in images_in(self.folder / "images")]

    def synset_of(self, name: str) -> str:
        """Synset of a file in the list."""
        file = name.rpartition("/")[2]
        if file not in self.annotations:
            raise ShapebiasError(f"{self.folder / 'val_annotations.txt'} has no line for {file}")
        return self.annotations[file]

    @cached_property
    def annotations(self) -> dict[str, str]:
        """Synset of each file."""
        file = self.folder / "val_annotations.txt"
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
            # File, synset, and a bounding box of four numbers.
            return dict(line.split("\t")[:2] for line in lines if line.strip())
        except (OSError, ValueError) as error:
            raise ShapebiasError(f"cannot read the labels {file}: {error}") from error
