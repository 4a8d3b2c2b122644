"""Published segmentation networks, with their classes mapped to the 16 entry-level classes.

A table under `data` lists the classes of a network in the order of its scores, with the entry-level
class that each belongs to, if any: `coco_stuff_classes.csv` for the labels of COCO-Stuff [1]_
(164k: 91 things, eleven of them without a label, and 91 stuffs, numbered from 0),
`voc_classes.csv` for the 20 classes of PASCAL VOC and the background [2]_. The entry-level classes
are those of Geirhos et al. [3]_, all of which are class names of COCO.

References
----------
.. [1] Caesar, Uijlings & Ferrari (2018). COCO-Stuff: thing and stuff classes in context. CVPR.
   :DOI:`10.1109/CVPR.2018.00132`; https://github.com/nightrome/cocostuff (`labels.txt`)
.. [2] Everingham et al. (2015). The PASCAL visual object classes challenge: a retrospective.
   IJCV. :DOI:`10.1007/s11263-014-0733-5`
.. [3] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture. ICLR.
   :DOI:`10.48550/arXiv.1811.12231`
"""

import csv
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import build
from shapebias.weights.match import match_state_dict
from shapebias.weights.read import read_weights


def import_segmenter(settings: dict[str, Any], path: str | Path) -> tuple[nn.Module, list[str]]:
    """Build a segmentation network with published weights, ready for `save_segmenter`.

    Parameters
    ----------
    settings
        `kind` of a plug-in in `segmenters` whose weights are published, and its settings.
    path
        File of the weights.

    Returns
    -------
    The network in eval mode, and the names of its classes, "background" first.

    Raises
    ------
    ShapebiasError
        If the file is missing, damaged, requires code to be opened or is of another network, or
        the plug-in has to be trained.
    """
    model = build("segmenters", **settings)
    if not isinstance(model, PublishedSegmenter):
        raise ShapebiasError(
            f"segmenters/{settings['kind']} has no published weights; set `concepts` and"
            " `training` to train it"
        )
    weights = match_state_dict(model.network, read_weights(Path(path)), str(path))
    # Old files lack the counters of batch norm, which are not used.
    model.network.load_state_dict(weights, strict=False)
    return model.eval(), model.classes


class PublishedSegmenter(nn.Module):
    """Scores of entry-level classes from a network with finer classes.

    The score of an entry-level class is the highest score of its fine classes, so its mask is the
    union of their masks. Fine classes without an entry-level class belong to the background.

    Parameters
    ----------
    network
        Maps prepared images to scores of its fine classes, at any resolution.
    table
        File under `shapebias/data` that lists the fine classes.
    classes
        "background" first, then entry-level classes; None for all of the table.
    short_side
        Length in pixels to which the shorter side of images is resized for the network; None does
        not resize.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        table: str,
        classes: Sequence[str] | None,
        short_side: int | None,
    ):
        super().__init__()
        self.network, self.short_side = network, short_side
        self.classes, self.groups = group_classes(entry_levels(table), classes)

    def forward(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image class row column"]:
        """Compute class scores of every pixel of images in [0, 1]."""
        scores = self.scores(self.prepare(self.resize(images)))
        scores = interpolate(scores, images.shape[-2:], mode="bilinear", align_corners=False)
        return torch.stack([scores[:, group].amax(1) for group in self.groups], dim=1)

    def resize(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image 3 resized_row resized_column"]:
        """Resize the shorter side of images to `short_side`."""
        if self.short_side is None:
            return images
        shorter = min(images.shape[-2:])
        size = [round(side * self.short_side / shorter) for side in images.shape[-2:]]
        return interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)

    def prepare(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image 3 row column"]:
        """Normalise images as in training."""
        raise NotImplementedError

    def scores(
        self, prepared: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image class score_row score_column"]:
        """Compute the scores of the network's fine classes."""
        return self.network(prepared)


def entry_levels(table: str) -> list[str]:
    """Read the entry-level class of each fine class of a table, "" for none."""
    with (resources.files("shapebias") / "data" / table).open(encoding="utf-8") as file:
        return [row["entry_level"] for row in csv.DictReader(file)]


def group_classes(
    levels: Sequence[str], classes: Sequence[str] | None
) -> tuple[list[str], list[list[int]]]:
    """Group fine classes by entry-level class.

    Parameters
    ----------
    levels
        Entry-level class of each fine class, "" for none.
    classes
        "background" first, then entry-level classes; None for all.

    Returns
    -------
    Class names, and for each the indices of its fine classes.

    Raises
    ------
    UnknownName
        If a class is not among the entry-level classes.
    ShapebiasError
        If "background" is not the first class, or a class is named twice.

    Examples
    --------
    >>> group_classes(["", "cat", "dog", "cat"], None)
    (['background', 'cat', 'dog'], [[0], [1, 3], [2]])
    """
    known = sorted(set(levels) - {""})
    classes = ["background", *known] if classes is None else list(classes)
    if classes[:1] != ["background"] or len(set(classes)) < len(classes):
        raise ShapebiasError(
            f'classes of a segmenter must start with "background" and be unique, not {classes}'
        )
    for name in classes[1:]:
        if name not in known:
            raise UnknownName("class of the segmenter", name, known)
    background = [index for index, level in enumerate(levels) if level not in classes[1:]]
    groups = [[i for i, level in enumerate(levels) if level == name] for name in classes[1:]]
    return classes, [background, *groups]
