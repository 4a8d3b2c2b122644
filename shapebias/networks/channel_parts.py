"""Divide the channels of a network, listed layer after layer, into parts."""

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
        Number of parts. Their sizes differ by at most one; with more parts than channels, some
        are empty.

    Returns
    -------
    Layer to its channels in this part; layers without any are left out.

    Raises
    ------
    ShapebiasError
        If `part` is not at least 0 and below `parts`.

    Examples
    --------
    >>> parts_of({"conv1": 4, "conv2": 6}, part=1, parts=3)
    {'conv1': range(3, 4), 'conv2': range(0, 2)}
    """
    _check_part(part, parts)
    total = sum(channels.values())
    first, last = total * part // parts, total * (part + 1) // parts
    ranges, offset = {}, 0
    for layer, n_channels in channels.items():
        low, high = max(first - offset, 0), min(last - offset, n_channels)
        if low < high:
            ranges[layer] = range(low, high)
        offset += n_channels
    return ranges


def _check_part(part: int, parts: int) -> None:
    if not 0 <= part < parts:
        raise ShapebiasError(f"part {part} does not exist: parts are numbered 0 to {parts - 1}")


def chosen_channels(
    model: Classifier, channels: Mapping[str, Sequence[int]] | None
) -> dict[str, list[int]]:
    """Channels to measure by layer, in the network's order; all of them for None.

    Raises
    ------
    UnknownLayer
        If the network has no layer of a given name.
    ShapebiasError
        If a layer has no channel of a given number, or a channel is named twice.
    """
    counts = model.channels()
    if channels is None:
        return {layer: list(range(n_channels)) for layer, n_channels in counts.items()}
    for layer, numbers in channels.items():
        model.check_layer(layer)
        unknown = [number for number in numbers if not 0 <= number < counts[layer]]
        if unknown:
            raise ShapebiasError(
                f"layer {layer} has no channel {unknown[0]}: "
                f"its channels are 0 to {counts[layer] - 1}"
            )
        if len(set(numbers)) != len(numbers):
            raise ShapebiasError(f"a channel of layer {layer} is named twice; name each once")
    return {layer: list(channels[layer]) for layer in counts if len(channels.get(layer, ()))}


def channels_of_part(model: Classifier, part: int, settings: Mapping[str, Any]) -> dict[str, range]:
    """Channels of one part of a network's named layers.

    Parameters
    ----------
    part
        From 0; the parts of the first group of layers come first.
    settings
        Of a study's measurement: `layers`, all where absent; `layer_groups`, the number of
        groups of neighbouring layers, of sizes that differ by at most one, some of them empty
        where there are fewer layers; `parts` of each group.

    Raises
    ------
    UnknownLayer
        If the network has no layer of a given name.
    ShapebiasError
        If there is no such part.
    """
    counts, parts, n_groups = model.channels(), settings["parts"], settings["layer_groups"]
    names = settings.get("layers", model.layers)
    for layer in names:
        model.check_layer(layer)
    _check_part(part, parts * n_groups)
    group, part = divmod(part, parts)
    layers = [layer for layer in counts if layer in names]
    first, last = len(layers) * group // n_groups, len(layers) * (group + 1) // n_groups
    return parts_of({layer: counts[layer] for layer in layers[first:last]}, part, parts)
