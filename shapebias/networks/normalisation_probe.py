"""What a network does to pixels before its first weights, found by running it on plain colours."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import permutations

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shapebias.networks.eval_mode import eval_mode
from shapebias.weights.unwrap import ROLES

# Black, the three colours, grey and white: more than an affine map of each colour has unknowns.
COLOURS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0.5), (1, 1, 1))
# Of a change, as a share of its range.
TOLERANCE = 1e-3
# Scale and shift of each colour.
Change = tuple[Float64[Tensor, " colour"], Float64[Tensor, " colour"]]
UNCHANGED: Change = (torch.ones(3).double(), torch.zeros(3).double())
# Of constants that are taken off images, rows and columns first or last.
SHAPES = ((3, 1, 1), (1, 3, 1, 1), (1, 1, 3), (1, 1, 1, 3))


def own_scale_and_shift(
    network: nn.Module, mean: Sequence[float], std: Sequence[float], size: int
) -> Change:
    """Scale and shift of each colour by a network, before its first weights; 1 and 0 for none.

    Of colours as the network is given them; but of bare ones where it does not change those evenly,
    as where it first keeps pixels in [0, 1].
    """
    weight = next(network.parameters(), torch.zeros(()))
    if weight.is_meta:
        return UNCHANGED
    colours = torch.tensor(COLOURS, device=weight.device)
    normalised = (colours - colours.new_tensor(mean)) / colours.new_tensor(std)
    change, is_even = _change_of(network, normalised, size)
    return change if is_even else _change_of(network, colours, size)[0]


def _change_of(
    network: nn.Module, colours: Float[Tensor, "image colour"], size: int
) -> tuple[Change, bool]:
    """What a network does to plain colours, and whether nothing else happens to them after it."""
    images = colours[:, :, None, None].expand(-1, -1, size, size).contiguous()
    watching = _UpToWeights(images, _constants(network))
    reached = None
    # What cannot be run alone is judged by others.
    with suppress(Exception):
        try:
            with eval_mode(network), torch.no_grad(), watching:
                network(watching.image)
        except _Reached as met:
            reached = met.pixels
    return watching.change_of(reached)


class _Reached(Exception):
    """The first operation with weights, and the pixels that it is given."""

    def __init__(self, pixels: Tensor):
        super().__init__()
        self.pixels = pixels


class _UpToWeights(TorchDispatchMode):
    """Within this context a network runs up to its first operation with weights.

    Parameters
    ----------
    image
        One image a colour; what becomes of them is followed.
    constants
        Numbers of parameters (`id`) that are no weights.
    """

    def __init__(self, image: Tensor, constants: set[int]):
        super().__init__()
        self.constants = constants
        self.image = image
        self.before = image[:, :, 0, 0].double().cpu()
        # Each with what it was made from. The tensors are kept, so that no other one gets a number
        # that was in use.
        self.pixels: dict[int, tuple[Tensor, Tensor | None]] = {id(image): (image, None)}
        self.weights: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation, and note what it makes of pixels or of weights."""
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        seen = [one for one in given if id(one) in self.pixels]
        learnt = any(
            (isinstance(one, nn.Parameter) and id(one) not in self.constants)
            or id(one) in self.weights
            for one in given
        )
        if seen and learnt:
            raise _Reached(seen[0])
        result = func(*args, **(kwargs or {}))
        for one in tree_leaves(result):
            if seen and isinstance(one, Tensor):
                self.pixels.setdefault(id(one), (one, seen[0]))
            elif learnt and isinstance(one, Tensor):
                self.weights[id(one)] = one
        return result

    def change_of(self, made: Tensor | None) -> tuple[Change, bool]:
        """Scale and shift of the last tensor on the way to one that has the colours apart.

        And whether all that follows it leaves them apart nowhere.
        """
        is_even = True
        while made is not None:
            tables = list(_colours(made, len(self.before)))
            for colours in tables:
                if change := self._change(colours):
                    return change, is_even
            is_even = is_even and not tables
            made = self.pixels[id(made)][1]
        return UNCHANGED, True

    def _change(self, colours: Float64[Tensor, "image colour"]) -> Change | None:
        """Scale and shift of each colour; None where that is not what was done.

        The colours may have changed places, as where blue comes first.
        """
        for order in map(list, permutations(range(3))):
            before = self.before[:, order]
            scale = (colours[-1] - colours[0]) / (before[-1] - before[0])
            shift = colours[0] - scale * before[0]
            error = (colours - (scale * before + shift)).abs().amax()
            most = TOLERANCE * (colours[-1] - colours[0]).abs().amax()
            if (scale != 0).all() and error <= most:
                places = torch.tensor(order).argsort()
                return scale[places], shift[places]
        return None


def _constants(network: nn.Module) -> set[int]:
    """Numbers of the parameters that stand for means and deviations of the three colours.

    Those that nothing trains, that are shaped to be taken off images, or that are named so.
    """
    return {
        id(one)
        for name, one in network.named_parameters()
        if one.numel() <= 3
        and (
            not one.requires_grad
            or tuple(one.shape) in SHAPES
            or name.rpartition(".")[2].strip("_") in ROLES
        )
    }


def _colours(made: Tensor, number: int) -> Iterator[Float64[Tensor, "image colour"]]:
    """Colours in the middle of images, along each axis that may be theirs.

    Images may be in patches, along axes of their own or among the images.
    """
    if made.ndim < 4 or len(made) % number or not made.is_floating_point():
        return
    images = made.unflatten(0, (number, -1))
    for axis in range(2, images.ndim):
        if images.shape[axis] == 3:
            middle = images.movedim(axis, -1)
            while middle.ndim > 2:
                middle = middle.select(1, middle.shape[1] // 2)
            yield middle.double().cpu()
