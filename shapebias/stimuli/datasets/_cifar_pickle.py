"""Pickles of plain values and byte arrays, read without executing anything in them.

A pickle is a program: it may name any function and call it. Here the few names that a NumPy array
in a pickle needs stand for classes of this module; every other name is refused.
"""

import io
import pickle
import pickletools
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
        data = file.read_bytes()
    except OSError as error:
        raise ShapebiasError(
            f"{file} cannot be read: {error.strerror}; unpack the archive anew"
        ) from error
    try:
        _check_memo(data)
        return _arrays(_PlainUnpickler(io.BytesIO(data), encoding="bytes").load(), {})
    except ShapebiasError as error:
        raise ShapebiasError(f"{file}: {error}") from error
    # Damaged pickles raise errors of almost every class.
    except Exception as error:
        said = " ".join(f"{error}".split()) or type(error).__name__
        raise ShapebiasError(
            f"{file} is not a readable pickle, or cut short ({said}); get the file anew"
        ) from error


def _check_memo(data: bytes) -> None:
    """Raise `ShapebiasError` where a value is noted under a number that was never reached.

    Reading makes room for all the numbers below: ten bytes could ask for gigabytes.
    """
    for count, (operation, number, _) in enumerate(pickletools.genops(data)):
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and number > count:
            raise ShapebiasError(
                "this pickle notes more values than it holds; do not trust the file"
            )


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


def _arrays(value: Any, done: dict[int, Any]) -> Any:
    """The value with arrays in place of what stood in for them.

    What is done already is kept by its identity: a list that holds another twice, and so on,
    would otherwise take for ever.
    """
    if id(value) not in done:
        done[id(value)] = _with_arrays(value, done)
    return done[id(value)]


def _with_arrays(value: Any, done: dict[int, Any]) -> Any:
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, dict):
        return {key: _arrays(one, done) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_arrays(one, done) for one in value)
    return value
