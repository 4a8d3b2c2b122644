"""Randomised controls: networks without training, which show what channels detect by chance."""

import torch
from torch import nn

from shapebias.errors import UnknownName
from shapebias.networks.classifier import Classifier

CONTROLS = ("random", "shuffled")


def randomise_weights(model: Classifier, control: str, *, seed: int) -> None:
    """Replace the weights of a network, on the CPU, by those of its control [1]_.

    Parameters
    ----------
    model
        Network whose weights are replaced.
    control
        "random": every module is initialised as before training, batch norms with mean 0 and
        variance 1; tensors of modules without such a method are shuffled. "shuffled": the values of
        every weight, bias, mean and variance are permuted within their tensor.
    seed
        Seed of the initialisation and the permutations.

    Raises
    ------
    UnknownName
        If there is no such control.

    References
    ----------
    .. [1] Adebayo et al. (2018). Sanity checks for saliency maps. NeurIPS.
       :DOI:`10.48550/arXiv.1810.03292`
    """
    if control not in CONTROLS:
        raise UnknownName("control", control, CONTROLS)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in model.network.modules():
            if control == "random" and hasattr(module, "reset_parameters"):
                module.reset_parameters()
            else:
                _shuffle(module)


def _shuffle(module: nn.Module) -> None:
    """Permute the values within each tensor that a module owns itself, not through a submodule."""
    for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        order = torch.randperm(tensor.numel())
        tensor.copy_(tensor.flatten()[order].view_as(tensor))
