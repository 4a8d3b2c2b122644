"""Any of timm's networks, by its name; timm is an optional package."""

from typing import Annotated

from shapebias.classifier import Classifier
from shapebias.cutting import stages_of
from shapebias.errors import UnknownName
from shapebias.hooking import classifier
from shapebias.packages import import_package
from shapebias.ranges import Range

# timm imports torchvision, which has to come through its one door first.
from shapebias.vision import torchvision  # noqa: F401


def build(
    *,
    classes: list,
    name: str,
    input_size: Annotated[int, Range(least=8)] | None = None,
    layers: dict | None = None,
    mean: list | None = None,
    std: list | None = None,
) -> Classifier:
    """Network with fresh random weights, cut at named layers.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    name
        As timm calls it: "resnet50d", "convnext_tiny", "tf_efficientnet_b0.ap_in1k".
    input_size
        Side of the images, in pixels; the network's own by default.
    layers
        Name of each layer to the module whose output it is ("stages.0"); by default the stages
        from which timm takes feature maps.
    mean, std
        Of the pixels, per colour channel; the network's own by default, which differ between
        timm's weights.

    Returns
    -------
    Classifier whose parameters have timm's names.

    Raises
    ------
    ShapebiasError
        If timm is absent, there is no such network, or a layer's module gives no feature maps.
    """
    timm = import_package("timm")
    if not timm.is_model(name):
        raise UnknownName("network of timm", name, timm.list_models())
    try:
        network = timm.create_model(name, pretrained=False, num_classes=len(classes))
    except RuntimeError as error:
        plain, point, tag = name.partition(".")
        if not point:
            raise
        tags = [one.partition(".")[2] for one in timm.list_pretrained(f"{plain}.*")]
        raise UnknownName(f"weights of timm's {plain}", tag, tags) from error
    own = network.pretrained_cfg
    size = input_size or own["input_size"][-1]
    stages = [stage["module"] for stage in getattr(network, "feature_info", None) or []]
    return classifier(
        network,
        layers=layers,
        stages=stages or stages_of(network),
        classes=classes,
        mean=mean or own["mean"],
        std=std or own["std"],
        input_size=size,
    )
