"""DeepLab-v3 of torchvision, for its public weights with the classes of PASCAL VOC."""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from shapebias.ranges import Range
from shapebias.stimuli.segmenters._published import PublishedSegmenter
from shapebias.torchvision_import import torchvision

CLASSES = 21


def build(
    *,
    backbone: Literal["resnet50", "resnet101", "mobilenet_v3_large"] = "resnet50",
    classes: list[str] | None = None,
    short_side: Annotated[int, Range(ge=32)] | None = 520,
) -> "DeepLabV3":
    """Build a segmentation network with random weights, to be loaded from a file.

    The files are torchvision's `deeplabv3_<backbone>_coco-*.pth`, trained on the images of COCO
    that show a class of PASCAL VOC. Nine of the 16 entry-level classes are classes of VOC.

    Parameters
    ----------
    backbone
        "resnet50", "resnet101" or "mobilenet_v3_large".
    classes
        "background" first, then entry-level classes; None for all nine.
    short_side
        Length in pixels to which the shorter side of images is resized for the network; 520 as
        published, None does not resize.

    References
    ----------
    .. [1] Chen, Papandreou, Schroff & Adam (2017). Rethinking atrous convolution for semantic
       image segmentation. :DOI:`10.48550/arXiv.1706.05587`
    """
    return DeepLabV3(backbone, classes=classes, short_side=short_side)


class DeepLabV3(PublishedSegmenter):
    """Network of `build`; the parameters of `network` have their published names.

    Published files also contain an auxiliary classifier for training, which is not loaded.
    """

    def __init__(self, backbone: str, *, classes: list[str] | None, short_side: int | None):
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

    def prepare(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image 3 row column"]:
        """Normalise with the mean and the standard deviation of ImageNet."""
        return (images - self.mean) / self.std

    def scores(
        self, prepared: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image class row column"]:
        """Compute the scores of VOC's classes at the resolution of the prepared images."""
        return self.network(prepared)["out"]
