"""Narrower versions of published networks, with the same parameter names."""

from collections.abc import Callable

import torch
from torch import nn

from shapebias.errors import ShapebiasError


def scale_width(make: Callable[[], nn.Module], *, width: float, n_classes: int) -> nn.Module:
    """Build a published network with every layer's number of channels multiplied by a factor.

    Parameters
    ----------
    make
        Factory of the published network, of any number of classes, whose only parameters are in
        `Conv2d`, `BatchNorm2d` and `Linear` modules.
    width
        Factor. It must give whole numbers of channels: any multiple of 1/8 does for the networks
        here.
    n_classes
        Outputs of the last linear layer.

    Returns
    -------
    Network with new random weights: He's for convolutions and linear layers before a ReLU
    (normal, by fan-in), zero biases, and batch norm with weight 1 and bias 0.

    Raises
    ------
    ShapebiasError
        If the width gives a fraction of a channel.

    References
    ----------
    .. [1] He et al. (2015). Delving deep into rectifiers. ICCV. :DOI:`10.1109/ICCV.2015.123`
    """
    # Without memory: the weights of full width are not used.
    with torch.device("meta"):
        network = make()
    last = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)][-1]
    for name, module in list(network.named_modules()):
        replacement = _narrower(module, width, n_classes if name == last else None)
        if replacement is not None:
            network.set_submodule(name, replacement)
    return network


def initialised(module: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """Give a module He's random weights and zero biases."""
    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


def _narrower(module: nn.Module, width: float, n_outputs: int | None) -> nn.Module | None:
    """Module with scaled channels and new weights; None for a module without parameters.

    `n_outputs` is the number of outputs of a linear layer where they are not scaled.
    """
    if isinstance(module, nn.Conv2d):
        # The three colours stay three.
        inputs = module.in_channels
        convolution = nn.Conv2d(
            inputs if inputs == 3 else _scaled(inputs, width),
            _scaled(module.out_channels, width),
            module.kernel_size,
            stride=module.stride,
            padding=module.padding,
            dilation=module.dilation,
            groups=module.groups,
            bias=module.bias is not None,
        )
        return initialised(convolution)
    if isinstance(module, nn.BatchNorm2d):
        channels = _scaled(module.num_features, width)
        return nn.BatchNorm2d(channels, eps=module.eps, momentum=module.momentum)
    if isinstance(module, nn.Linear):
        outputs = n_outputs or _scaled(module.out_features, width)
        return initialised(nn.Linear(_scaled(module.in_features, width), outputs))
    return None


def _scaled(channels: int, width: float) -> int:
    """Whole number of channels at a width."""
    scaled = channels * width
    if scaled < 1 or scaled != int(scaled):
        raise ShapebiasError(
            f"width {width} gives {scaled:g} of {channels} channels; use a multiple of 1/8"
        )
    return int(scaled)
