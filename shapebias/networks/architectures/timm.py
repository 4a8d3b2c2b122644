"""Any of timm's networks, by its name; timm is an optional package."""

import math
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from shapebias.errors import ShapebiasError, UnknownName, UnsupportedInputSize, first_line
from shapebias.networks.architectures._timm_settings import setting_error
from shapebias.networks.classifier import Classifier
from shapebias.networks.optional_packages import import_package
from shapebias.networks.wrapping.output_check import check_output
from shapebias.networks.wrapping.split import stages_of
from shapebias.networks.wrapping.wrap import wrap_network
from shapebias.ranges import Range

# Imported first, so that timm can import torchvision beside a CPU-only torch.
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
    """Network with fresh random weights and named layers.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    name
        As timm calls it: "resnet50d", "convnext_tiny", "tf_efficientnet_b0.ap_in1k".
    settings
        Further keywords of timm's own for the network: {patch_size: 8, depth: 6} of a transformer.
        Those of classes, colours, sizes and published weights are the workflow's.
    input_size
        Side of the images, in pixels; the network's own by default. A transformer is built for it.
    layers
        Name of each layer to the module whose output it is ("stages.0"); by default the stages
        from which timm takes feature maps, all blocks of a plain vision transformer.
    mean, std
        Of the pixels, per colour channel; the network's own by default, which differ between
        timm's weights.

    Returns
    -------
    Classifier whose parameters have timm's names.

    Raises
    ------
    ShapebiasError
        If timm is absent, there is no such network or none of these settings, or a layer's module
        gives no feature maps.

    Notes
    -----
    Tokens are the places of a map; those of class, distillation and registers are no part of it,
    but silent with the others. A network that cannot be cut at its layers is watched by hooks.
    """
    timm = import_package("timm")
    if not timm.is_model(name):
        raise UnknownName("network of timm", name, timm.list_models())
    if wrong := setting_error(settings or {}):
        raise ShapebiasError(f"architectures/timm: settings: {wrong}")
    own = _published(timm, name)
    size = input_size or own.input_size[-1]
    network = _network(timm, name, len(classes), size, own.input_size[-1], settings or {})
    check_output(network, len(classes), size, name)
    # A network whose description fits its modules tells its stages, each of them once.
    told = [(one["module"], one["num_chs"]) for one in getattr(network, "feature_info", None) or []]
    channels = dict(told)
    fits = len(channels) == len(told) and all(map(dict(network.named_modules()).get, channels))
    channels = channels if fits and "" not in channels else {}
    return wrap_network(
        network,
        layers=layers,
        stages=channels or stages_of(network),
        channels=channels,
        orders=_orders(network),
        classes=classes,
        mean=mean or list(own.mean),
        std=std or list(own.std),
        input_size=size,
    )


def _published(timm: ModuleType, name: str) -> Any:
    """What timm says of a network's published weights, or of its first ones."""
    plain, point, tag = name.partition(".")
    tags = [one.partition(".")[2] for one in timm.list_pretrained(f"{plain}.*")] if point else []
    if point and tag not in tags:
        raise UnknownName(f"weights of timm's {plain}", tag, tags)
    return timm.get_pretrained_cfg(name)


def _network(
    timm: ModuleType, name: str, n_classes: int, size: int, own_size: int, settings: dict[str, Any]
) -> nn.Module:
    make = partial(timm.create_model, name, pretrained=False, num_classes=n_classes)
    try:
        if size != own_size:
            # Those that have a size of their own must be told.
            with suppress(TypeError):
                return make(img_size=size, **settings)
        return make(**settings)
    except (TypeError, KeyError, AttributeError) as error:
        raise ShapebiasError(
            f"architectures/timm: {name} takes no such settings: {first_line(error)}"
        ) from error
    # Of a size that cannot be, others tell the least that can.
    except (RuntimeError, ValueError, AssertionError, ArithmeticError, IndexError) as error:
        raise UnsupportedInputSize(
            f"architectures/timm: {name} cannot be made for {size} pixels with these settings: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error


def _orders(network: nn.Module) -> dict[str, Tensor]:
    """Tokens in the order of their places, of a network (Hiera) that keeps them by windows."""
    if not hasattr(network, "reroll"):
        return {}
    sizes = {block: math.prod(size) for block, (_, size) in network.reroll.schedule.items()}
    return {
        f"blocks.{block}": network.reroll(torch.arange(number)[None, :, None], block)
        for block, number in sizes.items()
    }
