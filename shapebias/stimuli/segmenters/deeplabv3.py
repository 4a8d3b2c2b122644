"""DeepLab-v3 of torchvision, for its public weights with the classes of PASCAL VOC."""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from shapebias.ranges import Range
from shapebias.stimuli.segmenters._published import PublishedSegmenter
from shapebias.torchvision_import import torchvision

CLASSES = 21
BACKBONES = ("resnet50", "resnet101", "mobilenet_v3_large")


def build(
    *,
    backbone: Literal["resnet50", "resnet101", "mobilenet_v3_large"] = "resnet50",
    classes: list | None = None,
    short_side: Annotated[int, Range(ge=32)] | None = 520,
) -> "DeepLabV3":
    """Segmentation network with random weights, to be imported from a file.

    The files are torchvision's `deeplabv3_<backbone>_coco-*.pth`, trained on those images of
    COCO that show a class of PASCAL VOC. Nine of the 16 entry-level classes are among these.

    Parameters
    ----------
    backbone
        "resnet50", "resnet101" or "mobilenet_v3_large".
    classes
        "background" first, then entry-level classes; None is all nine.
    short_side
        Length in pixels to which images' shorter side is brought for the network; 520 is the
        published one, None leaves the images as they are.

    References
    ----------
    .. [1] Chen, Papandreou, Schroff & Adam (2017). Rethinking atrous convolution for semantic
       image segmentation. :DOI:`10.48550/arXiv.1706.05587`
    """
    return DeepLabV3(backbone, classes=classes, short_side=short_side)


class DeepLabV3(PublishedSegmenter):
    """The network of `build`; its parameters have their published names under `network`.

    Published files also hold a second classifier that serves in training alone; it is left out.
    """

    def __init__(self, backbone: str, *, classes: list | None, short_side: int | None):
        make = getattr(torchvision.models.segmentation, f"deeplabv3_{backbone}")
        super().__init__(
            make(weights=None, weights_backbone=None, num_classes=CLASSES),
            table="voc_classes.csv",
            classes=classes,
            short_side=short_side,
        )
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        self.register_buffer("mean", mean[:, None, None], persistent=False)
        self.register_buffer("std", std[:, None, None], persistent=False)

    def prepared(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image 3 row column"]:
        """Pixels less ImageNet's mean, over its standard deviation."""
        return (images - self.mean) / self.std

    def scores(
        self, prepared: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image class row column"]:
        """Scores of VOC's classes at the prepared images' resolution."""
        return self.network(prepared)["out"]
