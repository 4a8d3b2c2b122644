"""Any of torchvision's classification networks, by its name."""

from typing import Annotated

from torch import nn

from shapebias.errors import UnknownName, UnsupportedInputSize, first_line
from shapebias.networks.classifier import Classifier
from shapebias.networks.wrapping.output_check import check_output
from shapebias.networks.wrapping.split import stages_of
from shapebias.networks.wrapping.wrap import wrap_network
from shapebias.ranges import Range
from shapebias.torchvision_import import torchvision

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
# Networks whose published weights were converted from another library, with its normalisation.
CONVERTED = ("googlenet", "inception_v3")
HALVES = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
INCEPTIONS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
# Layers of the paper that the project follows, by the modules whose outputs they are.
ALEXNET = {f"conv{n}": f"features.{index}" for n, index in enumerate((0, 3, 6, 8, 10), start=1)}
GOOGLENET = [*("conv1", "conv2", "conv3"), *(f"inception{block}" for block in INCEPTIONS)]
RESNET = ["conv1", "layer1", "layer2", "layer3", "layer4"]


def build(
    *,
    classes: list,
    name: str,
    input_size: Annotated[int, Range(ge=8)] | None = None,
    layers: dict | None = None,
    mean: list | None = None,
    std: list | None = None,
) -> Classifier:
    """Network with new random weights and named layers.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    name
        torchvision's name: "vgg16_bn", "densenet121", "efficientnet_b0".
    input_size
        Side of the images, in pixels; 224, or 299 for inception_v3, by default. A vision
        transformer is built for it, and it must be a multiple of the side of its patches.
    layers
        Name of each layer to the module whose output it is ("features.0"), including the
        activation function that follows the module. By default the layers of `kind: alexnet`,
        `googlenet` and `resnet` for these networks, and the stages that give feature maps for all
        others, all blocks of a vision transformer.
    mean, std
        Of the pixels, per colour channel; by default those of the published weights: ImageNet's,
        and 0.5 for GoogLeNet and Inception v3.

    Returns
    -------
    Classifier whose parameters have torchvision's names.

    Raises
    ------
    ShapebiasError
        If there is no such network, or a layer's module does not give feature maps.
    """
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise UnknownName("network of torchvision", name, known)
    usual_mean, usual_std = HALVES if name in CONVERTED else IMAGENET
    size = input_size or (299 if name == "inception_v3" else 224)
    network = _create(name, len(classes), size)
    check_output(network, len(classes), size, name)
    stages, channels = stages_of(network), {}
    if isinstance(network, torchvision.models.VisionTransformer):
        stages = [stage for stage in stages if stage.startswith("encoder.")]
        channels = dict.fromkeys(stages, network.hidden_dim)
    return wrap_network(
        network,
        layers=layers or _usual_layers(network),
        stages=stages,
        channels=channels,
        classes=classes,
        mean=mean or usual_mean,
        std=std or usual_std,
        input_size=size,
    )


def _usual_layers(network: nn.Module) -> dict[str, str] | None:
    """Modules of the named layers of AlexNet, GoogLeNet and ResNets; None for other networks."""
    models = torchvision.models
    if isinstance(network, models.AlexNet):
        return ALEXNET
    if isinstance(network, models.GoogLeNet):
        return {name: name for name in GOOGLENET}
    if isinstance(network, models.ResNet):
        return {name: name for name in RESNET}
    return None


def _create(name: str, n_classes: int, size: int) -> nn.Module:
    settings = {}
    if name in CONVERTED:
        # Without the second normalisation that these two have for their published weights, and
        # without auxiliary classifiers, which serve in training alone.
        settings = {"transform_input": False, "aux_logits": False, "init_weights": False}
    elif name.startswith("vit_"):
        settings = {"image_size": size}
    try:
        return torchvision.models.get_model(name, weights=None, num_classes=n_classes, **settings)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise UnsupportedInputSize(
            f"architectures/torchvision: {name} cannot be built for {size} pixels: "
            f"{first_line(error)}"
        ) from error
