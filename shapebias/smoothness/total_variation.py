"""Total variation of two-dimensional maps."""

from jaxtyping import Float
from torch import Tensor


def total_variation(maps: Float[Tensor, "*map row column"]) -> Float[Tensor, "*map"]:
    """Sum the absolute differences between vertical and between horizontal neighbours.

    Anisotropic (beta = 1) and not divided by the area, in the unit of the map.

    References
    ----------
    .. [1] Rudin, Osher & Fatemi (1992). Nonlinear total variation based noise removal algorithms.
       Physica D 60. :DOI:`10.1016/0167-2789(92)90242-F`

    Examples
    --------
    >>> import torch
    >>> edge = torch.tensor([[0.0, 2.0], [0.0, 2.0], [0.0, 2.0]])
    >>> total_variation(edge)
    tensor(6.)
    """
    vertical = maps.diff(dim=-2).abs().sum(dim=(-2, -1))
    horizontal = maps.diff(dim=-1).abs().sum(dim=(-2, -1))
    return vertical + horizontal
