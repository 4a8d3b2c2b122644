"""Stylized-ImageNet: ImageNet's photos repainted, in synset folders."""

from pathlib import Path
from typing import Literal

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import FilePath
from shapebias.stimuli.datasets._synset_folders import SynsetFolders

SPLITS = ("train", "val")


def build(*, path: FilePath, split: Literal["train", "val"]) -> SynsetFolders:
    """Stylized photos; the label is the synset and the image id that of the ImageNet photo.

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
    if split not in SPLITS:
        raise UnknownName("split of images/stylized_imagenet", split, SPLITS)
    folder = Path(path) / split
    if not folder.is_dir():
        raise ShapebiasError(
            f"{folder} does not exist; make Stylized-ImageNet from ImageNet and paintings with "
            "https://github.com/rgeirhos/Stylized-ImageNet, or derive a stylized set in the study"
        )
    return SynsetFolders(folder)
