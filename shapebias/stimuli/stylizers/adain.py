"""Style transfer by adaptive instance normalisation, as in Stylized-ImageNet."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from shapebias.plugins import FilePath
from shapebias.ranges import Range
from shapebias.runtime.gpus import device
from shapebias.stimuli.stylizers._vgg import as_pixels, as_tensor, check_sides, load_vgg19, vgg19
from shapebias.weights.match import match_state_dict
from shapebias.weights.read import read_weights

# Added to variances, as published; flat channels would divide by zero.
TINY = 1e-5
# Output channels of the decoder's convolutions, block by block, from the deepest.
DECODER = ((256,), (256, 256, 256, 128), (128, 64), (64, 3))
# Eight pixels are one position of relu4_1, and reflection needs two.
LEAST = 9


def build(
    *,
    encoder: FilePath,
    decoder: FilePath,
    alpha: Annotated[float, Range(ge=0, le=1)] = 1.0,
    style_size: Annotated[int, Range(ge=9)] | None = 224,
) -> "AdaIN":
    """Stylizer ``stylizer(content, style, rng)`` of uint8 images ``(row, column, 3)``.

    Parameters
    ----------
    encoder
        File of VGG-19's weights: `vgg_normalised.pth` for the public decoder; torchvision's for
        a decoder that was trained on it.
    decoder
        File of the decoder's weights (`decoder.pth`), made for that encoder.
    alpha
        Strength of the style, in [0, 1]; at 0 the content is only encoded and decoded.
    style_size
        Side in pixels to which the style image's central square is brought, if it is larger; None
        leaves the style as it is. 224 for Stylized-ImageNet.

    Raises
    ------
    ShapebiasError
        If a file is missing, damaged, needs code to be opened, or is of another network.
    """
    return AdaIN(
        encoder=load_vgg19(vgg19("relu4_1", padding="reflect"), encoder).to(device()),
        decoder=load_decoder(decoder).to(device()),
        alpha=alpha,
        style_size=style_size,
    )


@dataclass(frozen=True, kw_only=True)
class AdaIN:
    """Content features with the mean and spread of the style's, channel by channel, decoded.

    Parameters
    ----------
    encoder, decoder
        Networks from images in [0, 1] to features of 512 channels, and back.
    alpha, style_size
        See `build`.

    References
    ----------
    .. [1] Huang & Belongie (2017). Arbitrary style transfer in real-time with adaptive instance
       normalization. ICCV. :DOI:`10.1109/ICCV.2017.167`
    .. [2] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture; increasing
       shape bias improves accuracy and robustness. ICLR. :DOI:`10.48550/arXiv.1811.12231`
    """

    encoder: nn.Module = field(repr=False)
    decoder: nn.Module = field(repr=False)
    alpha: float
    style_size: int | None

    @torch.inference_mode()
    def __call__(
        self,
        content: UInt8[np.ndarray, "row column 3"],
        style: UInt8[np.ndarray, "style_row style_column 3"],
        rng: np.random.Generator | None = None,
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Content in the style, at the content's size; nothing is drawn."""
        style = central_square(style, self.style_size)
        check_sides(content, LEAST, "a content image")
        check_sides(style, LEAST, "a style image")
        place = next(self.encoder.parameters()).device
        seen, wanted = (self.encoder(as_tensor(image, place)) for image in (content, style))
        mixed = self.alpha * with_statistics(seen, wanted) + (1 - self.alpha) * seen
        rows, columns, _ = content.shape
        # Eight pixels a position: the decoder overshoots other sizes at the right and below.
        return as_pixels(self.decoder(mixed)[..., :rows, :columns])


def with_statistics(
    content: Float[Tensor, "image channel row column"],
    style: Float[Tensor, "image channel style_row style_column"],
) -> Float[Tensor, "image channel row column"]:
    """Content features with each channel's mean and standard deviation of the style's."""
    normal = (content - content.mean((2, 3), keepdim=True)) / _spread(content)
    return normal * _spread(style) + style.mean((2, 3), keepdim=True)


def central_square(
    style: UInt8[np.ndarray, "row column 3"], size: int | None
) -> UInt8[np.ndarray, "side side 3"]:
    """Largest square in the middle of an image, made smaller where it exceeds `size` pixels."""
    if size is None:
        return style
    side = min(style.shape[:2])
    top, left = (style.shape[0] - side) // 2, (style.shape[1] - side) // 2
    square = Image.fromarray(np.ascontiguousarray(style[top : top + side, left : left + side]))
    if side > size:
        square = square.resize((size, size), Image.Resampling.LANCZOS)
    return np.array(square)


class Decoder(nn.Sequential):
    """From features of relu4_1 to images; the layers by their numbers."""


def load_decoder(path: str | Path) -> Decoder:
    """Decoder with published weights, its layers numbered as in their file."""
    with torch.device("meta"):
        decoder = Decoder(*_decoder_layers())
    decoder.load_state_dict(
        match_state_dict(decoder, read_weights(Path(path)), str(path)), assign=True
    )
    return decoder.float().eval().requires_grad_(False)


def _decoder_layers() -> list[nn.Module]:
    layers: list[nn.Module] = []
    inputs = 512
    for block in DECODER:
        for outputs in block:
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3), nn.ReLU()]
            inputs = outputs
        layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
    # Colours have no ReLU, and the image is at its own size already.
    return layers[:-2]


def _spread(features: Float[Tensor, "image channel row column"]) -> Tensor:
    return (features.var((2, 3), keepdim=True) + TINY).sqrt()
