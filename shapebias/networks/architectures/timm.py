"""Any of timm's networks, by its name; timm is an optional package."""

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Annotated, Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from shapebias.errors import ShapebiasError, UnknownName, UnsupportedInputSize, first_line
from shapebias.networks.architectures._timm_settings import setting_error
from shapebias.networks.classifier import Classifier
from shapebias.networks.optional_packages import import_package
from shapebias.networks.wrapping.output_check import check_output
from shapebias.networks.wrapping.split import stages_of
from shapebias.networks.wrapping.wrap import wrap_network
from shapebias.ranges import Range

# timm imports torchvision, whose import must be prepared by this module first.
from shapebias.torchvision_import import torchvision  # noqa: F401


def build(
    *,
    classes: list,
    name: str,
    settings: dict | None = None,
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
        timm's name: "resnet50d", "convnext_tiny", "tf_efficientnet_b0.ap_in1k".
    settings
        Further keywords of timm's for the network: {patch_size: 8, depth: 6} of a transformer.
        Those of classes, colours, sizes and published weights are set by the workflow.
    input_size
        Side of the images, in pixels; the network's own by default. A transformer is built for it.
    layers
        Name of each layer to the module whose output it is ("stages.0"); by default the stages
        from which timm takes feature maps, all blocks of a plain vision transformer.
    mean, std
        Of the pixels, per colour channel; by default those of the weights that timm publishes
        under the name.

    Returns
    -------
    Classifier whose parameters have timm's names.

    Raises
    ------
    ShapebiasError
        If timm is absent, there is no such network, it does not accept these settings, or a
        layer's module does not give feature maps.

    Notes
    -----
    Patch tokens form the feature map. Class, distillation and register tokens are not part of it,
    but are ablated with the channel. A network that torch.fx cannot trace is read through forward
    hooks.
    """
    timm = import_package("timm")
    if not timm.is_model(name):
        raise UnknownName("network of timm", name, timm.list_models())
    if error := setting_error(settings or {}):
        raise ShapebiasError(f"architectures/timm: settings: {error}")
    published = _published(timm, name)
    usual_size = published.input_size[-1]
    size = input_size or usual_size
    make = partial(timm.create_model, name, pretrained=False, num_classes=len(classes))
    network = _create(partial(make, **(settings or {})), name, size, is_usual=size == usual_size)
    check_output(network, len(classes), size, name)
    channels = _channels_of_stages(network)
    return wrap_network(
        network,
        layers=layers,
        stages=channels or stages_of(network),
        channels=channels,
        orders=_token_orders(network),
        classes=classes,
        mean=mean or list(published.mean),
        std=std or list(published.std),
        input_size=size,
    )


def _published(timm: ModuleType, name: str) -> Any:
    """Timm's description of a network's published weights, or of its first ones."""
    network, point, tag = name.partition(".")
    if point:
        tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{network}.*")]
        if tag not in tags:
            raise UnknownName(f"weights of timm's {network}", tag, tags)
    return timm.get_pretrained_cfg(name)


def _create(make: Callable[..., nn.Module], name: str, size: int, *, is_usual: bool) -> nn.Module:
    try:
        if not is_usual:
            # Networks without a fixed size do not accept the keyword.
            with suppress(TypeError):
                return make(img_size=size)
        return make()
    except (TypeError, KeyError, AttributeError) as error:
        raise ShapebiasError(
            f"architectures/timm: {name} does not accept these settings: {first_line(error)}"
        ) from error
    except (RuntimeError, ValueError, AssertionError, ArithmeticError, IndexError) as error:
        raise UnsupportedInputSize(
            f"architectures/timm: {name} cannot be built for {size} pixels with these settings: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error


def _channels_of_stages(network: nn.Module) -> dict[str, int]:
    """Number of channels of each stage; empty if timm's description does not fit the modules."""
    stages = getattr(network, "feature_info", None) or []
    channels = {stage["module"]: stage["num_chs"] for stage in stages}
    modules = dict(network.named_modules())
    # Each stage is one module below the network itself.
    fits = len(channels) == len(stages) and all(path and path in modules for path in channels)
    return channels if fits else {}


def _token_orders(network: nn.Module) -> dict[str, Int[Tensor, "..."]]:
    """Tokens in the order of their positions, in a network (Hiera) that stores them by windows."""
    if not hasattr(network, "reroll"):
        return {}
    sizes = {block: math.prod(size) for block, (_, size) in network.reroll.schedule.items()}
    return {
        f"blocks.{block}": network.reroll(torch.arange(n_tokens)[None, :, None], block)
        for block, n_tokens in sizes.items()
    }
