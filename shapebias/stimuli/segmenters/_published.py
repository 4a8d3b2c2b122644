"""Published segmentation networks, seen through the 16 entry-level classes.

A table under `data` lists the network's own classes in the order of its scores, with the
entry-level class that each belongs to, if any: `coco_stuff_classes.csv` after the labels of
COCO-Stuff [1]_ (164k: 91 things, eleven of them without a label, and 91 stuffs, numbered from 0),
`voc_classes.csv` after PASCAL VOC's 20 and the background [2]_. The entry-level classes are those
of Geirhos et al. [3]_, which are names of COCO's own classes.

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
    """Segmentation network with published weights, ready for `save_segmenter`.

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
        If the file is missing, damaged, needs code to be opened or is of another network, or the
        plug-in is one that has to be trained.
    """
    model = build("segmenters", **settings)
    if not isinstance(model, PublishedSegmenter):
        raise ShapebiasError(
            f"segmenters/{settings['kind']} has no published weights; give it `concepts` and"
            " `training`"
        )
    weights = match_state_dict(model.network, read_weights(Path(path)), str(path))
    # Old files lack batch norm's counters, which are not used.
    model.network.load_state_dict(weights, strict=False)
    return model.eval(), model.classes


class PublishedSegmenter(nn.Module):
    """Scores of entry-level classes from a network that has finer ones.

    The score of a class is the highest of those that belong to it, so that the mask of a class is
    the union of its parts' masks; the background is all that belongs to none.

    Parameters
    ----------
    network
        From prepared images to the scores of its own classes, at any resolution.
    table
        File under `shapebias/data` that lists those classes.
    classes
        "background" and the entry-level classes wanted, in any order; None for all in the table.
    short_side
        Length in pixels to which the images' shorter side is brought for the network; None leaves
        them as they are.
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
        if short_side is not None and short_side < 1:
            raise ShapebiasError(f"a segmenter's short_side is at least 1 pixel, not {short_side}")
        self.network, self.short_side = network, short_side
        self.classes, self.groups = grouped(entry_levels(table), classes)

    def forward(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image class row column"]:
        """Class scores of every pixel; pixels are in [0, 1]."""
        scores = self.scores(self.prepared(self.resized(images)))
        scores = interpolate(scores, images.shape[-2:], mode="bilinear", align_corners=False)
        return torch.stack([scores[:, group].amax(1) for group in self.groups], dim=1)

    def resized(self, images: Tensor) -> Tensor:
        """Images with the shorter side that the network wants."""
        if self.short_side is None:
            return images
        shorter = min(images.shape[-2:])
        size = [round(side * self.short_side / shorter) for side in images.shape[-2:]]
        return interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)

    def prepared(self, images: Tensor) -> Tensor:
        """Images on the scale on which the network was trained."""
        raise NotImplementedError

    def scores(self, prepared: Tensor) -> Tensor:
        """Scores of the network's own classes."""
        return self.network(prepared)


def entry_levels(table: str) -> list[str]:
    """Entry-level class of each class in a table, "" where it has none."""
    with (resources.files("shapebias") / "data" / table).open(encoding="utf-8") as file:
        return [row["entry_level"] for row in csv.DictReader(file)]


def grouped(
    levels: Sequence[str], classes: Sequence[str] | None
) -> tuple[list[str], list[list[int]]]:
    """Classes, and for each the numbers of the finer ones under it.

    Raises
    ------
    UnknownName
        If a wanted class is not in the table.
    ShapebiasError
        If "background" is not the first, or a class is named twice.
    """
    known = sorted(set(levels) - {""})
    classes = ["background", *known] if classes is None else list(classes)
    if classes[:1] != ["background"] or len(set(classes)) < len(classes):
        raise ShapebiasError(
            f'a segmenter needs different classes that start with "background", not {classes}'
        )
    for name in classes[1:]:
        if name not in known:
            raise UnknownName("class of the segmenter", name, known)
    rest = [number for number, level in enumerate(levels) if level not in classes[1:]]
    wanted = [[n for n, level in enumerate(levels) if level == name] for name in classes[1:]]
    return classes, [rest, *wanted]
