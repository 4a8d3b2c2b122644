"""Channels of a network as one list, layer after layer, and how to share them out."""

from collections.abc import Mapping, Sequence
from typing import Any

from shapebias.errors import ShapebiasError
from shapebias.networks.classifier import Classifier


def parts_of(channels: Mapping[str, int], part: int, parts: int) -> dict[str, range]:
    """Channels of one part: a contiguous, balanced slice of the list of all channels.

    Parameters
    ----------
    channels
        Number of channels of each layer, in the network's order.
    part
        From 0.
    parts
        Number of parts; their sizes differ by one at most, and with more parts than channels some
        are empty.

    Returns
    -------
    Layer to its channels in this part; layers without any are left out.

    Raises
    ------
    ShapebiasError
        If there is no such part.
    """
    if not 0 <= part < parts:
        raise ShapebiasError(f"there is no part {part} of {parts}: parts count from 0")
    total = sum(channels.values())
    first, last = total * part // parts, total * (part + 1) // parts
    chosen, start = {}, 0
    for layer, number in channels.items():
        low, high = max(first - start, 0), min(last - start, number)
        if low < high:
            chosen[layer] = range(low, high)
        start += number
    return chosen


def chosen_channels(
    model: Classifier, channels: Mapping[str, Sequence[int]] | None
) -> dict[str, list[int]]:
    """Channels to measure by layer, in the network's order; all of them for None.

    Raises
    ------
    UnknownLayer
        If a layer is not one of the network's.
    ShapebiasError
        If a channel is not one of its layer's, or is named twice.
    """
    counts = model.channels()
    if channels is None:
        return {layer: list(range(number)) for layer, number in counts.items()}
    for layer, numbers in channels.items():
        model.check_layer(layer)
        wrong = [number for number in numbers if not 0 <= number < counts[layer]]
        if wrong:
            raise ShapebiasError(f"layer {layer} has channels 0 to {counts[layer] - 1}: {wrong[0]}")
        if len(set(numbers)) != len(numbers):
            raise ShapebiasError(f"a channel of layer {layer} is named twice")
    return {layer: list(channels[layer]) for layer in counts if len(channels.get(layer, ()))}


def channels_of_part(model: Classifier, part: int, settings: Mapping[str, Any]) -> dict[str, range]:
    """Channels of one part of a network's named layers.

    Parameters
    ----------
    part
        From 0; the parts of the first group of layers come first.
    settings
        Of a study's measurement: `layers`, all where it is absent; `layer_groups`, the number of
        groups of neighbouring layers, as even as can be, of which some are empty where there are
        fewer layers; `parts` of each group.

    Raises
    ------
    UnknownLayer
        If a layer is not one of the network's.
    ShapebiasError
        If there is no such part.
    """
    counts, parts, groups = model.channels(), settings["parts"], settings["layer_groups"]
    layers = settings.get("layers", model.layers)
    for layer in layers:
        model.check_layer(layer)
    if not 0 <= part < parts * groups:
        raise ShapebiasError(f"there is no part {part} of {parts * groups}: parts count from 0")
    group, part = divmod(part, parts)
    wanted = [layer for layer in counts if layer in layers]
    together = wanted[len(wanted) * group // groups : len(wanted) * (group + 1) // groups]
    return parts_of({layer: counts[layer] for layer in together}, part, parts)
