"""Convolutions of 3×3 on maps of one or two pixels a side, in a quarter of the products.

Most of such a kernel's reach is padding. On a row of two pixels x0, x1 three weights w0, w1, w2
give w1 x0 + w2 x1 and w0 x0 + w1 x1: four products, or three, as both hold w1 (x0 + x1). In both
directions that is nine instead of the thirty-six of the convolution with its padding.
"""

from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from shapebias.networks.folded.onednn import packed_matrix, times

# By a map's side: sums of pixels that are multiplied, by which sums of weights, and which sums of
# the products give the output. Winograd (1980), Arithmetic complexity of computations.
SUMS = {
    1: ([[1]], [[0, 1, 0]], [[1]]),
    2: (
        [[1, 1], [0, 1], [1, 0]],
        [[0, 1, 0], [0, -1, 1], [1, -1, 0]],
        [[1, 1, 0], [1, 0, 1]],
    ),
}
# Multiplications in one product below which the call of a packed one takes longer than the product.
FEW_PRODUCTS = 2**20


class SmallMap:
    """One convolution on maps of one size.

    Parameters
    ----------
    weight
        (out, in, 3, 3), float32 on the processor.
    side
        Of the maps, in pixels.
    """

    def __init__(self, weight: Float[Tensor, "out in 3 3"], side: int):
        pixels, weights, products = (torch.tensor(one).float() for one in SUMS[side])
        self._side = side
        self._pixels, self._products = torch.kron(pixels, pixels), torch.kron(products, products)
        taps = weight.permute(2, 3, 0, 1).reshape(9, -1)
        summed = torch.kron(weights, weights) @ taps
        self._matrices = summed.view(-1, *weight.shape[:2])

    @staticmethod
    def serves(shape: nn.Conv2d, images: torch.Size) -> bool:
        """Whether images of a shape can be convolved so."""
        usual = (shape.kernel_size, shape.stride, shape.padding, shape.dilation)
        square = images[2] == images[3] and images[2] in SUMS
        return square and usual == ((3, 3), (1, 1), (1, 1), (1, 1))

    def output(self, images: Tensor) -> Tensor:
        """Output of the convolution."""
        return self._summed(images, self._pixels, self._products, backwards=False)

    def gradient(self, gradient: Tensor) -> Tensor:
        """Gradient by the images, from that by the output."""
        return self._summed(gradient, self._products.t(), self._pixels.t(), backwards=True)

    def _summed(self, maps: Tensor, before: Tensor, after: Tensor, *, backwards: bool) -> Tensor:
        places = maps.permute(2, 3, 0, 1).reshape(self._side**2, -1)
        mixed = (before @ places).view(len(before), len(maps), -1)
        found = self._multiplied(mixed, backwards=backwards)
        summed = (after @ found.flatten(1)).view(self._side, self._side, len(maps), -1)
        return summed.permute(2, 3, 0, 1).contiguous(memory_format=torch.channels_last)

    def _multiplied(self, rows: Float[Tensor, "sum row in"], *, backwards: bool) -> Tensor:
        """Products of the sums of pixels with the sums of weights."""
        if rows.shape[1] * self._matrices[0].numel() <= FEW_PRODUCTS:
            return torch.bmm(rows, self._matrices if backwards else self._matrices.transpose(1, 2))
        packed = self._backwards if backwards else self._forwards
        return torch.stack([times(one, matrix) for one, matrix in zip(rows, packed, strict=True)])

    @cached_property
    def _forwards(self) -> list[Tensor]:
        return [packed_matrix(one) for one in self._matrices]

    @cached_property
    def _backwards(self) -> list[Tensor]:
        return [packed_matrix(one) for one in self._matrices.transpose(1, 2).contiguous()]
