"""AlexNet, in its one-tower form."""

from functools import partial
from typing import Annotated, Literal

from torch import nn

from shapebias.networks.architectures._width import scale_width
from shapebias.networks.classifier import Classifier
from shapebias.ranges import Range
from shapebias.torchvision_import import torchvision

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")


def build(
    *,
    classes: list,
    input_size: Annotated[int, Range(ge=8)] = 224,
    width: Annotated[float, Range(ge=0.015625, step=0.015625)] = 1.0,
    stem: Literal["imagenet", "small"] = "imagenet",
    dropout: Annotated[float, Range(ge=0, lt=1)] = 0.5,
    batch_norm: bool = False,
    mean: list = (0.485, 0.456, 0.406),
    std: list = (0.229, 0.224, 0.225),
) -> Classifier:
    """AlexNet with new random weights.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    input_size
        Side of the images, in pixels.
    width
        Factor on the published numbers of channels.
    stem
        "imagenet": the first convolution has stride 4, as published; "small": stride 2, for
        images of about 64 pixels.
    dropout
        Probability that an input of the first two linear layers is dropped in training.
    batch_norm
        Whether batch norm follows each convolution, before its ReLU. Names of weights are
        torchvision's (`features.<index>.weight`, `classifier.<index>.weight`); the convolutions
        have the indices 0, 4, 8, 11 and 14 instead of 0, 3, 6, 8 and 10, each followed by its
        norm.
    mean, std
        Of the pixels, per colour channel; ImageNet's by default.

    Returns
    -------
    Classifier with layers conv1 ... conv5, each after its ReLU.

    References
    ----------
    .. [1] Krizhevsky (2014). One weird trick for parallelizing convolutional neural networks.
       :DOI:`10.48550/arXiv.1404.5997`
    """
    make = partial(_published, dropout=dropout, batch_norm=batch_norm)
    network = scale_width(make, width=width, n_classes=len(classes))
    features = network.features
    if stem == "small":
        features[0].stride = (2, 2)
    return Classifier(
        network,
        segments=dict(zip(LAYERS, _segments(features), strict=True)),
        tail=[features[-1], network.avgpool, nn.Flatten(), network.classifier],
        classes=classes,
        mean=mean,
        std=std,
        input_size=input_size,
    )


def _published(*, dropout: float, batch_norm: bool) -> nn.Module:
    network = torchvision.models.alexnet(dropout=dropout)
    if batch_norm:
        modules: list[nn.Module] = []
        for module in network.features:
            modules.append(module)
            if isinstance(module, nn.Conv2d):
                modules.append(nn.BatchNorm2d(module.out_channels))
        network.features = nn.Sequential(*modules)
    return network


def _segments(features: nn.Sequential) -> list[list[nn.Module]]:
    """Modules that lead to each layer, from the pooling before it to its ReLU."""
    segments: list[list[nn.Module]] = [[]]
    # Without the last pooling.
    for module in features[:-1]:
        segments[-1].append(module)
        if isinstance(module, nn.ReLU):
            segments.append([])
    return segments[:-1]
