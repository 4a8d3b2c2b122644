"""Style transfer by adaptive instance normalisation, as in Stylized-ImageNet."""

from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from shapebias.plugins import FilePath, plugin
from shapebias.ranges import Range
from shapebias.runtime.gpus import device
from shapebias.stimuli.stylizers._vgg import (
    VGG19,
    as_pixels,
    as_tensor,
    check_size,
    load_vgg19,
    vgg19,
)
from shapebias.weights.match import match_state_dict
from shapebias.weights.read import read_weights

# Added to variances, as published, against division by zero in constant channels.
EPSILON = 1e-5
# Output channels of the decoder's convolutions, block by block, from the deepest.
DECODER = ((256,), (256, 256, 256, 128), (128, 64), (64, 3))
# Eight pixels are one position of relu4_1, and reflection needs two positions.
MIN_SIDE = 9


@plugin
class AdaIN:
    """Normalise content features to the style's mean and spread, channel by channel, and decode.

    Parameters
    ----------
    encoder
        File of the weights of VGG-19: `vgg_normalised.pth` for the public decoder; torchvision's
        for a decoder that was trained on it.
    decoder
        File of the weights of the decoder (`decoder.pth`) for that encoder.
    alpha
        Strength of the style, in [0, 1]; at 0 the content is only encoded and decoded.
    style_size
        Side in pixels to which the central square of the style image is reduced, if it is larger;
        None uses the style image as it is. 224 for Stylized-ImageNet.

    Raises
    ------
    ShapebiasError
        If a file is missing, damaged, requires code to be opened, or is of another network.

    References
    ----------
    .. [1] Huang & Belongie (2017). Arbitrary style transfer in real-time with adaptive instance
       normalization. ICCV. :DOI:`10.1109/ICCV.2017.167`
    .. [2] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture; increasing
       shape bias improves accuracy and robustness. ICLR. :DOI:`10.48550/arXiv.1811.12231`
    """

    encoder: FilePath
    decoder: FilePath
    alpha: Annotated[float, Range(ge=0, le=1)] = 1.0
    style_size: Annotated[int, Range(ge=9)] | None = 224

    def __post_init__(self):
        # Loading the networks now reports a wrong file before the first image.
        _ = self.encoder_network, self.decoder_network

    @cached_property
    def encoder_network(self) -> VGG19:
        """Network from images in [0, 1] to features of 512 channels."""
        return load_vgg19(vgg19("relu4_1", padding="reflect"), self.encoder).to(device())

    @cached_property
    def decoder_network(self) -> nn.Module:
        """Network from features of 512 channels to images in [0, 1]."""
        return load_decoder(self.decoder).to(device())

    @torch.inference_mode()
    def __call__(
        self,
        content: UInt8[np.ndarray, "row column 3"],
        style: UInt8[np.ndarray, "style_row style_column 3"],
        rng: np.random.Generator | None = None,
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Stylize an image, at the size of the content; nothing is random."""
        style = central_square(style, self.style_size)
        check_size(content, MIN_SIDE, "a content image")
        check_size(style, MIN_SIDE, "a style image")
        content_features, style_features = (
            self.encoder_network(as_tensor(image, device())) for image in (content, style)
        )
        stylized = match_statistics(content_features, style_features)
        mixed = self.alpha * stylized + (1 - self.alpha) * content_features
        rows, columns, _ = content.shape
        # Eight pixels a position: the decoder's image may be larger at the right and the bottom.
        return as_pixels(self.decoder_network(mixed)[..., :rows, :columns])


def match_statistics(
    content: Float[Tensor, "image channel row column"],
    style: Float[Tensor, "image channel style_row style_column"],
) -> Float[Tensor, "image channel row column"]:
    """Give content features the mean and the standard deviation of each channel of the style."""
    normal = (content - content.mean((2, 3), keepdim=True)) / _spread(content)
    return normal * _spread(style) + style.mean((2, 3), keepdim=True)


def central_square(
    style: UInt8[np.ndarray, "row column 3"], size: int | None
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Crop the largest central square, reduced to `size` pixels if larger; None does not crop."""
    if size is None:
        return style
    side = min(style.shape[:2])
    top, left = (style.shape[0] - side) // 2, (style.shape[1] - side) // 2
    square = Image.fromarray(np.ascontiguousarray(style[top : top + side, left : left + side]))
    if side > size:
        square = square.resize((size, size), Image.Resampling.LANCZOS)
    return np.array(square)


class Decoder(nn.Sequential):
    """Layers from features of relu4_1 to images, in order."""


def load_decoder(path: str | Path) -> Decoder:
    """Build the decoder with published weights, its layers numbered as in their file."""
    layers: list[nn.Module] = []
    inputs = 512
    with torch.device("meta"):
        for block in DECODER:
            for outputs in block:
                layers += [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3), nn.ReLU()]
                inputs = outputs
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
        # The last convolution is followed neither by a ReLU nor by upsampling.
        decoder = Decoder(*layers[:-2])
    weights = match_state_dict(decoder, read_weights(Path(path)), str(path))
    decoder.load_state_dict(weights, assign=True)
    return decoder.float().eval().requires_grad_(False)


def _spread(
    features: Float[Tensor, "image channel row column"],
) -> Float[Tensor, "image channel 1 1"]:
    """Compute the standard deviation of each channel."""
    return (features.var((2, 3), keepdim=True) + EPSILON).sqrt()
