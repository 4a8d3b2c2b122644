"""Networks with two batch norms at every position: the main one and an auxiliary one (AdvProp)."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain

from torch import Tensor, nn

from shapebias.errors import ShapebiasError, UnknownName

# Name of the auxiliary norm within the main one, as in published programs.
AUXILIARY = "aux_bn"
NORMS = ("main", "auxiliary")
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def add_auxiliary_norms(network: nn.Module) -> None:
    """Give every batch norm of a network a copy of itself, for images of another distribution.

    The main norms keep their names, and are used outside `auxiliary_norms`.

    Raises
    ------
    ShapebiasError
        If the network has no batch norm.

    References
    ----------
    .. [1] Xie et al. (2020). Adversarial examples improve image recognition. CVPR.
       :DOI:`10.1109/CVPR42600.2020.00090`
    """
    norms = [module for module in network.modules() if isinstance(module, BATCH_NORMS)]
    if not norms:
        raise ShapebiasError(
            f"advprop needs a network with batch norm, and {type(network).__name__} has none: "
            "choose another architecture"
        )
    for norm in norms:
        norm.add_module(AUXILIARY, copy.deepcopy(norm))


@contextmanager
def auxiliary_norms(network: nn.Module) -> Iterator[None]:
    """Normalise by the auxiliary norms within this context."""
    _swap(network)
    try:
        yield
    finally:
        _swap(network)


def check_norm(norm: str) -> None:
    """Raise `UnknownName` unless the norm is "main" or "auxiliary"."""
    if norm not in NORMS:
        raise UnknownName("batch norm", norm, NORMS)


def weights_with_norm(weights: Mapping[str, Tensor], norm: str, source: str) -> dict[str, Tensor]:
    """Weights of the plain network, with the main or the auxiliary batch norms.

    Parameters
    ----------
    weights
        Tensors by name; those of auxiliary norms, if any, under `aux_bn` (or `aux_bn.0`) within
        the main ones.
    norm
        "main" or "auxiliary".
    source
        Name of the weights in error messages.

    Raises
    ------
    UnknownName
        If `norm` is neither.
    ShapebiasError
        If the auxiliary norms are requested and there are none, or several at one position.
    """
    check_norm(norm)
    plain = {key: value for key, value in weights.items() if AUXILIARY not in key.split(".")}
    if norm == "main":
        return plain
    auxiliary = {_main_name(key): weights[key] for key in weights.keys() - plain.keys()}
    if not auxiliary:
        raise ShapebiasError(f"{source} holds no auxiliary batch norms: choose the norm 'main'")
    if len(auxiliary) < len(weights) - len(plain):
        raise ShapebiasError(
            f"{source} holds several auxiliary batch norms at one position: choose the norm 'main'"
        )
    return {**plain, **auxiliary}


def _main_name(key: str) -> str:
    """Name of a main norm's tensor from the name of its auxiliary."""
    norm, _, tensor = key.rpartition(f".{AUXILIARY}.")
    return f"{norm}.{tensor.rpartition('.')[2]}"


def _swap(network: nn.Module) -> None:
    """Exchange the tensors of every main norm with those of its auxiliary norm."""
    for main in network.modules():
        if isinstance(main, BATCH_NORMS) and hasattr(main, AUXILIARY):
            auxiliary = getattr(main, AUXILIARY)
            tensors = chain(main.named_parameters(recurse=False), main.named_buffers(recurse=False))
            for name, tensor in list(tensors):
                other = getattr(auxiliary, name)
                setattr(main, name, other)
                setattr(auxiliary, name, tensor)
