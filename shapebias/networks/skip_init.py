"""Build modules without drawing their initial weights."""

from itertools import cycle
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class SkipWeightInit(TorchFunctionMode):
    """Within this context random initial weights are not drawn, as they would be overwritten.

    Everything else that a network's construction computes, its buffers above all, is as ever,
    and torch's random numbers stay where they were.

    Notes
    -----
    `trunc_normal_` draws again what falls out of its range, until nothing does. So a tensor is
    given a likely value in place of what lay in its memory, and the next one another.
    """

    DRAWS = (
        Tensor.normal_,
        Tensor.uniform_,
        nn.init.normal_,
        nn.init.uniform_,
        nn.init.kaiming_uniform_,
        nn.init.kaiming_normal_,
    )

    # In standard deviations: any range in which a normal value falls at 3 in 10 holds one of them.
    LIKELY = (0.0, -0.52, 0.52, -1.28, 1.28)

    def __init__(self):
        super().__init__()
        self._likely = cycle(self.LIKELY)

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        """Fill a tensor with one value where it was to be filled at random."""
        keywords = keywords or {}
        if function not in self.DRAWS:
            return function(*arguments, **keywords)
        tensor, *numbers = arguments or (keywords["tensor"],)
        return self._filled(tensor, function, dict(enumerate(numbers)) | keywords)

    @torch.no_grad()
    def _filled(self, tensor: Tensor, function: Any, given: dict[int | str, Any]) -> Tensor:
        if function is Tensor.normal_:
            mean, sd = given.get("mean", given.get(0, 0.0)), given.get("std", given.get(1, 1.0))
            return tensor.fill_(mean + sd * next(self._likely))
        if function is Tensor.uniform_:
            return tensor.fill_(given.get("from", given.get(0, 0.0)))
        return tensor.zero_()
