"""VGG-19 without its classifier, for stylizers, and its published weight files.

Layers are numbered as in the normalised network of [2]_: a 1×1 convolution that scales RGB in
[0, 1] for the following layers, then padding, convolution and ReLU in turn. Other files have no
such first layer; it is filled in with the preprocessing of their networks.

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
# Matrix for RGB in [0, 1], and offset: ImageNet's mean and standard deviation; and blue, green, red
# in [0, 255] minus Caffe's mean.
TORCHVISION = (
    ((1 / 0.229, 0, 0), (0, 1 / 0.224, 0), (0, 0, 1 / 0.225)),
    (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
)
CAFFE = (((0, 0, 255), (0, 255, 0), (255, 0, 0)), (-103.939, -116.779, -123.68))


class VGG19(nn.Sequential):
    """Layers of VGG-19 in order."""


def vgg19(last: str, *, padding: str, pooling: str = "max") -> VGG19:
    """Build VGG-19 up to a layer, on the meta device, without weights.

    Parameters
    ----------
    last
        Name of the last layer: "relu4_1".
    padding
        Of every 3×3 convolution: "reflect" or "zeros".
    pooling
        "max" or "average", over 2×2 positions; incomplete windows at a border are included.
    """
    inputs = 3
    # The meta device draws no weights, so torch's random state does not change.
    with torch.device("meta"):
        layers: list[nn.Module] = [nn.Conv2d(3, 3, kernel_size=1)]
        for block in CHANNELS:
            for outputs in block:
                layers += [PADDINGS[padding](1), nn.Conv2d(inputs, outputs, 3), nn.ReLU()]
                inputs = outputs
            layers.append(POOLINGS[pooling](2, ceil_mode=True))
        return VGG19(*layers[: positions()[last] + 1])


def positions() -> dict[str, int]:
    """Return the index of every ReLU by its name, "relu1_1" ... "relu5_4"."""
    return {f"relu{name}": index + 1 for name, index, _ in _convolutions()}


def load_vgg19(network: VGG19, path: str | Path) -> VGG19:
    """Load published weights into a network of `vgg19`, without those of deeper layers.

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
        If the file is missing, damaged, requires code to be opened, or is of another network.
    """
    weights = rename_published(read_weights(Path(path)))
    deeper = {
        f"{index}.{part}"
        for _, index, _ in _convolutions()
        for part in ("weight", "bias")
        if index >= len(network)
    }
    weights = {key: weights[key] for key in weights if key not in deeper}
    return _with_weights(network, match_state_dict(network, weights, str(path)))


def draw_vgg19(network: VGG19, *, seed: int) -> VGG19:
    """Fill a network of `vgg19` with random weights that preserve the scale of activations [1]_.

    References
    ----------
    .. [1] He, Zhang, Ren & Sun (2015). Delving deep into rectifiers. ICCV.
       :DOI:`10.1109/ICCV.2015.123`
    """
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for key, parameter in network.state_dict().items():
        scale = (2 / parameter[0].numel()) ** 0.5 if key.endswith("weight") else 0.0
        weights[key] = scale * torch.randn(parameter.shape, generator=generator)
    return _with_weights(network, weights | _first_layer(*TORCHVISION))


def features(
    network: VGG19, images: Float[Tensor, "image 3 row column"], names: Sequence[str]
) -> dict[str, Float[Tensor, "image _ _ _"]]:
    """Compute the activations ``(image, channel, row, column)`` of named layers in one pass."""
    layers = {positions()[name]: name for name in names}
    activations = {}
    for index, layer in enumerate(network[: max(layers) + 1]):
        images = layer(images)
        if index in layers:
            activations[layers[index]] = images
    return activations


def as_tensor(
    pixels: UInt8[np.ndarray, "row column 3"], device: torch.device
) -> Float[Tensor, "1 3 row column"]:
    """Convert 8-bit pixels to an image in [0, 1]."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].to(device).float() / 255


def as_pixels(image: Float[Tensor, "1 3 row column"]) -> UInt8[np.ndarray, "row column 3"]:
    """Clip an image to [0, 1] and round it to 8-bit pixels."""
    rounded = (255 * image[0].detach().clamp(0, 1)).round().byte()
    return np.ascontiguousarray(rounded.permute(1, 2, 0).cpu().numpy())


def check_size(pixels: UInt8[np.ndarray, "row column 3"], min_side: int, name: str) -> None:
    """Raise `ShapebiasError` if an image is too small for the layers that are used."""
    if min(pixels.shape[:2]) < min_side:
        raise ShapebiasError(
            f"{name} of {pixels.shape[1]}×{pixels.shape[0]} pixels is too small for VGG-19:"
            f" each side needs {min_side} or more; set `resize`"
        )


def rename_published(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a published file to the numbers of the normalised network."""
    renamed = dict(weights)
    if "features.0.weight" in weights:
        renamed = {key: weights[key] for key in weights if not key.startswith("classifier.")}
        preprocessing = TORCHVISION
        published = [f"features.{index}" for *_, index in _convolutions()]
    elif "conv1_1.weight" in weights:
        preprocessing, published = CAFFE, [f"conv{name}" for name, *_ in _convolutions()]
    else:
        return renamed
    for name, (_, index, _) in zip(published, _convolutions(), strict=True):
        for part in ("weight", "bias"):
            if f"{name}.{part}" in renamed:
                renamed[f"{index}.{part}"] = renamed.pop(f"{name}.{part}")
    return renamed | _first_layer(*preprocessing)


def _first_layer(matrix: Sequence[Sequence[float]], offset: Sequence[float]) -> dict[str, Tensor]:
    """Weights of the first convolution, which scales RGB in [0, 1]."""
    return {
        "0.weight": torch.tensor(matrix, dtype=torch.float32)[:, :, None, None],
        "0.bias": torch.tensor(offset, dtype=torch.float32),
    }


def _with_weights(network: VGG19, weights: Mapping[str, Tensor]) -> VGG19:
    """Load weights in single precision, for inference."""
    network.load_state_dict(weights, assign=True)
    return network.float().eval().requires_grad_(False)


def _convolutions() -> Iterator[tuple[str, int, int]]:
    """Yield the name of each convolution ("4_1"), its index here and in torchvision's file."""
    index, torchvision_index = 2, 0
    for block, channels in enumerate(CHANNELS, start=1):
        for number in range(1, len(channels) + 1):
            yield f"{block}_{number}", index, torchvision_index
            index, torchvision_index = index + 3, torchvision_index + 2
        index, torchvision_index = index + 1, torchvision_index + 1
