"""torchvision's published weights, by the names of its own lists of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.io.download import checksum_of, fetch
from shapebias.torchvision_import import torchvision
from shapebias.weights.torchvision_names import torchvision_name

WeightsEnum = torchvision.models.WeightsEnum
# Where files are kept that the workflow brings itself, from the folder that it runs in.
FOLDER = Path("downloads/weights")


@dataclass(frozen=True)
class Published:
    """One set of weights.

    Parameters
    ----------
    url
        Address of the file; the digits before its suffix begin its SHA-256.
    mean, std
        Of the pixels, per colour channel, that the network was trained on.
    input_size
        Side of the images on which its accuracy was measured, in pixels.
    """

    url: str
    mean: list[float]
    std: list[float]
    input_size: int

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


def published(architecture: dict[str, Any], name: str) -> Published:
    """What torchvision publishes under a name such as "IMAGENET1K_V1".

    Parameters
    ----------
    architecture
        Kind and settings: of the kind `torchvision`, or `alexnet`, `googlenet` or `resnet`.
    name
        Member of the list of weights that torchvision has for the network; "DEFAULT" is one.

    Raises
    ------
    UnknownName
        If torchvision has no such network, or no such weights of it.
    """
    network, weights = _listed(architecture)
    if name not in weights:
        raise UnknownName(f"weights of torchvision's {network}", name, weights)
    return _described(network, weights[name])


def recognised(architecture: dict[str, Any], path: str | Path) -> Published | None:
    """What torchvision publishes for a network in a file of these bytes, whatever it is called.

    None where it does not publish the file, or none is there. Parameters as of `published`.
    """
    if not Path(path).is_file():
        return None
    network, weights = _listed(architecture)
    digest = checksum_of(Path(path), "sha256")
    for one in weights.values():
        if digest.startswith(_digits(one.url)):
            print(f"{path} is torchvision's {one} of {network}")
            return _described(network, one)
    return None


def _listed(architecture: dict[str, Any]) -> tuple[str, Mapping[str, WeightsEnum]]:
    """A network's name and its list of weights."""
    network = torchvision_name(architecture)
    known = torchvision.models.list_models(module=torchvision.models)
    if network not in known:
        raise UnknownName("network of torchvision", network, known)
    return network, torchvision.models.get_model_weights(network).__members__


def _described(network: str, weights: WeightsEnum) -> Published:
    seen = weights.transforms()
    mean, std = list(seen.mean), list(seen.std)
    if network in ("googlenet", "inception_v3"):
        # These networks bring pixels to halves by themselves, which is left out here.
        mean, std = [0.5] * 3, [0.5] * 3
    return Published(weights.url, mean, std, seen.crop_size[0])


def _digits(url: str) -> str:
    """Beginning of a file's SHA-256, before the suffix of its published name."""
    return Path(url).stem.rpartition("-")[2]


def file_of(weights: Published, folder: Path = FOLDER) -> Path:
    """The file of published weights: from torch's own store, or brought and checked.

    Raises
    ------
    ShapebiasError
        If the file is in neither place and cannot be downloaded, or is not what it should be.
    """
    stored = Path(torch.hub.get_dir(), "checkpoints", weights.file)
    path = stored if stored.is_file() else folder / weights.file
    if not path.is_file():
        try:
            fetch(weights.url, path, attempts=2)
        except ShapebiasError as error:
            raise ShapebiasError(
                f"{error}; or download {weights.url} elsewhere, and give the file as `path` beside "
                "the `name` of the weights"
            ) from error
    digits = _digits(path.name)
    if not checksum_of(path, "sha256").startswith(digits):
        raise ShapebiasError(
            f"{path} is not what {weights.url} gives (its SHA-256 does not begin with {digits}): "
            "delete it and try again"
        )
    return path
