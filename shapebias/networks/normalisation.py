"""Check that pixels are normalised once: by `mean` and `std`, or inside the network."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.weights.align import PIXEL_CONSTANTS

Colours = Float[Tensor, "3"]
IMAGENET = (torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225]))


def check_normalised_once(network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise `ShapebiasError` if a network would normalise its input a second time.

    Parameters
    ----------
    network
        From normalised images to class scores.
    mean, std
        With which its input is normalised, per colour channel, of pixels in [0, 1].

    Raises
    ------
    ShapebiasError
        If `inner_normalisation` finds constants in the network although `mean` and `std` are not
        0 and 1; torchvision's `transform_input` is allowed after ImageNet's `mean` and `std`.
    """
    outer = _as_colours(list(mean)), _as_colours(list(std))
    if _is_identity(*outer) or (_transforms_input(network) and _is_close(outer, IMAGENET)):
        return
    if inner := inner_normalisation(network):
        raise ShapebiasError(
            f"{type(network).__name__} normalises its input itself (mean {rounded(inner[0])}, std "
            f"{rounded(inner[1])}): set `mean` to [0, 0, 0] and `std` to [1, 1, 1], or use a "
            "network that does not"
        )


def inner_normalisation(network: nn.Module) -> tuple[Colours, Colours] | None:
    """Mean and std with which a network normalises its input; None if it holds no such constants.

    Notes
    -----
    Constants are recognised by name: tensors, lists or tuples of three numbers under a pair of
    names in `PIXEL_CONSTANTS`, as in torchvision, robustness and robustbench, or the first two
    tensors of three numbers in a module called `normalize`, `normalizer` or the like that is not
    trained. Constants of 0 and 1 are passed over. ASSUME that a network without such constants
    does not normalise its input.

    Examples
    --------
    >>> network = nn.Sequential(nn.Identity(), nn.Conv2d(3, 8, 3))
    >>> network[0].mean, network[0].std = [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]
    >>> inner_normalisation(network)
    (tensor([0.5000, 0.5000, 0.5000]), tensor([0.2500, 0.2500, 0.2500]))
    """
    if _transforms_input(network):
        # From ImageNet's mean and std to 0.5, for weights that were trained with 0.5.
        return (0.5 - IMAGENET[0]) / IMAGENET[1], 0.5 / IMAGENET[1]
    for path, module in network.named_modules():
        inner = _named_constants(module)
        name = f"{path.rpartition('.')[2]} {type(module).__name__}".lower()
        if inner is None and "normali" in name:
            inner = _first_constants(module)
        if inner and not _is_identity(*inner):
            return inner
    return None


def combined_normalisation(
    network: nn.Module, mean: Sequence[float], std: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Mean and std of `mean` and `std` followed by the network's own normalisation."""
    inner = inner_normalisation(network)
    if inner is None:
        return list(mean), list(std)
    outer_mean, outer_std = (torch.tensor(values, device="cpu") for values in (mean, std))
    return (outer_mean + outer_std * inner[0]).tolist(), (outer_std * inner[1]).tolist()


def rounded(values: Sequence[float] | Colours) -> list[float]:
    """Values to six digits, for messages."""
    return [round(float(value), 6) for value in values]


def _named_constants(module: nn.Module) -> tuple[Colours, Colours] | None:
    for names in PIXEL_CONSTANTS:
        mean, std = (_as_colours(getattr(module, name, None)) for name in names)
        if mean is not None and std is not None:
            return mean, std
    return None


def _first_constants(module: nn.Module) -> tuple[Colours, Colours] | None:
    parameters = dict(module.named_parameters(recurse=False))
    if any(parameter.requires_grad for parameter in parameters.values()):
        return None
    values = {**vars(module), **parameters, **dict(module.named_buffers(recurse=False))}.values()
    tensors = [_as_colours(value) for value in values if isinstance(value, Tensor)]
    constants = [tensor for tensor in tensors if tensor is not None]
    return (constants[0], constants[1]) if len(constants) > 1 else None


def _as_colours(value: object) -> Colours | None:
    """Three numbers as a tensor; None for anything else."""
    if isinstance(value, Tensor):
        is_colours = value.numel() == 3 and value.is_floating_point() and not value.is_meta
        return value.detach().flatten().float().cpu() if is_colours else None
    if not isinstance(value, list | tuple) or len(value) != 3:
        return None
    numbers = all(isinstance(number, int | float) for number in value)
    return torch.tensor(value, device="cpu").float() if numbers else None


def _transforms_input(network: nn.Module) -> bool:
    """Whether a network of torchvision's (GoogLeNet, Inception v3) renormalises its input."""
    return getattr(network, "transform_input", False) is True


def _is_identity(mean: Colours, std: Colours) -> bool:
    return not mean.any() and bool((std == 1).all())


def _is_close(first: tuple[Colours, Colours], second: tuple[Colours, Colours]) -> bool:
    return all(torch.allclose(*pair, atol=1e-3) for pair in zip(first, second, strict=True))
