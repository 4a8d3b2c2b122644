"""Checkpoint files as they are published, and the network that they must fit."""

import pickle
import re
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy._core.multiarray import scalar
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.wrappings import HOLDERS, plain_keys, unwrapped

# What is often saved in place of a checkpoint, by its first bytes.
NO_CHECKPOINTS = {
    b"version https://git-lfs": "a pointer of Git LFS and not the file itself: run `git lfs pull`",
    b"<": "a web page and no checkpoint: open its address in a browser, and download the file",
}
# Auxiliary classifiers, of GoogLeNet and Inception v3.
AUXILIARIES = ("aux", "AuxLogits.")
# Parts of the names of weights whose shapes follow from the size of images and of patches.
OF_SIZES = ("pos_embed", "position", "patch_embed", "conv_proj")
# First bytes of the archives that torch writes, and of what may hold pickles of protocol 3 to 5.
ZIP = (b"PK\x03\x04",)
LATER_PICKLES = (*ZIP, b"\x80\x03", b"\x80\x04", b"\x80\x05")
TORCH = (*ZIP, b"\x80\x02")
# What torch and zipfile raise for files that they cannot open.
UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError),
    *(zipfile.BadZipFile, zlib.error),
)
NUMBERS = [
    (scalar, "numpy.core.multiarray.scalar"),
    scalar,
    np.dtype,
    *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "bool")},
]


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
    weights = {key: one for key, one in unwrapped(held).items() if _is_weight(key, one)}
    if not weights:
        keys = (
            f"the keys {_few(list(map(str, held)))}"
            if isinstance(held, Mapping)
            else (f"a {type(held).__name__} alone")
        )
        raise ShapebiasError(
            f"{path} holds no weights, at its top or under {', '.join(HOLDERS)}: it has {keys}"
        )
    return plain_keys(weights)


def fitted(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """The weights that a network needs, once it is sure that they are its own.

    Those of half precision are left in it: `load_state_dict` converts.

    Parameters
    ----------
    network
        Bare network, under whose names the weights must be.
    weights
        Tensors by name, as `read_weights` gives them.
    source
        What error messages call the weights.

    Raises
    ------
    ShapebiasError
        If a parameter is missing, has another shape, or belongs to no part of the network.

    Notes
    -----
    Batch norm's counters may be missing (files older than 2018 have none, and they are used in
    no measurement), and auxiliary classifiers, which serve in training alone, may be left over.
    """
    wanted = network.state_dict()
    missing = [key for key in wanted if key not in weights and not _is_counter(key)]
    unknown = [key for key in weights if key not in wanted and not key.startswith(AUXILIARIES)]
    unfit = [key for key in wanted if key in weights and weights[key].shape != wanted[key].shape]
    if missing or unknown:
        raise ShapebiasError(
            f"{source} is of another network than {type(network).__name__} as it is set up here: "
            f"missing {_few(missing)}; unknown {_few(unknown)}; {_cause_of_names(missing, wanted)}"
        )
    if unfit:
        first = f"{tuple(weights[unfit[0]].shape)} where {tuple(wanted[unfit[0]].shape)} is needed"
        raise ShapebiasError(
            f"{source} does not fit {type(network).__name__}: {_few(unfit)} ({first}); "
            f"{_cause_of_shapes(unfit, wanted, weights)}"
        )
    chosen = _in_precision({key: weights[key] for key in wanted if key in weights}, wanted, source)
    # The versions of the modules' layouts, which some modules ask for.
    chosen._metadata = wanted._metadata
    _check_numbers(chosen, source)
    return chosen


def _in_precision(
    weights: Mapping[str, Tensor], wanted: dict[str, Tensor], source: str
) -> OrderedDict[str, Tensor]:
    """Weights in a precision that the network's holds; whole numbers in the network's own.

    Half precision stays as it is: to convert it all would take three times its memory, and what is
    loaded is converted tensor by tensor.

    Raises
    ------
    ShapebiasError
        For values that are no plain numbers, quantised ones, and fractions of a whole number.
    """
    found, precisions = OrderedDict(), set()
    for key, value in weights.items():
        kind = wanted[key].dtype
        plain = value.layout == torch.strided and not value.is_meta and not value.is_complex()
        if not plain or (kind.is_floating_point and not value.is_floating_point()):
            raise ShapebiasError(f"{source}: {key} does not hold plain numbers; save it densely")
        narrow = kind.is_floating_point and value.element_size() < kind.itemsize
        found[key] = value if narrow else value.to(kind)
        if kind.is_floating_point and value.dtype != kind:
            precisions.add(str(value.dtype).removeprefix("torch."))
        if not kind.is_floating_point and (found[key] != value).any():
            raise ShapebiasError(
                f"{source}: {key} holds {value.flatten()[0]:g}, where whole numbers are needed; "
                "take another file"
            )
    if precisions:
        print(f"{source}: weights in {', '.join(sorted(precisions))} are converted to float32")
    return found


def _check_numbers(weights: Mapping[str, Tensor], source: str) -> None:
    """Raise `ShapebiasError` unless weights are finite numbers that a network can have."""
    for key, value in weights.items():
        if not torch.isfinite(value.sum(dtype=torch.float64)):
            raise ShapebiasError(
                f"{source}: {key} holds values that are no finite numbers, as after a training "
                "that diverged; take another file, or one of an earlier epoch"
            )
        if key.endswith("running_var") and (value < 0).any():
            raise ShapebiasError(
                f"{source}: {key} holds a negative variance; download it again, or take another"
            )


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


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _few(keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return (", ".join(keys[:3]) or "nothing") + more


def _cause_of_names(missing: list[str], wanted: dict[str, Tensor]) -> str:
    if not missing:
        return "the file is of a larger network: check the architecture's kind and settings"
    if len(missing) == sum(not _is_counter(key) for key in wanted):
        return "no name is the same: another library's network, or another architecture"
    return "check the architecture's kind and settings, such as its depth"


def _cause_of_shapes(
    unfit: list[str], wanted: dict[str, Tensor], weights: Mapping[str, Tensor]
) -> str:
    last = list(wanted)[-1].rpartition(".")[0]
    if all(weights[key].numel() == wanted[key].numel() for key in unfit):
        return "as many numbers, laid out otherwise: bring them to that shape, and save them again"
    if all(key.rpartition(".")[0] == last for key in unfit):
        return "the number of classes differs: check `classes`"
    if all(any(one in key for one in OF_SIZES) for key in unfit):
        return (
            "made for images of another size, or for other patches: check `input_size`, patch_size"
        )
    return "another width or depth: check the architecture's settings"
