"""Narrower copies of published networks, under the same parameter names."""

from collections.abc import Callable

import torch
from torch import nn

from shapebias.errors import ShapebiasError


def scale_width(make: Callable[[], nn.Module], *, width: float, n_classes: int) -> nn.Module:
    """Build a published network with every layer's number of channels multiplied by a factor.

    Parameters
    ----------
    make
        Factory of the published network, of any number of classes, made of `Conv2d`,
        `BatchNorm2d` and `Linear` modules alone as far as parameters go.
    width
        Factor. It must give whole numbers of channels: any multiple of 1/8 does for the networks
        here.
    n_classes
        Outputs of the last linear layer.

    Returns
    -------
    Network with fresh random weights: He's for convolutions and linear layers before a ReLU
    (normal, by fan-in), zero biases, and normalisation that does nothing yet.

    Raises
    ------
    ShapebiasError
        If the width gives a fraction of a channel.

    References
    ----------
    .. [1] He et al. (2015). Delving deep into rectifiers. ICCV. :DOI:`10.1109/ICCV.2015.123`
    """
    # Without storage: the full-width weights would be thrown away.
    with torch.device("meta"):
        network = make()
    last = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)][-1]
    for name, module in list(network.named_modules()):
        replacement = narrower(module, width, n_classes if name == last else None)
        if replacement is not None:
            network.set_submodule(name, replacement)
    return network


def narrower(module: nn.Module, width: float, n_outputs: int | None) -> nn.Module | None:
    """Initialised copy of a module with scaled channels; none for modules without parameters.

    Parameters
    ----------
    module
        Any module; its own weights, if it has any, are not looked at.
    width
        Factor on its channels.
    n_outputs
        Outputs of a linear layer, where they are not to be scaled.
    """
    if isinstance(module, nn.Conv2d):
        return initialised(narrower_convolution(module, width))
    if isinstance(module, nn.BatchNorm2d):
        channels = scaled(module.num_features, width)
        return nn.BatchNorm2d(channels, eps=module.eps, momentum=module.momentum)
    if isinstance(module, nn.Linear):
        outputs = n_outputs or scaled(module.out_features, width)
        return initialised(nn.Linear(scaled(module.in_features, width), outputs))
    return None


def narrower_convolution(module: nn.Conv2d, width: float) -> nn.Conv2d:
    """Convolution with scaled channels; the three colours stay three."""
    inputs = module.in_channels
    return nn.Conv2d(
        inputs if inputs == 3 else scaled(inputs, width),
        scaled(module.out_channels, width),
        module.kernel_size,
        stride=module.stride,
        padding=module.padding,
        dilation=module.dilation,
        groups=module.groups,
        bias=module.bias is not None,
    )


def initialised(module: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """Give a module He's random weights and no bias."""
    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


def scaled(channels: int, width: float) -> int:
    """Whole number of channels at a width."""
    scaled_channels = channels * width
    if scaled_channels < 1 or scaled_channels != int(scaled_channels):
        raise ShapebiasError(
            f"width {width} makes {scaled_channels:g} of {channels} channels; use a multiple of 1/8"
        )
    return int(scaled_channels)
