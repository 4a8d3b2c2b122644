"""Small pictures for a page: of whole images, and of what a channel sees in them."""

import base64
import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, UInt8
from PIL import Image
from torch.nn import functional

from shapebias.networks.classifier import Classifier
from shapebias.networks.eval_mode import eval_without_gradients
from shapebias.runtime.batches import batch_size_for

Pixels = UInt8[np.ndarray, "row column 3"]
# JPEG's quality, for some 2 kB a picture; up to so many pixels every one of them counts.
QUALITY, TINY = 75, 32
# Brightness of what lies below the threshold, and of what lies outside the image.
DARKENED, OUTSIDE = 0.45, 128


def picture(pixels: Pixels, side: int) -> str:
    """An image, brought to so many pixels where it is larger, as a `data:` address."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    kind = "png" if max(image.size) <= TINY else "jpeg"
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **({} if kind == "png" else {"quality": QUALITY}))
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()


def top_image_crops(
    network: Classifier,
    layer: str,
    channel: int,
    threshold: float,
    images: Sequence[Pixels],
    places: pd.DataFrame,
) -> list[Pixels]:
    """What a channel sees in the images that excite it.

    Parameters
    ----------
    network
        The network.
    layer, channel, threshold
        The channel, and the activation from which on it counts as active.
    images
        Its top images, all of one size.
    places
        A row an image: top, left, height, width of the receptive field at its highest activation.

    Returns
    -------
    Where the field is smaller than the image, that part of each; what lies outside the image is
    grey. Otherwise the image, darkened where the activation, brought to its size, is not above
    the threshold.
    """
    if field_is_smaller(places, images[0]):
        fields = zip(*(places[name] for name in ("top", "left", "height", "width")), strict=True)
        return [crop_to_field(image, *field) for image, field in zip(images, fields, strict=True)]
    masks = activation_mask(network, layer, channel, threshold, images)
    return [
        np.where(mask[..., None], image, image * DARKENED).astype(np.uint8)
        for image, mask in zip(images, masks, strict=True)
    ]


def field_is_smaller(places: pd.DataFrame, image: Pixels) -> bool:
    """Whether the receptive field, which all places share, is smaller than an image."""
    first = places.iloc[0]
    return bool(first["height"] < image.shape[0] or first["width"] < image.shape[1])


def crop_to_field(image: Pixels, top: int, left: int, height: int, width: int) -> Pixels:
    """Part of an image, grey where it lies outside."""
    part = np.full((height, width, 3), OUTSIDE, dtype=np.uint8)
    y, x = max(top, 0), max(left, 0)
    inside = image[y : max(top + height, 0), x : max(left + width, 0)]
    part[y - top : y - top + inside.shape[0], x - left : x - left + inside.shape[1]] = inside
    return part


def activation_mask(
    network: Classifier, layer: str, channel: int, threshold: float, images: Sequence[Pixels]
) -> Bool[np.ndarray, "image row column"]:
    """Pixels at which a channel's activation, upsampled bilinearly, is above its threshold."""
    size, found = images[0].shape[:2], []
    with eval_without_gradients(network):
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        for part in pixels.split(batch_size_for(size)):
            given = part.contiguous().to(network.mean.device).float().div_(255)
            maps = next(maps for name, maps in network.walk(given) if name == layer)
            large = functional.interpolate(maps[:, [channel]], size, mode="bilinear")
            found.append((large[:, 0] > threshold).cpu().numpy())
    return np.concatenate(found)
