"""AlexNet, in its one-tower form."""

from typing import Annotated, Literal

from torch import nn

from shapebias.classifier import Classifier
from shapebias.ranges import Range
from shapebias.slimming import slim
from shapebias.vision import torchvision

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")
# The modules that lead to each; a pooling belongs to the layer after it.
SEGMENTS = (slice(2), slice(2, 5), slice(5, 8), slice(8, 10), slice(10, 12))


def build(
    *,
    classes: list,
    input_size: Annotated[int, Range(least=8)] = 224,
    width: Annotated[float, Range(least=0.015625, step=0.015625)] = 1.0,
    stem: Literal["imagenet", "small"] = "imagenet",
    dropout: Annotated[float, Range(least=0, below=1)] = 0.5,
    mean: list = (0.485, 0.456, 0.406),
    std: list = (0.229, 0.224, 0.225),
) -> Classifier:
    """AlexNet with fresh random weights.

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
        Share of the inputs of the first two linear layers that are dropped in training.
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
    network = slim(
        lambda: torchvision.models.alexnet(dropout=dropout), width=width, n_classes=len(classes)
    )
    features = network.features
    if stem == "small":
        features[0].stride = (2, 2)
    return Classifier(
        network,
        segments=dict(zip(LAYERS, map(features.__getitem__, SEGMENTS), strict=True)),
        tail=[features[12], network.avgpool, nn.Flatten(), network.classifier],
        classes=classes,
        mean=mean,
        std=std,
        input_size=input_size,
    )
