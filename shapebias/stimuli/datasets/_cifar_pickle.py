"""Pickles of plain values and byte arrays, read without executing anything in them.

A pickle can call any function that it names. Here the few names that a NumPy array in a pickle
needs are mapped to classes of this module; every other name is refused.
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

    Text written by Python 2 is returned as bytes.

    Raises
    ------
    ShapebiasError
        If the file is damaged, or names anything else: then it may be an attack.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ShapebiasError(
            f"{file} cannot be read: {error.strerror}; unpack the archive again"
        ) from error
    try:
        _check_memo(data)
        return _arrays(_PlainUnpickler(io.BytesIO(data), encoding="bytes").load(), {})
    except ShapebiasError as error:
        raise ShapebiasError(f"{file}: {error}") from error
    # Damaged pickles raise errors of almost every class.
    except Exception as error:
        reason = " ".join(f"{error}".split()) or type(error).__name__
        raise ShapebiasError(
            f"{file} is not a readable pickle, or cut short ({reason}); download the file again"
        ) from error


def _check_memo(data: bytes) -> None:
    """Raise `ShapebiasError` if a memo index exceeds the number of operations so far.

    The unpickler allocates all lower indices: ten bytes could ask for gigabytes.
    """
    for count, (operation, number, _) in enumerate(pickletools.genops(data)):
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and number > count:
            raise ShapebiasError(
                "this pickle notes more values than it holds; do not trust the file"
            )


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in SAFE_NAMES:
            raise ShapebiasError(
                f"this pickle asks for {module}.{name}, which data do not need; "
                "do not trust the file"
            )
        return SAFE_NAMES[module, name]


class _Array:
    """Stand-in for an array: its pickle sets shape, dtype and bytes."""

    array: np.ndarray

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, data = state
        if not (isinstance(dtype, _Dtype) and dtype.code in ("u1", b"u1")):
            raise ShapebiasError("this pickle holds an array of something other than bytes")
        values = np.frombuffer(data, dtype=np.uint8)
        self.array = values.reshape(shape, order="F" if is_fortran else "C")


class _Dtype:
    """Stand-in for a dtype; only its code matters for bytes."""

    def __init__(self, code: Any, *_: Any):
        self.code = code

    def __setstate__(self, state: tuple) -> None:
        pass


def _array(*_: Any) -> _Array:
    return _Array()


def _bytes(text: str, _encoding: str) -> bytes:
    return text.encode("latin-1")


SAFE_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _bytes,
}


def _arrays(value: Any, done: dict[int, Any]) -> Any:
    """Return the value with arrays in place of their stand-ins.

    Converted values are remembered by identity: nested lists that contain a list twice would
    otherwise take exponential time.
    """
    if id(value) not in done:
        done[id(value)] = _with_arrays(value, done)
    return done[id(value)]


def _with_arrays(value: Any, done: dict[int, Any]) -> Any:
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, dict):
        return {key: _arrays(item, done) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_arrays(item, done) for item in value)
    return value
