"""Read the tensors of a weight file without executing what a pickle holds."""

import pickle
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from shapebias.errors import ShapebiasError
from shapebias.weights.fit import NUMBERS, first_few
from shapebias.weights.unwrap import STATE_DICT_KEYS, inner_state_dict, strip_wrappers

# What is often saved in place of a checkpoint, by its first bytes.
NO_CHECKPOINTS = {
    b"version https://git-lfs": "a pointer of Git LFS and not the file itself: run `git lfs pull`",
    b"<": "a web page and no checkpoint: open its address in a browser, and download the file",
}
# First bytes of the archives that torch writes, and of what may hold pickles of protocol 3 to 5.
ZIP = (b"PK\x03\x04",)
LATER_PICKLES = (*ZIP, b"\x80\x03", b"\x80\x04", b"\x80\x05")
TORCH = (*ZIP, b"\x80\x02")
# What torch and zipfile raise for files that they cannot open.
UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError),
    *(zipfile.BadZipFile, zlib.error),
)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint file by name, without the wrappings of training programs.

    Raises
    ------
    ShapebiasError
        If the file is missing or damaged, runs code when it is opened, or holds no weights.
    """
    if path.is_dir():
        raise ShapebiasError(f"the weights {path} are a folder: name the file in it")
    if not path.is_file():
        raise ShapebiasError(f"the weights {path} do not exist: download them, or correct the path")
    held = _safetensors(path) if _is_safetensors(path) else _torch_file(path)
    weights = {key: one for key, one in inner_state_dict(held).items() if _is_weight(key, one)}
    if not weights:
        keys = (
            f"the keys {first_few(list(map(str, held)))}"
            if isinstance(held, Mapping)
            else (f"a {type(held).__name__} alone")
        )
        raise ShapebiasError(
            f"{path} holds no weights, at its top or under {', '.join(STATE_DICT_KEYS)}: "
            f"it has {keys}"
        )
    return strip_wrappers(weights)


def _is_weight(key: object, value: object) -> bool:
    return isinstance(key, str) and isinstance(value, Tensor)


def _is_safetensors(path: Path) -> bool:
    """Whether a file is one of safetensors', whatever its suffix."""
    with path.open("rb") as file:
        # The header's length, and the bracket with which it begins.
        return path.suffix == ".safetensors" or file.read(9)[8:] == b"{"


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        if _starts(path, TORCH):
            raise ShapebiasError(
                f"{path} is a file of torch's and none of safetensors': let its name end in .pth"
            ) from error
        raise _damaged(path, error) from error


def _torch_file(path: Path) -> object:
    try:
        _check_sums(path)
        # Best accuracies are often kept as numbers of NumPy's, which run nothing.
        with torch.serialization.safe_globals(NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise _refused(path, error) from error


def _check_sums(path: Path) -> None:
    """Raise an error where an entry of a zip archive differs from its checksum; torch reads on."""
    if not _starts(path, ZIP):
        return
    with zipfile.ZipFile(path) as archive:
        # Torch can be told to leave them out: then all are 0.
        if any(entry.CRC for entry in archive.infolist()) and (entry := archive.testzip()):
            raise ShapebiasError(
                f"{path} is damaged: its entry {entry} differs from its checksum; download it again"
            )


def _refused(path: Path, error: Exception) -> ShapebiasError:
    """Error about a file that torch does not open, with what to do."""
    if "TorchScript" in str(error):
        return ShapebiasError(
            f"{path} is a TorchScript archive, which holds code as well: run "
            "torch.jit.load(path).state_dict() yourself and save that alone"
        )
    wanted = re.search(r"GLOBAL (\S+)", str(error))
    # Torch opens pickles of protocol 2 safely, and stops at the first step of a later one.
    if wanted or ("Unsupported operand" in str(error) and _starts(path, LATER_PICKLES)):
        asked = f" (it asks for {wanted[1]})" if wanted else ""
        return ShapebiasError(
            f"{path} {'runs' if wanted else 'is a pickle that may run'} code when it is opened, "
            f"which is refused{asked}; if you trust it, run "
            "torch.load(path, weights_only=False) yourself and save its state_dict alone"
            f"{'' if wanted else ', by torch.save without a `pickle_protocol`'}"
        )
    return _damaged(path, error)


def _starts(path: Path, signs: tuple[bytes, ...]) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith(signs)


def _damaged(path: Path, error: Exception) -> ShapebiasError:
    with path.open("rb") as file:
        start = file.read(64)
    for sign, what in NO_CHECKPOINTS.items():
        if start.lstrip().lower().startswith(sign):
            return ShapebiasError(f"{path} is {what}")
    # Torch begins with the same paragraph, whatever is wrong.
    told = str(error).rpartition("WeightsUnpickler error: ")[2].strip().splitlines()
    reason = (told or ["it is empty"])[0][:120]
    return ShapebiasError(f"{path} is damaged or no checkpoint ({reason}); download it again")
