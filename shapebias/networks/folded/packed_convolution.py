"""Convolutions of a processor with weights laid out beforehand, and their gradients by the images.

The usual convolution brings its weights into the processor's layout anew in every call, forwards
and backwards; for small batches and 1×1 kernels that takes as long as the sum itself. Two kinds of
convolution are summed in another order, which costs less: those of maps of a pixel or two, and the
gradients by colours.
"""

from functools import cached_property

import torch
from torch import Tensor, nn

from shapebias.networks.folded.first_layer_gradient import PixelGradient
from shapebias.networks.folded.onednn import convolved, packed
from shapebias.networks.folded.small_maps import SmallMap


class PackedWeights:
    """Weights of one convolution, for many calls.

    Parameters
    ----------
    weight, bias
        Of the convolution, float32 on the processor; to be left as they are.
    shape
        Convolution that says stride, padding and dilation; one for which `serves` holds.

    Notes
    -----
    A layout is made when it is first needed, as a map's size decides which of them are.
    """

    def __init__(self, weight: Tensor, bias: Tensor, shape: nn.Conv2d):
        self.weight, self.bias, self.shape = weight, bias, shape
        self.stride, self.padding = list(shape.stride), list(shape.padding)
        self.dilation = list(shape.dilation)
        self._small: dict[int, SmallMap] = {}

    @staticmethod
    def serves(shape: nn.Conv2d) -> bool:
        """Whether weights of such a convolution can be laid out here."""
        plain = shape.groups == 1 and shape.padding_mode == "zeros"
        weight = shape.weight
        return (
            plain
            and not isinstance(shape.padding, str)
            and weight.device.type == "cpu"
            and weight.dtype == torch.float32
            and torch.backends.mkldnn.is_available()
            and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        )

    def __call__(self, images: Tensor, rectified: bool) -> Tensor:
        """Output of the convolution, through a ReLU if asked for."""
        return _Convolved.apply(images, self, rectified)

    def output(self, images: Tensor, rectified: bool) -> Tensor:
        """The same, without a graph."""
        if (small := self._small_map(images.shape)) is not None:
            output = small.output(images).add_(self.bias[:, None, None])
            return output.relu_() if rectified else output
        after = "relu" if rectified else "none"
        places = self.padding, self.stride, self.dilation
        return convolved(images, self._forwards, *places, self.bias, after)

    def gradient(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """Gradient by images of a shape, from that by the output."""
        if (small := self._small_map(shape)) is not None:
            return small.gradient(gradient)
        if PixelGradient.serves(self.shape, shape):
            return self._by_pixels(gradient, shape)
        if self._backwards is not None:
            weight, padding = self._backwards
            return convolved(gradient, weight, padding, [1, 1], self.dilation)
        return torch.nn.grad.conv2d_input(
            shape, self.weight, gradient, self.stride, self.padding, self.dilation
        )

    def _small_map(self, shape: torch.Size) -> SmallMap | None:
        if not SmallMap.serves(self.shape, shape):
            return None
        if shape[2] not in self._small:
            self._small[shape[2]] = SmallMap(self.weight, shape[2])
        return self._small[shape[2]]

    @cached_property
    def _forwards(self) -> Tensor:
        return packed(self.weight, self.padding, self.stride, self.dilation)

    @cached_property
    def _by_pixels(self) -> PixelGradient:
        return PixelGradient(self.weight, self.shape)

    @cached_property
    def _backwards(self) -> tuple[Tensor, list[int]] | None:
        """Weights and padding of the convolution that gives the gradient; none for strides."""
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.weight.shape[2:], strict=True)]
        padding = [r - p for r, p in zip(reach, self.padding, strict=True)]
        if self.stride != [1, 1] or min(padding) < 0:
            return None
        turned = self.weight.flip(2, 3).transpose(0, 1)
        turned = turned.contiguous(memory_format=torch.channels_last)
        return packed(turned, padding, [1, 1], self.dilation), padding


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images: Tensor, weights: PackedWeights, rectified: bool) -> Tensor:
        output = weights.output(images, rectified)
        ctx.weights, ctx.rectified, ctx.shape = weights, rectified, images.shape
        ctx.save_for_backward(*([output] if rectified else []))
        return output

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple:
        if ctx.rectified:
            (output,) = ctx.saved_tensors
            gradient = torch.ops.aten.threshold_backward(gradient, output, 0)
        return ctx.weights.gradient(gradient, ctx.shape), None, None
