"""GoogLeNet with batch normalisation and without auxiliary classifiers."""

from typing import Literal

from torch import nn

from shapebias.classifier import Classifier
from shapebias.slimming import check_stem, slim
from shapebias.vision import torchvision


def build(
    *,
    classes: list,
    input_size: int = 224,
    width: float = 1.0,
    stem: Literal["imagenet", "small"] = "imagenet",
    dropout: float = 0.2,
    mean: list = (0.485, 0.456, 0.406),
    std: list = (0.229, 0.224, 0.225),
) -> Classifier:
    """GoogLeNet with fresh random weights.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    input_size
        Side of the images, in pixels.
    width
        Factor on the published numbers of channels; a multiple of 1/8.
    stem
        "imagenet": the first convolution has stride 2, as published; "small": stride 1, for
        images of about 32 pixels.
    dropout
        Share of the last features that are dropped in training.
    mean, std
        Of the pixels, per colour channel; ImageNet's by default. torchvision's own pretrained
        weights were trained with 0.5 for all of them.

    Returns
    -------
    Classifier with layers conv1, conv2, conv3, inception3a ... inception5b, after their ReLUs.

    References
    ----------
    .. [1] Szegedy et al. (2015). Going deeper with convolutions. CVPR.
       :DOI:`10.1109/CVPR.2015.7298594`
    """
    network = slim(
        lambda: torchvision.models.googlenet(
            init_weights=False, aux_logits=False, transform_input=False, dropout=dropout
        ),
        width=width,
        n_classes=len(classes),
    )
    if check_stem(stem):
        network.conv1.conv.stride = (1, 1)
    return Classifier(
        network,
        segments=segments_of(network),
        tail=[network.avgpool, nn.Flatten(), network.dropout, network.fc],
        classes=classes,
        mean=mean,
        std=std,
        input_size=input_size,
    )


def segments_of(network: nn.Module) -> dict[str, list[nn.Module]]:
    """Modules that lead to each layer; a pooling belongs to the layer after it."""
    segments = {
        "conv1": [network.conv1],
        "conv2": [network.maxpool1, network.conv2],
        "conv3": [network.conv3],
    }
    pools = {"3a": [network.maxpool2], "4a": [network.maxpool3], "5a": [network.maxpool4]}
    for block in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        name = f"inception{block}"
        segments[name] = [*pools.get(block, []), getattr(network, name)]
    return segments
