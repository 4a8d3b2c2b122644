"""A small DeepLab: dilated convolutions, pyramid pooling and bilinear upsampling."""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from shapebias.errors import ShapebiasError
from shapebias.ranges import Range

# Dilations of the pyramid, in positions of the encoder's output, a quarter of the resolution.
RATES = (2, 4, 6)


def build(*, classes: list, width: Annotated[int, Range(ge=1)] = 16) -> "DeepLab":
    """Segmentation network with fresh weights from torch's global random numbers.

    Parameters
    ----------
    classes
        Class names, "background" first.
    width
        Channels of the first convolution; the others have twice as many.
    """
    if not classes or classes[0] != "background":
        raise ShapebiasError('segmenters/deeplab needs classes that start with "background"')
    return DeepLab(classes=len(classes), width=width)


class DeepLab(nn.Module):
    """Encoder at a quarter of the resolution, dilated instead of pooled, under a pyramid.

    Parameters
    ----------
    classes
        Number of classes.
    width
        See `build`.

    References
    ----------
    .. [1] Chen, Papandreou, Schroff & Adam (2017). Rethinking atrous convolution for semantic
       image segmentation. :DOI:`10.48550/arXiv.1706.05587`
    """

    def __init__(self, *, classes: int, width: int):
        super().__init__()
        self.encoder = nn.Sequential(
            _convolution(3, width, stride=2),
            _convolution(width, 2 * width, stride=2),
            *(Residual(2 * width, dilation=dilation) for dilation in (1, 2, 4)),
        )
        self.pyramid = Pyramid(2 * width)
        self.scores = nn.Conv2d(2 * width, classes, kernel_size=1)

    def forward(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Float[Tensor, "image class row column"]:
        """Class scores of every pixel; pixels in [0, 1] are normalised inside."""
        features = self.pyramid(self.encoder(4 * images - 2))
        return functional.interpolate(
            self.scores(features), images.shape[-2:], mode="bilinear", align_corners=False
        )


class Residual(nn.Module):
    """Two dilated convolutions whose outcome is added to their input."""

    def __init__(self, channels: int, *, dilation: int):
        super().__init__()
        self.inner = nn.Sequential(
            _convolution(channels, channels, dilation=dilation),
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features with the block's correction, after a ReLU."""
        return functional.relu(features + self.inner(features))


class Pyramid(nn.Module):
    """Views of the features at several rates and of their mean over the image, merged."""

    def __init__(self, channels: int):
        super().__init__()
        self.views = nn.ModuleList(
            [
                _convolution(channels, channels, kernel_size=1),
                *(_convolution(channels, channels, dilation=rate) for rate in RATES),
            ]
        )
        # No batch norm on the pooled view: it has one value an image, too few for small batches.
        self.pooled = nn.Conv2d(channels, channels, kernel_size=1)
        self.merge = _convolution(channels * (len(RATES) + 2), channels, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """Merged features, of the input's shape."""
        mean = functional.relu(self.pooled(features.mean((2, 3), keepdim=True)))
        views = [view(features) for view in self.views]
        return self.merge(torch.cat([*views, mean.expand_as(features)], dim=1))


def _convolution(
    inputs: int, outputs: int, *, kernel_size: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            inputs,
            outputs,
            kernel_size,
            stride=stride,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
