"""GoogLeNet with batch normalisation and without auxiliary classifiers."""

from typing import Annotated, Literal

from torch import nn

from shapebias.networks.architectures._width import scale_width
from shapebias.networks.classifier import Classifier
from shapebias.ranges import Range
from shapebias.torchvision_import import torchvision

LAYERS = (
    "conv1", "conv2", "conv3", "inception3a", "inception3b", "inception4a", "inception4b",
    "inception4c", "inception4d", "inception4e", "inception5a", "inception5b",
)  # fmt: skip
# Pooling before a layer, which counts as part of it.
POOLED = {
    "conv2": "maxpool1", "inception3a": "maxpool2", "inception4a": "maxpool3",
    "inception5a": "maxpool4",
}  # fmt: skip


def build(
    *,
    classes: list,
    input_size: Annotated[int, Range(ge=8)] = 224,
    width: Annotated[float, Range(ge=0.125, step=0.125)] = 1.0,
    stem: Literal["imagenet", "small"] = "imagenet",
    dropout: Annotated[float, Range(ge=0, lt=1)] = 0.2,
    mean: list = (0.485, 0.456, 0.406),
    std: list = (0.229, 0.224, 0.225),
) -> Classifier:
    """GoogLeNet with new random weights.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    input_size
        Side of the images, in pixels.
    width
        Factor on the published numbers of channels.
    stem
        "imagenet": the first convolution has stride 2, as published; "small": stride 1, for
        images of about 32 pixels.
    dropout
        Probability that one of the last features is dropped in training.
    mean, std
        Of the pixels, per colour channel; ImageNet's by default. torchvision's pretrained weights
        were trained with 0.5 for all of them, which is the default where a study imports these
        weights, by name or by path (the file is recognised by its content).

    Returns
    -------
    Classifier with layers conv1, conv2, conv3, inception3a ... inception5b, after their ReLUs.

    References
    ----------
    .. [1] Szegedy et al. (2015). Going deeper with convolutions. CVPR.
       :DOI:`10.1109/CVPR.2015.7298594`
    """
    network = scale_width(
        lambda: torchvision.models.googlenet(
            init_weights=False, aux_logits=False, transform_input=False, dropout=dropout
        ),
        width=width,
        n_classes=len(classes),
    )
    if stem == "small":
        network.conv1.conv.stride = (1, 1)
    return Classifier(
        network,
        segments={
            layer: [getattr(network, part) for part in (POOLED.get(layer), layer) if part]
            for layer in LAYERS
        },
        tail=[network.avgpool, nn.Flatten(), network.dropout, network.fc],
        classes=classes,
        mean=mean,
        std=std,
        input_size=input_size,
    )
