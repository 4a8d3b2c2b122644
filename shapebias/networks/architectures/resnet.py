"""Residual networks of 18 to 152 layers."""

from typing import Annotated, Literal

from torch import nn

from shapebias.networks.architectures._width import initialised, scale_width
from shapebias.networks.classifier import Classifier
from shapebias.ranges import Range
from shapebias.torchvision_import import torchvision

LAYERS = ("conv1", "layer1", "layer2", "layer3", "layer4")


def build(
    *,
    classes: list,
    input_size: Annotated[int, Range(ge=8)] = 224,
    depth: Literal[18, 34, 50, 101, 152] = 50,
    width: Annotated[float, Range(ge=0.015625, step=0.015625)] = 1.0,
    stem: Literal["imagenet", "small", "cifar"] = "imagenet",
    mean: list = (0.485, 0.456, 0.406),
    std: list = (0.229, 0.224, 0.225),
) -> Classifier:
    """ResNet with new random weights.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    input_size
        Side of the images, in pixels.
    depth
        Number of layers: 18, 34, 50, 101 or 152.
    width
        Factor on the published numbers of channels.
    stem
        "imagenet": a first convolution of 7 × 7 at stride 2 and max-pooling, as published;
        "small": the same at stride 1, with weights of the same shapes; "cifar": 3 × 3 at stride 1
        and no pooling, as is usual for images of 32 pixels (four times the operations of "small").
    mean, std
        Of the pixels, per colour channel; ImageNet's by default.

    Returns
    -------
    Classifier with layers conv1 (after its ReLU) and layer1 ... layer4.

    References
    ----------
    .. [1] He et al. (2016). Deep residual learning for image recognition. CVPR.
       :DOI:`10.1109/CVPR.2016.90`
    """
    network = scale_width(
        getattr(torchvision.models, f"resnet{depth}"), width=width, n_classes=len(classes)
    )
    if stem == "small":
        network.conv1.stride = (1, 1)
    elif stem == "cifar":
        stem_channels = network.conv1.out_channels
        network.conv1 = initialised(nn.Conv2d(3, stem_channels, 3, padding=1, bias=False))
        network.maxpool = nn.Identity()
    segments = [
        [network.conv1, network.bn1, network.relu],
        [network.maxpool, network.layer1],
        *([network.layer2], [network.layer3], [network.layer4]),
    ]
    return Classifier(
        network,
        segments=dict(zip(LAYERS, segments, strict=True)),
        tail=[network.avgpool, nn.Flatten(), network.fc],
        classes=classes,
        mean=mean,
        std=std,
        input_size=input_size,
    )
