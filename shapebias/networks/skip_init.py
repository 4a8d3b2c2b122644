"""Build modules without drawing their initial weights."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@contextmanager
def skip_weight_init() -> Iterator[None]:
    """Skip drawing random initial weights within this context, as they would be overwritten.

    Everything else that the construction of a network computes, such as its buffers, is
    unchanged, and so is the state of torch's random generators.

    Notes
    -----
    A tensor is filled with one value instead. `trunc_normal_` draws again until all values are
    in its range, so normal values come from a generator of their own, one a tensor.

    Examples
    --------
    >>> state = torch.get_rng_state()
    >>> with skip_weight_init():
    ...     layer = nn.Linear(2, 3)
    >>> torch.equal(torch.get_rng_state(), state)
    True
    """
    with _ConstantFill():
        yield


class _ConstantFill(TorchFunctionMode):
    """Fill tensors with a constant wherever torch would fill them with random values."""

    def __init__(self):
        super().__init__()
        generator = random.Random(0)

        def normal(tensor: Tensor, mean: float = 0.0, std: float = 1.0, **_: Any) -> Tensor:
            return tensor.fill_(generator.gauss(mean, std))

        def uniform(tensor: Tensor, low: float = 0.0, *_: float, **keywords: Any) -> Tensor:
            return tensor.fill_(keywords.get("from", low))

        def zero(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
            return tensor.zero_()

        initialisers = (nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_)
        self._fills: dict[Callable, Callable[..., Tensor]] = dict.fromkeys(initialisers, zero)
        self._fills |= {Tensor.normal_: normal, Tensor.uniform_: uniform}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Replace random fills; run any other function as it is."""
        if function not in self._fills:
            return function(*args, **(kwargs or {}))
        with torch.no_grad():
            return self._fills[function](*args, **(kwargs or {}))
