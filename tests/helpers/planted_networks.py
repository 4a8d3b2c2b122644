"""Small networks whose measurements are known or exact in floating point."""

import torch
from torch import nn

from shapebias.networks.classifier import Classifier


def network(layers, tail, *, classes, size):
    """Classifier of the modules of each layer, followed by those of the tail."""
    modules = nn.Sequential(*(module for modules in layers.values() for module in modules), *tail)
    return Classifier(
        modules,
        segments=layers,
        tail=tail,
        classes=classes,
        mean=[0.0] * 3,
        std=[1.0] * 3,
        input_size=size,
    )


def exact_network(seed, *, widths=(4, 6), classes="abcd", size=8, dead=True):
    """Random network of two layers whose weights are halves, so that every sum is exact.

    With `dead` the first channel of each layer is always zero. The dropout makes results random
    unless the network is in eval mode.
    """
    generator = torch.Generator().manual_seed(seed)
    convolutions = [
        nn.Conv2d(3, widths[0], 3, padding=1),
        nn.Conv2d(widths[0], widths[1], 3, stride=2, padding=1),
    ]
    linear = nn.Linear(widths[1], len(classes))
    for module in (*convolutions, linear):
        for parameter in module.parameters():
            values = torch.randint(-2, 3, parameter.shape, generator=generator) / 2
            parameter.data = values
    for convolution in convolutions if dead else ():
        convolution.weight.data[0] = 0.0
        convolution.bias.data[0] = -1.0
    layers = {
        f"conv{number}": [convolution, nn.ReLU(inplace=True)]
        for number, convolution in enumerate(convolutions, 1)
    }
    tail = [nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear]
    return network(layers, tail, classes=tuple(classes), size=size)


def exact_images(seed, number, size=8):
    """Random images whose pixels are quarters."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 5, (number, 3, size, size), generator=generator) / 4


def colour_units():
    """One layer: channel 0 is 1 on red, channel 1 on green, and channel 2 is always 0."""
    convolution = nn.Conv2d(3, 3, 1)
    convolution.weight.data = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [0, 0, 0]])[..., None, None]
    convolution.bias.data.zero_()
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return network(
        {"units": [convolution, nn.ReLU()]}, tail, classes=("red", "green", "none"), size=8
    )


def one_channel_reader():
    """Network with classes dark and bright that depends only on channel 0, the mean of red."""
    convolution = nn.Conv2d(3, 3, 1)
    convolution.weight.data = torch.eye(3)[..., None, None]
    convolution.bias.data.zero_()
    linear = nn.Linear(3, 2)
    linear.weight.data = torch.tensor([[0.0, 0, 0], [1, 0, 0]])
    linear.bias.data = torch.tensor([0.5, 0.0])
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear]
    return network({"colours": [convolution, nn.ReLU()]}, tail, classes=("dark", "bright"), size=8)


def cue_image(shape, texture, size=8):
    """Image whose left (shape 0) or right half is red, with green stripes, one pixel wide.

    The stripes are vertical (texture 0) or horizontal.
    """
    image = torch.zeros(3, size, size)
    half = size // 2
    image[0, :, half * shape : half * (shape + 1)] = 1.0
    stripes = (torch.arange(size) % 2).float()
    image[1] = stripes[None, :] if texture == 0 else stripes[:, None]
    return image


def shape_only(classes=("disc", "square")):
    """Network that decides by the side that is red."""
    convolution = nn.Conv2d(3, 1, 1, bias=False)
    convolution.weight.data = torch.tensor([1.0, 0, 0])[None, :, None, None]
    tail = [nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten()]
    return network({"red": [convolution, nn.ReLU()]}, tail, classes=classes, size=8)


def texture_only(classes=("disc", "square")):
    """Network that decides by the direction of the green stripes."""
    convolution = nn.Conv2d(3, 2, 2, bias=False)
    convolution.weight.data = torch.zeros(2, 3, 2, 2)
    convolution.weight.data[0, 1] = torch.tensor([[1.0, -1], [1, -1]])
    convolution.weight.data[1, 1] = torch.tensor([[1.0, 1], [-1, -1]])
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return network({"stripes": [convolution, nn.ReLU()]}, tail, classes=classes, size=8)
