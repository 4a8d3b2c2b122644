"""What a network does to pixels before its first weights, found by running it on plain colours."""

from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shapebias.errors import ShapebiasError

# Black, the three colours, grey and white: more than an affine map of each colour has unknowns.
COLOURS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0.5), (1, 1, 1))
# Of a change, as a share of its range.
TOLERANCE = 1e-3
# Scale and shift of each colour.
Change = tuple[Float64[Tensor, " colour"], Float64[Tensor, " colour"]]
UNCHANGED: Change = (torch.ones(3).double(), torch.zeros(3).double())
# Usual scales of pixels: in [0, 1], and levels. The means of photos and the deviations by which
# they are divided, of pixels in [0, 1]; or nothing is taken off.
SCALES, MEANS, DEVIATIONS = (1.0, 255.0), (0.25, 0.65), (0.15, 1.05)


def check_normalised_once(
    network: nn.Module, mean: Sequence[float], std: Sequence[float], size: int
) -> None:
    """Raise `ShapebiasError` where pixels would be normalised twice.

    Parameters
    ----------
    network
        From images that were normalised to class scores; run in eval mode up to the first operation
        with weights, and left as it is.
    mean, std
        With which they were normalised, per colour channel, of pixels in [0, 1].
    size
        Side of the images, in pixels.

    Raises
    ------
    ShapebiasError
        If the network itself changes each colour by a scale and a shift, `mean` and `std` are not 0
        and 1, and both together are no plausible normalisation.

    Notes
    -----
    Both together take a mean m off a pixel and divide it by s. That is plausible where m is 0 or a
    mean that photos have, in [0.25, 0.65], and s is in [0.15, 1.05], or 255 times smaller for
    networks of levels: true of every published one, and of those that undo a normalisation for
    another, as GoogLeNet and Inception do; but not of ImageNet's or of halves done twice, nor of
    one after the other. What is no map of single colours, or comes after the first weights, is not
    judged.
    """
    if not any(mean) and all(one == 1 for one in std):
        return
    scale, shift = own_scale_and_shift(network, mean, std, size)
    if (scale - 1).abs().amax() <= TOLERANCE and shift.abs().amax() <= TOLERANCE:
        return
    taken_off = torch.tensor(mean).double() - torch.tensor(std).double() * shift / scale
    divided_by = torch.tensor(std).double() / scale
    if not _is_plausible(taken_off, divided_by):
        raise ShapebiasError(
            f"{type(network).__name__} normalises by itself, to mean {_shown(taken_off)} and "
            f"std {_shown(divided_by)} together with those given: give it mean [0, 0, 0] and std "
            "[1, 1, 1], or a network that does not"
        )


def own_scale_and_shift(
    network: nn.Module, mean: Sequence[float], std: Sequence[float], size: int
) -> Change:
    """Scale and shift of each colour by a network, before its first weights; 1 and 0 for none."""
    weight = next(network.parameters(), torch.zeros(()))
    if weight.is_meta:
        return UNCHANGED
    colours = torch.tensor(COLOURS, device=weight.device)
    normalised = (colours - colours.new_tensor(mean)) / colours.new_tensor(std)
    watching = _UpToWeights(normalised[:, :, None, None].expand(-1, -1, size, size).contiguous())
    training = network.training
    reached = None
    try:
        with torch.no_grad(), watching:
            network.eval()(watching.image)
    except _Reached as met:
        reached = met.pixels
    # What cannot be run alone is judged by others.
    except Exception:
        reached = None
    finally:
        network.train(training)
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
    """

    def __init__(self, image: Tensor):
        super().__init__()
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
        learnt = any(_is_learnt(one) or id(one) in self.weights for one in given)
        if seen and learnt:
            raise _Reached(seen[0])
        result = func(*args, **(kwargs or {}))
        for one in tree_leaves(result):
            if seen and isinstance(one, Tensor):
                self.pixels.setdefault(id(one), (one, seen[0]))
            elif learnt and isinstance(one, Tensor):
                self.weights[id(one)] = one
        return result

    def change_of(self, made: Tensor | None) -> Change:
        """Scale and shift of the last tensor on the way to one that has the colours apart."""
        while made is not None:
            if change := self._change(made):
                return change
            made = self.pixels[id(made)][1]
        return UNCHANGED

    def _change(self, made: Tensor) -> Change | None:
        """Scale and shift of each colour; None where that is not what was done."""
        colours = _colours(made, len(self.before))
        if colours is None:
            return None
        scale = (colours[-1] - colours[0]) / (self.before[-1] - self.before[0])
        shift = colours[0] - scale * self.before[0]
        error = (colours - (scale * self.before + shift)).abs().amax()
        affine = (scale != 0).all() and error <= TOLERANCE * (colours[-1] - colours[0]).abs().amax()
        return (scale, shift) if affine else None


def _is_learnt(value: Tensor) -> bool:
    # Constants of three colours are parameters at times, which nothing trains.
    return isinstance(value, nn.Parameter) and (value.requires_grad or value.numel() > 3)


def _colours(made: Tensor, number: int) -> Tensor | None:
    """Colours in the middle of images; None for anything else."""
    if made.ndim != 4 or len(made) != number or not made.is_floating_point():
        return None
    if made.shape[1] == 3:
        return made[:, :, made.shape[2] // 2, made.shape[3] // 2].double().cpu()
    if made.shape[3] == 3:
        return made[:, made.shape[1] // 2, made.shape[2] // 2].double().cpu()
    return None


def _is_plausible(mean: Tensor, std: Tensor) -> bool:
    low, high = MEANS
    means = (mean.abs() <= TOLERANCE).all() or ((mean >= low) & (mean <= high)).all()
    low, high = DEVIATIONS
    stds = any(((std * by >= low) & (std * by <= high)).all() for by in SCALES)
    return bool(means) and stds


def _shown(values: Tensor) -> list[float]:
    return [round(value, 3) for value in values.tolist()]
