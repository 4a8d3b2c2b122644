"""Pickles of plain values and byte arrays, read without executing anything in them.

A pickle is a program: it may name any function and call it. Here the few names that a NumPy array
in a pickle needs stand for classes of this module; every other name is refused.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.errors import ShapebiasError


def read_plain_pickle(file: Path) -> Any:
    """Content of a pickle of dicts, lists, text, bytes, numbers and arrays of bytes.

    Text that Python 2 wrote comes as bytes.

    Raises
    ------
    ShapebiasError
        If the file is damaged, or names anything else: then it may be an attack.
    """
    try:
        return _arrays(_PlainUnpickler(io.BytesIO(file.read_bytes()), encoding="bytes").load())
    except ShapebiasError as error:
        raise ShapebiasError(f"{file}: {error}") from error
    # Damaged pickles raise errors of almost every class.
    except Exception as error:
        raise ShapebiasError(
            f"{file} is not a readable pickle, or cut short ({error}); get the file anew"
        ) from error


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STANDING_IN:
            raise ShapebiasError(
                f"this pickle asks for {module}.{name}, which data have no need of; "
                "do not trust the file"
            )
        return STANDING_IN[module, name]


class _Array:
    """What an array's pickle fills: shape, kind of number, and bytes."""

    array: np.ndarray

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, by_columns, data = state
        if not (isinstance(kind, _Kind) and kind.code in ("u1", b"u1")):
            raise ShapebiasError("this pickle holds an array of something other than bytes")
        values = np.frombuffer(data, dtype=np.uint8)
        self.array = values.reshape(shape, order="F" if by_columns else "C")


class _Kind:
    """Kind of number in an array; what else its pickle says holds for larger numbers only."""

    def __init__(self, code: Any, *_: Any):
        self.code = code

    def __setstate__(self, state: tuple) -> None:
        pass


def _array(*_: Any) -> _Array:
    return _Array()


def _bytes(text: str, _encoding: str) -> bytes:
    return text.encode("latin-1")


STANDING_IN = {
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _bytes,
}


def _arrays(value: Any) -> Any:
    """The value with arrays in place of what stood in for them."""
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, dict):
        return {key: _arrays(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_arrays(one) for one in value)
    return value
