"""Receptive fields: the pixels of an image that a position in a layer's map can see."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shapebias.networks.classifier import Classifier

aten = torch.ops.aten
# Positions of the arguments that hold stride, padding and dilation, by operation.
WINDOWS = {
    aten.convolution.default: (3, 4, 5),
    aten.max_pool2d_with_indices.default: (2, 3, 4),
    aten.avg_pool2d.default: (2, 3, None),
}


@dataclass(frozen=True)
class Field:
    """Receptive field along one axis, in pixels of the image.

    Position i of a map sees `size` pixels, the first of which is `start` + i x `stride`. Its first
    and last pixels may be outside the image, in the padding.

    Examples
    --------
    >>> Field(0, 1, 1).after_window(kernel=7, stride=2, padding=3, dilation=1)
    Field(start=-3, size=7, stride=2)
    """

    start: int
    size: int
    stride: int

    def of(self, positions: Any) -> Any:
        """First pixel that each position sees."""
        return self.start + self.stride * positions

    def centre(self, positions: Any) -> Any:
        """Centre of what each position sees; whole numbers are centres of pixels."""
        return self.of(positions) + (self.size - 1) / 2

    def after_window(self, kernel: int, stride: int, padding: int, dilation: int) -> "Field":
        """Field of the output of a window that slides over a map with this field."""
        return Field(
            self.start - padding * self.stride,
            self.size + (kernel - 1) * dilation * self.stride,
            self.stride * stride,
        )

    def union(self, other: "Field") -> "Field":
        """Smallest field that contains both."""
        # A field of the whole image has stride 0 and contains any other.
        if not (self.stride and other.stride):
            return self if not self.stride else other
        start = min(self.start, other.start)
        stop = max(self.start + self.size, other.start + other.size)
        return Field(start, stop - start, max(self.stride, other.stride))


# Of the rows and of the columns.
Fields = tuple[Field, Field]


@torch.no_grad()
def receptive_fields(model: Classifier, shape: tuple[int, int]) -> dict[str, Fields]:
    """Receptive field of every named layer, for images of the given shape.

    Parameters
    ----------
    model
        Network in eval mode.
    shape
        Rows and columns of an image.

    Returns
    -------
    Layer to its fields along rows and columns.

    Notes
    -----
    One blank image passes through the network, and the effect of each operation on the field is
    accumulated: windows of convolutions and pooling widen it, branches that are added or
    concatenated take the union of theirs, pointwise operations keep it. ASSUME that an operation
    that keeps a map's size is pointwise. After any other operation, such as pooling to a fixed
    size or attention, a position may see the whole image. That is an upper bound: attention within
    windows, as in Swin, sees less. The gate of a squeeze-and-excitation, a map of one position,
    is not counted.
    """
    fields = {}
    with torch.inference_mode(mode=False), torch.no_grad():
        blank = torch.zeros(1, 3, *shape, device=model.mean.device)
        with FieldTracker(blank) as tracker:
            for layer, maps in model.walk(blank):
                fields[layer] = tracker.fields_of(maps)
    return fields


class FieldTracker(TorchDispatchMode):
    """Record the receptive field of every tensor computed from an image within this context.

    Parameters
    ----------
    image
        Image whose pixels the fields count.
    """

    def __init__(self, image: Float[Tensor, "1 3 row column"]):
        super().__init__()
        self.shape = tuple(image.shape[2:])
        # By the tensor's id. The tensors are kept alive, so that no id is used twice.
        self.known: dict[int, tuple[Tensor, Fields]] = {}
        self._record(image, (Field(0, 1, 1), Field(0, 1, 1)))

    def fields_of(self, tensor: Tensor) -> Fields:
        """Fields along rows and columns of a tensor that was computed from the image."""
        return self.known[id(tensor)][1]

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation, and record the field of its outputs."""
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if id(leaf) in self.known]
        result = func(*args, **(kwargs or {}))
        for output in tree_leaves(result) if inputs else ():
            if isinstance(output, Tensor):
                self._record(output, self._after(func, args, inputs, output))
        return result

    def _after(self, func: Any, args: tuple, inputs: list[Tensor], output: Tensor) -> Fields:
        """Fields of an operation's output."""
        transposed = func is aten.convolution.default and args[6]
        if func in WINDOWS and not transposed:
            fields = self.fields_of(inputs[0])
            return tuple(_after_window(func, args, axis, fields[axis]) for axis in (0, 1))
        if func is aten.constant_pad_nd.default:
            return _after_padding(args[1], self.fields_of(inputs[0]))
        # ASSUME that an operation that keeps a map's size is pointwise.
        same_size = [
            self.fields_of(value)
            for value in inputs
            if value.dim() == output.dim() == 4 and value.shape[2:] == output.shape[2:]
        ]
        if same_size:
            return tuple(reduce(Field.union, fields) for fields in zip(*same_size, strict=True))
        return tuple(Field(0, length, 0) for length in self.shape)

    def _record(self, tensor: Tensor, fields: Fields) -> None:
        self.known[id(tensor)] = (tensor, fields)


def _after_window(func: Any, args: tuple, axis: int, field: Field) -> Field:
    """Field along one axis of the output of a convolution or a pooling."""
    kernel = args[1].shape[2:] if func is aten.convolution.default else args[1]
    stride, padding, dilation = (
        args[index] if index is not None and len(args) > index else None for index in WINDOWS[func]
    )
    # Pooling without a stride moves by its kernel.
    settings = ((kernel, 1), (stride or kernel, 1), (padding, 0), (dilation, 1))
    return field.after_window(*(_along(axis, values, default) for values, default in settings))


def _along(axis: int, values: Iterable[int] | None, default: int) -> int:
    values = list(values or [default])
    return values[axis] if len(values) == 2 else values[0]


def _after_padding(padding: list[int], fields: Fields) -> Fields:
    """Fields after padding, given for the left, right, top and bottom."""
    before = (padding[2] if len(padding) > 2 else 0, padding[0])
    return tuple(
        replace(field, start=field.start - n_pixels * field.stride)
        for field, n_pixels in zip(fields, before, strict=True)
    )
