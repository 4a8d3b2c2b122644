"""Controls of a network that have learnt nothing: what its channels would detect by chance."""

import torch
from torch import nn

from shapebias.errors import UnknownName
from shapebias.networks.classifier import Classifier

CONTROLS = ("random", "shuffled")


def randomise_weights(model: Classifier, kind: str, *, seed: int) -> None:
    """Replace a network's weights, on the CPU, by those of its control.

    Parameters
    ----------
    model
        Network whose weights are replaced.
    kind
        "random": every module draws its first weights anew, batch norms begin with mean 0 and
        variance 1; weights of modules that cannot draw theirs are shuffled. "shuffled": the values
        of every weight, bias, mean and variance are permuted within their tensor.
    seed
        Of the draws and permutations.

    Raises
    ------
    UnknownName
        For another kind.
    """
    if kind not in CONTROLS:
        raise UnknownName("control", kind, CONTROLS)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in model.network.modules():
            if kind == "random" and hasattr(module, "reset_parameters"):
                module.reset_parameters()
            else:
                _shuffle(module)


def _shuffle(module: nn.Module) -> None:
    """Permute the values within each of a module's own tensors."""
    for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        order = torch.randperm(tensor.numel())
        tensor.copy_(tensor.flatten()[order].view_as(tensor))
