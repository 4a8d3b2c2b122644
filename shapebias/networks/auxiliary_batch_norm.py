"""Two batch norms at every place of a network: the main one, and an auxiliary one beside it."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from shapebias.errors import ShapebiasError, UnknownName

# The name under which published programs keep it, within the main norm that it stands beside.
AUXILIARY = "aux_bn"
NORMS = ("main", "auxiliary")


def add_auxiliary_norms(network: nn.Module) -> None:
    """Give every batch norm of a network a copy of itself, for images of another distribution.

    The main norms keep their names, and are used unless `auxiliary_norms` says otherwise.

    Raises
    ------
    ShapebiasError
        If the network has no batch norm.

    References
    ----------
    .. [1] Xie et al. (2020). Adversarial examples improve image recognition. CVPR.
       :DOI:`10.1109/CVPR42600.2020.00090`
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        raise ShapebiasError(
            "advprop needs a network with batch norm, and this one has none: choose another"
            " architecture"
        )
    for norm in norms:
        norm.add_module(AUXILIARY, copy.deepcopy(norm))


@contextmanager
def auxiliary_norms(network: nn.Module) -> Iterator[None]:
    """Within this context a network normalises by its auxiliary norms."""
    _swap(network)
    try:
        yield
    finally:
        _swap(network)


def check_norm(norm: str) -> None:
    """Raise `UnknownName` unless there is such a norm."""
    if norm not in NORMS:
        raise UnknownName("batch norm", norm, NORMS)


def weights_with_norm(weights: Mapping[str, Tensor], norm: str, source: str) -> dict[str, Tensor]:
    """Weights of the plain network, whose batch norms are the main or the auxiliary ones.

    Parameters
    ----------
    weights
        Tensors by name; the auxiliary norms', if there are any, under `aux_bn` (or `aux_bn.0`)
        within the main ones.
    norm
        "main" or "auxiliary".
    source
        What the error message calls the weights.

    Raises
    ------
    ShapebiasError
        If the auxiliary norms are asked for and there are none, or several at a place.
    """
    check_norm(norm)
    plain = {key: value for key, value in weights.items() if AUXILIARY not in key.split(".")}
    if norm == "main":
        return plain
    chosen = {_main_name(key): weights[key] for key in weights.keys() - plain.keys()}
    if not chosen:
        raise ShapebiasError(f"{source} holds no auxiliary batch norms: choose the norm 'main'")
    if len(chosen) < len(weights) - len(plain):
        raise ShapebiasError(f"{source} holds several auxiliary batch norms at one place")
    return {**plain, **chosen}


def _main_name(key: str) -> str:
    """Name of a main norm's tensor from that of its auxiliary."""
    place, _, rest = key.rpartition(f".{AUXILIARY}.")
    return f"{place}.{rest.rpartition('.')[2]}"


def _swap(network: nn.Module) -> None:
    """Exchange the tensors of every main norm with those of its auxiliary."""
    for main in network.modules():
        if isinstance(main, _BatchNorm) and hasattr(main, AUXILIARY):
            other = getattr(main, AUXILIARY)
            main._parameters, other._parameters = other._parameters, main._parameters
            main._buffers, other._buffers = other._buffers, main._buffers
