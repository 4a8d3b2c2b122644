"""VGG-19 without its classifier, for stylizers, and the files in which its weights are published.

The layers are numbered as in the normalised network of [2]_: a 1×1 convolution that brings RGB in
[0, 1] to the scale that the others expect, then a padding, a convolution and a ReLU at a time.
Files of other origin have no such first layer; it is filled in with their preprocessing.

References
----------
.. [1] Simonyan & Zisserman (2015). Very deep convolutional networks for large-scale image
   recognition. ICLR. :DOI:`10.48550/arXiv.1409.1556`
.. [2] https://github.com/naoto0804/pytorch-AdaIN (`vgg_normalised.pth`)
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.weights.match import match_state_dict
from shapebias.weights.read import read_weights

CHANNELS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
POOLINGS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
PADDINGS = {"reflect": nn.ReflectionPad2d, "zeros": nn.ZeroPad2d}
# Matrix on RGB in [0, 1], and what is added: ImageNet's mean and standard deviation; and 0 ... 255
# in the order blue, green, red, less Caffe's mean.
TORCHVISION = (
    ((1 / 0.229, 0, 0), (0, 1 / 0.224, 0), (0, 0, 1 / 0.225)),
    (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
)
CAFFE = (((0, 0, 255), (0, 255, 0), (255, 0, 0)), (-103.939, -116.779, -123.68))


class VGG19(nn.Sequential):
    """The layers by their numbers."""


def vgg19(last: str, *, padding: str, pooling: str = "max") -> VGG19:
    """VGG-19 up to a layer, on no device and without weights.

    Parameters
    ----------
    last
        Name of the last layer: "relu4_1".
    padding
        Of every 3×3 convolution: "reflect" or "zeros".
    pooling
        "max" or "average", over 2×2 positions; what is left over at a border counts too.
    """
    inputs = 3
    # Weights are put in later: none are drawn, and torch's random numbers stay where they were.
    with torch.device("meta"):
        layers: list[nn.Module] = [nn.Conv2d(3, 3, kernel_size=1)]
        for block in CHANNELS:
            for outputs in block:
                layers += [PADDINGS[padding](1), nn.Conv2d(inputs, outputs, 3), nn.ReLU()]
                inputs = outputs
            layers.append(POOLINGS[pooling](2, ceil_mode=True))
        return VGG19(*layers[: positions()[last] + 1])


def positions() -> dict[str, int]:
    """Number of every ReLU by its name, "relu1_1" ... "relu5_4"."""
    return {f"relu{name}": number + 1 for name, number, _ in _convolutions()}


def load_vgg19(network: VGG19, path: str | Path) -> VGG19:
    """Put published weights into a network of `vgg19`; those of deeper layers are passed over.

    Parameters
    ----------
    network
        See `vgg19`.
    path
        The normalised network's file, torchvision's, or the one published with Gatys et al.
        (`vgg_conv.pth`).

    Raises
    ------
    ShapebiasError
        If the file is missing, damaged, needs code to be opened, or is of another network.
    """
    weights = published(read_weights(Path(path)))
    weights = {key: weights[key] for key in weights if key not in _deeper(len(network))}
    return _filled(network, match_state_dict(network, weights, str(path)))


def draw_vgg19(network: VGG19, *, seed: int) -> VGG19:
    """Fill a network of `vgg19` with random weights that keep the scale of what passes [1]_.

    References
    ----------
    .. [1] He, Zhang, Ren & Sun (2015). Delving deep into rectifiers. ICCV.
       :DOI:`10.1109/ICCV.2015.123`
    """
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for key, wanted in network.state_dict().items():
        scale = (2 / wanted[0].numel()) ** 0.5 if key.endswith("weight") else 0.0
        weights[key] = scale * torch.randn(wanted.shape, generator=generator)
    return _filled(network, weights | _first(*TORCHVISION))


def features(
    network: VGG19, images: Float[Tensor, "image 3 row column"], names: Sequence[str]
) -> dict[str, Float[Tensor, "image channel map_row map_column"]]:
    """Activations of named layers, in one pass."""
    wanted = {positions()[name]: name for name in names}
    found = {}
    for number, layer in enumerate(network[: max(wanted) + 1]):
        images = layer(images)
        if number in wanted:
            found[wanted[number]] = images
    return found


def as_tensor(
    pixels: UInt8[np.ndarray, "row column 3"], device: torch.device
) -> Float[Tensor, "1 3 row column"]:
    """8-bit pixels as one image in [0, 1]."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].to(device).float() / 255


def as_pixels(image: Float[Tensor, "1 3 row column"]) -> UInt8[np.ndarray, "row column 3"]:
    """One image as 8-bit pixels, clipped to [0, 1] and rounded."""
    rounded = (255 * image[0].detach().clamp(0, 1)).round().byte()
    return np.ascontiguousarray(rounded.permute(1, 2, 0).cpu().numpy())


def check_sides(pixels: np.ndarray, least: int, what: str) -> None:
    """Raise `ShapebiasError` where an image is too small for the layers that are used."""
    if min(pixels.shape[:2]) < least:
        raise ShapebiasError(
            f"{what} of {pixels.shape[1]}×{pixels.shape[0]} pixels is too small for VGG-19:"
            f" each side needs {least} or more; set `resize`"
        )


def published(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of any of the published files under the numbers of the normalised network."""
    renamed = dict(weights)
    if "features.0.weight" in weights:
        renamed = {key: weights[key] for key in weights if not key.startswith("classifier.")}
        preprocessing, theirs = TORCHVISION, [f"features.{own}" for *_, own in _convolutions()]
    elif "conv1_1.weight" in weights:
        preprocessing, theirs = CAFFE, [f"conv{name}" for name, *_ in _convolutions()]
    else:
        return renamed
    for their, (_, number, _) in zip(theirs, _convolutions(), strict=True):
        for part in ("weight", "bias"):
            if f"{their}.{part}" in renamed:
                renamed[f"{number}.{part}"] = renamed.pop(f"{their}.{part}")
    return renamed | _first(*preprocessing)


def _first(matrix: Sequence[Sequence[float]], offset: Sequence[float]) -> dict[str, Tensor]:
    return {
        "0.weight": torch.tensor(matrix, dtype=torch.float32)[:, :, None, None],
        "0.bias": torch.tensor(offset, dtype=torch.float32),
    }


def _filled(network: VGG19, weights: Mapping[str, Tensor]) -> VGG19:
    network.load_state_dict(weights, assign=True)
    return network.float().eval().requires_grad_(False)


def _deeper(length: int) -> set[str]:
    """Names of the weights at and beyond a number of layers."""
    beyond = [number for _, number, _ in _convolutions() if number >= length]
    return {f"{number}.{part}" for number in beyond for part in ("weight", "bias")}


def _convolutions() -> Iterator[tuple[str, int, int]]:
    """Name of each convolution ("4_1"), its number here, and its number in torchvision's file."""
    number, own = 2, 0
    for block, channels in enumerate(CHANNELS, start=1):
        for place in range(1, len(channels) + 1):
            yield f"{block}_{place}", number, own
            number, own = number + 3, own + 2
        number, own = number + 1, own + 1
