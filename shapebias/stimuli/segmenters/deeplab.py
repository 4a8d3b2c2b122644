"""Small DeepLab: dilated convolutions, pyramid pooling and bilinear upsampling."""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from shapebias.errors import ShapebiasError
from shapebias.ranges import Range

# Dilations of the pyramid, in positions of the encoder's output (a quarter of the resolution).
RATES = (2, 4, 6)


def build(*, classes: list[str], width: Annotated[int, Range(ge=1)] = 16) -> "DeepLab":
    """Build a segmentation network with weights from torch's global random state.

    Parameters
    ----------
    classes
        Class names, "background" first.
    width
        Channels of the first convolution; the others have twice this number.
    """
    if not classes or classes[0] != "background":
        raise ShapebiasError(
            f'segmenters/deeplab: classes must start with "background", not {classes}'
        )
    return DeepLab(classes=len(classes), width=width)


class DeepLab(nn.Module):
    """Dilated encoder at a quarter of the resolution, followed by pyramid pooling.

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
        """Compute class scores of every pixel; images in [0, 1] are normalised here."""
        features = self.pyramid(self.encoder(4 * images - 2))
        return functional.interpolate(
            self.scores(features), images.shape[-2:], mode="bilinear", align_corners=False
        )


class Residual(nn.Module):
    """Residual block of two dilated convolutions."""

    def __init__(self, channels: int, *, dilation: int):
        super().__init__()
        self.inner = nn.Sequential(
            _convolution(channels, channels, dilation=dilation),
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(
        self, features: Float[Tensor, "image channel row column"]
    ) -> Float[Tensor, "image channel row column"]:
        """Add the output of the convolutions to the input and apply a ReLU."""
        return functional.relu(features + self.inner(features))


class Pyramid(nn.Module):
    """Pyramid pooling: convolutions of several dilations and the global mean, merged."""

    def __init__(self, channels: int):
        super().__init__()
        self.views = nn.ModuleList(
            [
                _convolution(channels, channels, kernel_size=1),
                *(_convolution(channels, channels, dilation=rate) for rate in RATES),
            ]
        )
        # No batch norm after pooling: one value per image is too few for small batches.
        self.pooled = nn.Conv2d(channels, channels, kernel_size=1)
        self.merge = _convolution(channels * (len(RATES) + 2), channels, kernel_size=1)

    def forward(
        self, features: Float[Tensor, "image channel row column"]
    ) -> Float[Tensor, "image channel row column"]:
        """Merge the branches into features of the input's shape."""
        mean = functional.relu(self.pooled(features.mean((2, 3), keepdim=True)))
        views = [view(features) for view in self.views]
        return self.merge(torch.cat([*views, mean.expand_as(features)], dim=1))


def _convolution(
    inputs: int, outputs: int, *, kernel_size: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Convolution that keeps the size (before striding), batch norm and ReLU."""
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
