"""Gradients of a network's first convolution by its pixels, some pixels at a time.

A processor computes sixteen channels at once, and an image has three. So a square of pixels counts
as channels here: the gradient by all pixels of a square is a convolution of the gradient by the
output, and the squares are put together afterwards.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle

from shapebias.networks.folded.onednn import convolved, packed

# More channels fill a processor's registers as they are.
FEW_CHANNELS = 4
# Sides of squares, by the stride: of those tried on three first layers, the fastest.
SIDES = {1: 2, 2: 2, 3: 3, 4: 4}


class PixelGradient:
    """Gradient of one convolution by its images.

    Parameters
    ----------
    weight
        (out, in, row, column), float32 on the processor.
    shape
        Convolution that says stride and padding; one for which `serves` holds.
    """

    def __init__(self, weight: Float[Tensor, "out in row column"], shape: nn.Conv2d):
        self._weight = weight
        self._stride, self._padding = shape.stride[0], shape.padding[0]
        self._packed: dict[Squares, Tensor] = {}

    @staticmethod
    def serves(shape: nn.Conv2d, images: torch.Size) -> bool:
        """Whether a convolution is of few channels, and it and images are alike both ways."""
        ways = (shape.kernel_size, shape.stride, shape.padding, images[2:])
        square = all(rows == columns for rows, columns in ways) and shape.dilation == (1, 1)
        return square and shape.in_channels <= FEW_CHANNELS and shape.stride[0] in SIDES

    def __call__(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """Gradient by images of a shape, from that by the output."""
        kernel = self._weight.shape[2], self._stride, self._padding
        squares = squares_for(*kernel, shape[2], gradient.shape[2])
        if squares not in self._packed:
            self._packed[squares] = self._laid_out(squares)
        padding, stride = [squares.padding] * 2, [squares.stride] * 2
        found = convolved(gradient, self._packed[squares], padding, stride, [1, 1])
        inside = slice(squares.before, squares.before + shape[2])
        return pixel_shuffle(found, squares.side)[:, :, inside, inside]

    def _laid_out(self, squares: "Squares") -> Tensor:
        """Weights with which the gradient by each pixel of a square is summed."""
        out, channels, kernel, _ = self._weight.shape
        side, reach = squares.side, squares.reach
        # The place in the kernel that lies between a pixel and a place in the reach; where none
        # does, the one after the last, which is zero.
        taps = [
            tap if 0 <= tap < kernel else kernel
            for pixel in range(side)
            for place in range(reach)
            for tap in [squares.tap(pixel, place, self._stride, self._padding)]
        ]
        places = torch.tensor(taps)
        found = pad(self._weight, (0, 1, 0, 1))[:, :, places][:, :, :, places]
        found = found.view(out, channels, side, reach, side, reach).permute(1, 2, 4, 0, 3, 5)
        whole = found.reshape(-1, out, reach, reach).contiguous(memory_format=torch.channels_last)
        return packed(whole, [squares.padding] * 2, [squares.stride] * 2, [1, 1])


@dataclass(frozen=True)
class Squares:
    """How an image is divided into squares, along one of its sides.

    Parameters
    ----------
    side
        Pixels of a square.
    before
        Pixels of the first square that lie before the image.
    reach
        Places of the gradient by the output on which a square depends.
    padding, stride
        Of the convolution over that gradient.
    """

    side: int
    before: int
    reach: int
    padding: int
    stride: int

    def tap(self, pixel: int, place: int, stride: int, padding: int) -> int:
        """Place in the kernel through which a pixel of a square reaches a place."""
        return pixel + padding - self.before - stride * (place - self.padding)


def squares_for(kernel: int, stride: int, padding: int, pixels: int, places: int) -> Squares:
    """Squares with the least reach that cover an image.

    Parameters
    ----------
    kernel, stride, padding
        Of the convolution, along one side.
    pixels, places
        Lengths of the image and of the output along it.
    """
    side, found = SIDES[stride], []
    for before in range(side):
        # The first place that a square's first pixel reaches, and the last that its last does.
        first = -((kernel - 1 - padding + before) // stride)
        last = (side - 1 + padding - before) // stride
        # Padding is the same on both sides: what the far one needs may be more.
        count, step = -(-(pixels + before) // side), side // stride
        reach, left = last - first + 1, max(0, -first)
        reach += left + first
        short = step * (count - 1) + reach - places - 2 * left
        more = max(0, short)
        found.append(Squares(side, before, reach + more, left + more, step))
    return min(found, key=lambda one: one.reach)
