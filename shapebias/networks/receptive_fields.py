"""Receptive fields: the pixels of an image that a place in a layer's map can see."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shapebias.networks.classifier import Classifier

aten = torch.ops.aten
# Argument that holds the stride, the padding and the dilation, by the operation.
WINDOWS = {
    aten.convolution.default: (3, 4, 5),
    aten.max_pool2d_with_indices.default: (2, 3, 4),
    aten.avg_pool2d.default: (2, 3, None),
}


@dataclass(frozen=True)
class Field:
    """Receptive field along one axis, in pixels of the image.

    Place i of a map sees `size` pixels from pixel `start` + i x `stride` on. The first and the
    last of them may lie outside the image, in the padding.
    """

    start: int
    size: int
    stride: int

    def of(self, places: Any) -> Any:
        """First pixel that each place sees."""
        return self.start + self.stride * places

    def centre(self, places: Any) -> Any:
        """Middle of what each place sees; whole numbers are the middles of pixels."""
        return self.of(places) + (self.size - 1) / 2

    def through(self, kernel: int, stride: int, padding: int, dilation: int) -> "Field":
        """Field of what a window makes that slides over a map with this field."""
        return Field(
            self.start - padding * self.stride,
            self.size + (kernel - 1) * dilation * self.stride,
            self.stride * stride,
        )

    def joined(self, other: "Field") -> "Field":
        """Field that holds both."""
        # What sees the whole image has no stride, whatever else meets it.
        if not (self.stride and other.stride):
            return self if not self.stride else other
        start = min(self.start, other.start)
        stop = max(self.start + self.size, other.start + other.size)
        return Field(start, stop - start, max(self.stride, other.stride))


# Of the rows and of the columns.
Fields = tuple[Field, Field]


@torch.no_grad()
def receptive_fields(model: Classifier, shape: tuple[int, int]) -> dict[str, Fields]:
    """Receptive field of every named layer, for images of some shape.

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
    One blank image is run, and what each operation does to the field is added up: windows of
    convolutions and pooling widen it, branches that meet join theirs, and what works on single
    places leaves it. ASSUME that an operation which keeps a map's size works on single places, and
    after any other (pooling to a fixed size, attention) a place may see the whole image. That is an
    upper bound: attention within windows, as Swin's, sees less. The gate of a
    squeeze-and-excitation, a map of one place, does not count.
    """
    found = {}
    with torch.inference_mode(mode=False), torch.no_grad():
        blank = torch.zeros(1, 3, *shape, device=model.mean.device)
        with Tracking(blank) as tracking:
            for layer, maps in model.walk(blank):
                found[layer] = tracking.fields_of(maps)
    return found


class Tracking(TorchDispatchMode):
    """Within this context the field of everything that is computed from an image is known.

    Parameters
    ----------
    image
        Tensor of shape (1, 3, row, column).
    """

    def __init__(self, image: Tensor):
        super().__init__()
        self.shape = tuple(image.shape[2:])
        # The tensors are kept as well, so that no other one gets a number that was in use.
        self.known: dict[int, tuple[Tensor, Fields]] = {}
        self._note(image, (Field(0, 1, 1), Field(0, 1, 1)))

    def fields_of(self, maps: Tensor) -> Fields:
        """Fields along rows and columns of a tensor that was computed from the image."""
        return self.known[id(maps)][1]

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation, and note the field of what it gives."""
        given = [one for one in tree_leaves((args, kwargs)) if id(one) in self.known]
        result = func(*args, **(kwargs or {}))
        for one in tree_leaves(result) if given else ():
            if isinstance(one, Tensor):
                self._note(one, self._through(func, args, given, one))
        return result

    def _through(self, func: Any, args: tuple, given: list[Tensor], result: Tensor) -> Fields:
        if func in WINDOWS and not _transposed(func, args):
            return tuple(_slid(func, args, axis, self.fields_of(given[0])) for axis in (0, 1))
        if func is aten.constant_pad_nd.default:
            return _padded(args[1], self.fields_of(given[0]))
        alike = [one for one in given if one.dim() == 4 and one.shape[2:] == result.shape[2:]]
        if result.dim() == 4 and alike:
            return tuple(_all_joined(self.fields_of(one)[axis] for one in alike) for axis in (0, 1))
        return tuple(Field(0, length, 0) for length in self.shape)

    def _note(self, tensor: Tensor, fields: Fields) -> None:
        self.known[id(tensor)] = (tensor, fields)


def _transposed(func: Any, args: tuple) -> bool:
    return func is aten.convolution.default and args[6]


def _slid(func: Any, args: tuple, axis: int, fields: Fields) -> Field:
    """Field along one axis of what a convolution or a pooling gives."""
    kernel = args[1].shape[2:] if func is aten.convolution.default else args[1]
    stride, padding, dilation = (
        args[place] if place is not None and len(args) > place else None for place in WINDOWS[func]
    )
    # Pooling without a stride moves by its kernel.
    steps = ((kernel, 1), (stride or kernel, 1), (padding, 0), (dilation, 1))
    return fields[axis].through(*(_along(axis, given, usual) for given, usual in steps))


def _along(axis: int, values: Iterable[int] | None, usual: int) -> int:
    values = list(values or [usual])
    return values[axis] if len(values) == 2 else values[0]


def _padded(padding: list[int], fields: Fields) -> Fields:
    """Fields after padding at the left, right, top and bottom."""
    before = (padding[2] if len(padding) > 2 else 0, padding[0])
    return tuple(
        replace(field, start=field.start - number * field.stride)
        for field, number in zip(fields, before, strict=True)
    )


def _all_joined(fields: Iterator[Field]) -> Field:
    joined = next(fields)
    for field in fields:
        joined = joined.joined(field)
    return joined
