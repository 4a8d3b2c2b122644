"""Stylized-ImageNet: ImageNet's photos in the style of paintings, in synset folders."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from shapebias.errors import ShapebiasError
from shapebias.plugins import FilePath, plugin
from shapebias.stimuli.datasets._synset_folders import SynsetFolders, SynsetSource


@plugin
class StylizedImageNet(SynsetSource):
    """Stylized photos; the label is the synset, the image id that of the ImageNet photo.

    Parameters
    ----------
    path
        Folder with `train/<synset>/` and `val/<synset>/`, as the authors' code writes it.
    split
        "train" or "val".

    Raises
    ------
    ShapebiasError
        If there is no such folder; the message says how to make the set.

    References
    ----------
    .. [1] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture. ICLR.
       :DOI:`10.48550/arXiv.1811.12231`
    """

    path: FilePath
    split: Literal["train", "val"]

    @cached_property
    def photos(self) -> SynsetFolders:
        """Photos of the split."""
        folder = Path(self.path) / self.split
        if not folder.is_dir():
            raise ShapebiasError(
                f"{folder} does not exist; make Stylized-ImageNet from ImageNet and paintings with "
                "https://github.com/rgeirhos/Stylized-ImageNet, or derive a stylized set in the "
                "study"
            )
        return SynsetFolders(folder)
