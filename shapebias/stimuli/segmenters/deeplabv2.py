"""DeepLab-v2 on ResNet-101, for the public weights trained on COCO-Stuff 164k."""

from collections import OrderedDict
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from shapebias.ranges import Range
from shapebias.stimuli.segmenters._published import PublishedSegmenter

CLASSES = 182
# Blocks, channels, stride and dilation of layer2 ... layer5.
STAGES = ((3, 256, 1, 1), (4, 512, 2, 1), (23, 1024, 1, 2), (3, 2048, 1, 4))
RATES = (6, 12, 18, 24)
# Mean pixel: blue, green and red in [0, 255].
MEAN = (104.008, 116.669, 122.675)


def build(
    *, classes: list[str] | None = None, short_side: Annotated[int, Range(ge=32)] | None = None
) -> "DeepLabV2":
    """Build a segmentation network with random weights, to be loaded from a file.

    The file is `deeplabv2_resnet101_msc-cocostuff164k-100000.pth` of [2]_. It was evaluated at
    three scales; here only the scale of the image itself is used.

    Parameters
    ----------
    classes
        "background" first, then entry-level classes; None for all 16.
    short_side
        Length in pixels to which the shorter side of images is resized for the network; None, as
        published, does not resize.

    References
    ----------
    .. [1] Chen, Papandreou, Kokkinos, Murphy & Yuille (2018). DeepLab: semantic image
       segmentation with deep convolutional nets, atrous convolution, and fully connected CRFs.
       IEEE TPAMI. :DOI:`10.1109/TPAMI.2017.2699184`
    .. [2] https://github.com/kazuto1011/deeplab-pytorch
    """
    return DeepLabV2(classes=classes, short_side=short_side)


class DeepLabV2(PublishedSegmenter):
    """Network of `build`; the parameters of `network` have their published names."""

    def __init__(self, *, classes: list[str] | None, short_side: int | None):
        network, inputs = OrderedDict(layer1=Stem(64)), 64
        for number, (blocks, outputs, stride, dilation) in enumerate(STAGES, start=2):
            network[f"layer{number}"] = _stage(inputs, blocks, outputs, stride, dilation)
            inputs = outputs
        network["aspp"] = Pyramid(inputs)
        super().__init__(
            DilatedResNet101(network),
            table="coco_stuff_classes.csv",
            classes=classes,
            short_side=short_side,
        )
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)

    def prepare(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image 3 row column"]:
        """Convert to blue, green and red in [0, 255] minus the mean pixel."""
        return 255 * images.flip(1) - self.mean


class DilatedResNet101(nn.Sequential):
    """Layers by their published names, from prepared images to the scores of 182 classes."""


class Stem(nn.Sequential):
    """First convolution and pooling, to a quarter of the resolution."""

    def __init__(self, outputs: int):
        super().__init__()
        self.conv1 = _convolution(3, outputs, kernel_size=7, stride=2, padding=3)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)


class Bottleneck(nn.Module):
    """Bottleneck block of three convolutions; the first one has the stride."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, dilation: int):
        super().__init__()
        middle = outputs // 4
        self.reduce = _convolution(inputs, middle, stride=stride)
        self.conv3x3 = _convolution(
            middle, middle, kernel_size=3, padding=dilation, dilation=dilation
        )
        self.increase = _convolution(middle, outputs, rectified=False)
        self.shortcut = nn.Identity()
        if inputs != outputs:
            self.shortcut = _convolution(inputs, outputs, stride=stride, rectified=False)

    def forward(
        self, features: Float[Tensor, "image channel row column"]
    ) -> Float[Tensor, "image block_channel block_row block_column"]:
        """Add the output of the convolutions to the shortcut and apply a ReLU."""
        residual = self.increase(self.conv3x3(self.reduce(features)))
        return relu(residual + self.shortcut(features))


class Pyramid(nn.Module):
    """Sum of class scores at several dilations."""

    def __init__(self, inputs: int):
        super().__init__()
        for number, rate in enumerate(RATES):
            convolution = nn.Conv2d(inputs, CLASSES, 3, padding=rate, dilation=rate)
            self.add_module(f"c{number}", convolution)

    def forward(
        self, features: Float[Tensor, "image channel row column"]
    ) -> Float[Tensor, "image class row column"]:
        """Compute scores at the resolution of the features."""
        return sum(convolution(features) for convolution in self.children())


def _stage(inputs: int, blocks: int, outputs: int, stride: int, dilation: int) -> nn.Sequential:
    """Blocks of one resolution, by their published names."""
    stage = OrderedDict(block1=Bottleneck(inputs, outputs, stride=stride, dilation=dilation))
    for number in range(2, blocks + 1):
        stage[f"block{number}"] = Bottleneck(outputs, outputs, stride=1, dilation=dilation)
    return nn.Sequential(stage)


def _convolution(
    inputs: int, outputs: int, *, kernel_size: int = 1, rectified: bool = True, **shape: int
) -> nn.Sequential:
    """Convolution, batch norm and an optional ReLU, by their published names."""
    parts = OrderedDict(
        conv=nn.Conv2d(inputs, outputs, kernel_size, bias=False, **shape),
        bn=nn.BatchNorm2d(outputs),
    )
    if rectified:
        parts["relu"] = nn.ReLU()
    return nn.Sequential(parts)
