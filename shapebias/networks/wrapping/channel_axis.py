"""Axes of a module's output along which single weights act at single places, as biases do."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from shapebias.networks.activation_layout import Layout

# Places along an axis that are tried: where a channel is dead, others tell.
PLACES = 4


def channel_axis_by_gradient(
    run: Callable[..., None],
    weights: Mapping[str, Tensor],
    layout: Layout,
    image: Sequence[int],
    axes: Iterable[int],
) -> set[int]:
    """Axes at each of whose places a row of weights acts that acts nowhere else along them.

    Parameters
    ----------
    run
        Called with what is to be told the name and the output of the module, an image, and with
        the keywords `weights` and `given`: what stands in for weights and for the module's inputs.
    weights
        Those that may act. Others, drawn at random, stand in for them, as they may be zeros yet.
    layout
        Says which of the module's outputs is meant.
    image
        Shape of the image.
    axes
        Those that are in question.
    """
    generator = torch.Generator().manual_seed(0)
    drawn = {name: _drawn(value, generator).requires_grad_() for name, value in weights.items()}
    outputs: list[Tensor] = []

    def note(_: str, given: Any) -> None:
        outputs.append(layout.select(given))

    def given(value: Tensor) -> Tensor:
        # What depends on the weights already must go on doing so.
        unlike = value.is_floating_point() and not value.requires_grad
        return torch.randn(value.shape, generator=generator) if unlike else value

    with torch.enable_grad():
        run(note, torch.rand(*image, generator=generator), weights=drawn, given=given)
        return {axis for axis in axes if _acts_alone(outputs[-1], axis, list(drawn.values()))}


def _drawn(value: Tensor, generator: torch.Generator) -> Tensor:
    inputs = value.numel() // len(value) if value.ndim > 1 else 1
    return torch.randn(value.shape, generator=generator) / inputs**0.5


def _acts_alone(output: Tensor, axis: int, weights: list[Tensor]) -> bool:
    number = output.shape[axis]
    places = sorted({number * n // PLACES for n in range(PLACES)})
    alone, acting = set(range(len(weights))), [0] * len(weights)
    for place in places:
        wanted = torch.zeros_like(output)
        wanted.select(axis, place).fill_(1.0)
        slopes = torch.autograd.grad(output, weights, wanted, retain_graph=True, allow_unused=True)
        for n in sorted(alone):
            rows = _acting_rows(slopes[n], number)
            acting[n] += rows == [place]
            if rows not in ([], [place]):
                alone.discard(n)
    return any(acting[n] > 1 for n in alone)


def _acting_rows(slope: Tensor | None, number: int) -> list[int] | None:
    """Rows of a gradient that are not zero; None where they are not as many as places."""
    if slope is None or slope.ndim == 0 or len(slope) != number:
        return None
    return (slope != 0).reshape(number, -1).any(dim=1).nonzero().flatten().tolist()
