"""Read the tensors of a weight file; nothing of a pickle is executed."""

import pickle
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy._core.multiarray import scalar
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from shapebias.errors import ShapebiasError
from shapebias.weights.match import first_few
from shapebias.weights.strip import STATE_DICT_KEYS, inner_state_dict, strip_wrappers

# NumPy's numbers, which run nothing: best accuracies are often stored as such.
NUMPY_NUMBERS = [
    (scalar, "numpy.core.multiarray.scalar"),
    scalar,
    np.dtype,
    *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "bool")},
]
# Other files that are often saved under a checkpoint's name, by their first bytes.
OTHER_FILES = {
    b"version https://git-lfs": "a Git LFS pointer, not the file itself: run `git lfs pull`",
    b"<": "a web page, not a checkpoint: open its address in a browser, and download the file",
}
# First bytes of zip archives, which torch writes, and of pickles of protocol 2 and above.
ZIP, PICKLE_2 = b"PK\x03\x04", b"\x80\x02"
LATER_PICKLES = (b"\x80\x03", b"\x80\x04", b"\x80\x05")
# Errors that torch and zipfile raise for files that they cannot open.
UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError),
    *(zipfile.BadZipFile, zlib.error),
)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint file by name, without the wrappers of training programs.

    Raises
    ------
    ShapebiasError
        If the file is missing or damaged, would run code when opened, or holds no weights.
    """
    if path.is_dir():
        raise ShapebiasError(f"the weights {path} are a folder: name the file in it")
    if not path.is_file():
        raise ShapebiasError(f"the weights {path} do not exist: download them, or correct the path")
    head = _first_bytes(path)
    # A safetensors file begins with the length of its header, and the header with a bracket.
    is_safetensors = path.suffix == ".safetensors" or head[8:9] == b"{"
    content = (_load_safetensors if is_safetensors else _load_pickle)(path, head)
    weights = {
        key: value
        for key, value in inner_state_dict(content).items()
        if isinstance(key, str) and isinstance(value, Tensor)
    }
    if not weights:
        keys = list(map(str, content)) if isinstance(content, Mapping) else None
        held = f"a {type(content).__name__}" if keys is None else f"the keys {first_few(keys)}"
        raise ShapebiasError(
            f"{path} holds no weights at its top level or under {', '.join(STATE_DICT_KEYS)}; "
            f"it holds {held}: save a state_dict"
        )
    stripped = strip_wrappers(weights)
    for key, name in zip(weights, stripped, strict=True):
        if key != name:
            print(f"{path.name}: keys are read without wrappers, {key} as {name}")
            break
    return stripped


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _load_safetensors(path: Path, head: bytes) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        if head.startswith((ZIP, PICKLE_2)):
            raise ShapebiasError(
                f"{path} is a torch file, not a safetensors file: rename it to end in .pth"
            ) from error
        raise _damaged(path, head, error) from error


def _load_pickle(path: Path, head: bytes) -> object:
    try:
        if head.startswith(ZIP):
            _verify_entries(path)
        with torch.serialization.safe_globals(NUMPY_NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise _unreadable(path, head, error) from error


def _verify_entries(path: Path) -> None:
    """Raise an error if an entry of a zip archive differs from its checksum; torch does not."""
    with zipfile.ZipFile(path) as archive:
        # All checksums are 0 where torch was set to write none.
        if any(entry.CRC for entry in archive.infolist()) and (entry := archive.testzip()):
            raise ShapebiasError(
                f"{path} is damaged: its entry {entry} differs from its checksum; download it again"
            )


def _unreadable(path: Path, head: bytes, error: Exception) -> ShapebiasError:
    """Error about a file that torch does not open, with what to do."""
    if "TorchScript" in str(error):
        return ShapebiasError(
            f"{path} is a TorchScript archive, which also holds code: run "
            "torch.jit.load(path).state_dict() yourself, and save its result"
        )
    code = re.search(r"GLOBAL (\S+)", str(error))
    # Torch opens pickles of protocol 2 safely, and stops at the first step of a later one.
    is_later = "Unsupported operand" in str(error) and head.startswith((ZIP, *LATER_PICKLES))
    if not code and not is_later:
        return _damaged(path, head, error)
    reason = f"runs code when opened ({code[1]})" if code else "is a pickle that may run code"
    protocol = "" if code else " by torch.save without `pickle_protocol`"
    return ShapebiasError(
        f"{path} {reason}, which is refused; if you trust it, run "
        f"torch.load(path, weights_only=False) yourself, and save its state_dict alone{protocol}"
    )


def _damaged(path: Path, head: bytes, error: Exception) -> ShapebiasError:
    for sign, kind in OTHER_FILES.items():
        if head.lstrip().lower().startswith(sign):
            return ShapebiasError(f"{path} is {kind}")
    # Torch's message begins with the same paragraph for every cause.
    lines = str(error).rpartition("WeightsUnpickler error: ")[2].strip().splitlines()
    reason = (lines or ["it is empty"])[0][:120]
    if head and not head.startswith((ZIP, b"\x80")) and head[8:9] != b"{":
        reason = "it begins like neither a torch nor a safetensors file"
    return ShapebiasError(
        f"{path} is damaged or no checkpoint ({reason}); name another file, or download it again"
    )
