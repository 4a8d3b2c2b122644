"""torchvision's published weights: find them by name or by content, and download them."""

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
# Folder of files that the workflow downloads, relative to the working directory.
FOLDER = Path("downloads/weights")


@dataclass(frozen=True)
class Published:
    """One set of published weights.

    Parameters
    ----------
    url
        Address of the file. The digits before its suffix are the first ones of its SHA-256.
    mean, std
        Of the pixels that the network was trained on, per colour channel.
    input_size
        Side of the images on which its accuracy was measured, in pixels.
    """

    url: str
    mean: list[float]
    std: list[float]
    input_size: int

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]


def published(architecture: dict[str, Any], name: str) -> Published:
    """Weights that torchvision publishes under a name such as "IMAGENET1K_V1".

    Parameters
    ----------
    architecture
        Kind and settings: of the kind `torchvision`, or `alexnet`, `googlenet` or `resnet`.
    name
        Member of torchvision's list of weights for the network; "DEFAULT" is one.

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
    """Weights that torchvision publishes for a network in a file of this content.

    None where torchvision does not publish the file, or the file does not exist.
    """
    if not Path(path).is_file():
        return None
    network, listed = _listed(architecture)
    digest = checksum_of(Path(path), "sha256")
    for weights in listed.values():
        if digest.startswith(_digits(weights.url)):
            print(f"{path} is torchvision's {weights} of {network}")
            return _described(network, weights)
    return None


def file_of(weights: Published, folder: Path = FOLDER) -> Path:
    """Path of the file of published weights: in torch's own store, or downloaded to a folder.

    Raises
    ------
    ShapebiasError
        If the file is in neither place and cannot be downloaded, or its checksum differs.
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
    digits = _digits(weights.url)
    if not checksum_of(path, "sha256").startswith(digits):
        raise ShapebiasError(
            f"{path} differs from {weights.url} (its SHA-256 does not begin with {digits}): "
            "delete it and try again"
        )
    return path


def _listed(architecture: dict[str, Any]) -> tuple[str, Mapping[str, WeightsEnum]]:
    """Name of a network, and torchvision's weights of it by name."""
    network = torchvision_name(architecture)
    known = torchvision.models.list_models(module=torchvision.models)
    if network not in known:
        raise UnknownName("network of torchvision", network, known)
    return network, torchvision.models.get_model_weights(network).__members__


def _described(network: str, weights: WeightsEnum) -> Published:
    transforms = weights.transforms()
    mean, std = list(transforms.mean), list(transforms.std)
    if network in ("googlenet", "inception_v3"):
        # With `transform_input`, which is left out here, they change ImageNet's values to these.
        mean, std = [0.5] * 3, [0.5] * 3
    return Published(weights.url, mean, std, transforms.crop_size[0])


def _digits(url: str) -> str:
    """First digits of a file's SHA-256, in its published name."""
    return Path(url).stem.rpartition("-")[2]
