"""Convolutions of a processor with weights laid out beforehand, and their gradients by the images.

The usual convolution brings its weights into the processor's layout anew in every call, forwards
and backwards; for small batches and 1×1 kernels that takes as long as the sum itself.
"""

import torch
from torch import Tensor, nn


class PackedWeights:
    """Weights of one convolution, for many calls.

    Parameters
    ----------
    weight, bias
        Of the convolution, float32 on the processor; copied.
    shape
        Convolution that says stride, padding and dilation; one for which `serves` holds.
    """

    def __init__(self, weight: Tensor, bias: Tensor, shape: nn.Conv2d):
        self.bias = bias.clone()
        self.stride, self.padding = list(shape.stride), list(shape.padding)
        self.dilation = list(shape.dilation)
        self.weight = weight
        self.forwards = _packed(weight, self.padding, self.stride, self.dilation)
        self.backwards, self.backward_padding = None, None
        if self.stride == [1, 1]:
            # The gradient by the input is a convolution as well, with turned weights.
            turned = weight.flip(2, 3).transpose(0, 1)
            reach = [d * (k - 1) for d, k in zip(self.dilation, weight.shape[2:], strict=True)]
            self.backward_padding = [r - p for r, p in zip(reach, self.padding, strict=True)]
            if min(self.backward_padding) >= 0:
                turned = turned.contiguous(memory_format=torch.channels_last)
                self.backwards = _packed(turned, self.backward_padding, [1, 1], self.dilation)

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


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images: Tensor, weights: PackedWeights, rectified: bool) -> Tensor:
        output = _convolved(
            images, weights.forwards, weights.bias, weights.padding, weights.stride,
            weights.dilation, "relu" if rectified else "none",
        )  # fmt: skip
        ctx.weights, ctx.rectified, ctx.shape = weights, rectified, images.shape
        ctx.save_for_backward(*([output] if rectified else []))
        return output

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple:
        weights = ctx.weights
        if ctx.rectified:
            (output,) = ctx.saved_tensors
            gradient = torch.ops.aten.threshold_backward(gradient, output, 0)
        if weights.backwards is not None:
            found = _convolved(
                gradient, weights.backwards, None, weights.backward_padding, [1, 1],
                weights.dilation, "none",
            )  # fmt: skip
        else:
            found = torch.nn.grad.conv2d_input(
                ctx.shape, weights.weight, gradient, weights.stride, weights.padding,
                weights.dilation,
            )  # fmt: skip
        return found, None, None


def _convolved(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: list[int],
    stride: list[int],
    dilation: list[int],
    after: str,
) -> Tensor:
    images = images.contiguous(memory_format=torch.channels_last)
    return torch.ops.mkldnn._convolution_pointwise(
        images, weight, bias, padding, stride, dilation, 1, after, [], ""
    )


def _packed(weight: Tensor, padding: list, stride: list, dilation: list) -> Tensor:
    return torch._C._nn.mkldnn_reorder_conv2d_weight(
        weight.to_mkldnn(), padding, stride, dilation, 1
    )
