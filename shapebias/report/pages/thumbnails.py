"""Small pictures for a page: whole images, and crops to a channel's receptive field."""

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

# Pixels of one image; the sizes of two images can differ.
Pixels = UInt8[np.ndarray, "_ _ 3"]
# About 2 kB for each JPEG picture.
JPEG_QUALITY = 75
# Longest side of an image that is stored without loss, as each of its pixels is visible.
LOSSLESS_SIDE = 32
# Factor of the brightness below the threshold; grey value outside the image.
DARKENING, OUTSIDE = 0.45, 128


def data_uri(pixels: Pixels, side: int) -> str:
    """Encode an image as a `data:` address.

    Parameters
    ----------
    pixels
        The image.
    side
        Longest side in pixels; a larger image is shrunk to it.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    kind = "png" if max(image.size) <= LOSSLESS_SIDE else "jpeg"
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **({} if kind == "png" else {"quality": JPEG_QUALITY}))
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()


def top_image_crops(
    model: Classifier,
    layer: str,
    channel: int,
    threshold: float,
    images: Sequence[Pixels],
    places: pd.DataFrame,
) -> list[Pixels]:
    """Crop or darken the top images of a channel to what it responds to.

    Parameters
    ----------
    model
        The network.
    layer, channel
        The channel.
    threshold
        Activation above which the channel is active.
    images
        Its top images, all of one size.
    places
        Top, left, height and width of the receptive field of the most active position, one row
        for each image.

    Returns
    -------
    If the receptive field is smaller than the image, the crops to it, grey outside the image.
    Otherwise the images, darkened where the upsampled activation is not above the threshold.
    """
    if field_is_smaller(places, images[0]):
        fields = zip(*(places[name] for name in ("top", "left", "height", "width")), strict=True)
        return [crop_to_field(image, *field) for image, field in zip(images, fields, strict=True)]
    masks = activation_mask(model, layer, channel, threshold, images)
    return [
        np.where(mask[..., None], image, image * DARKENING).astype(np.uint8)
        for image, mask in zip(images, masks, strict=True)
    ]


def field_is_smaller(places: pd.DataFrame, image: Pixels) -> bool:
    """Whether the receptive field, of one size at all places, is smaller than an image."""
    first = places.iloc[0]
    return bool(first["height"] < image.shape[0] or first["width"] < image.shape[1])


def crop_to_field(image: Pixels, top: int, left: int, height: int, width: int) -> Pixels:
    """Crop an image; the part of the crop outside the image is grey."""
    crop = np.full((height, width, 3), OUTSIDE, dtype=np.uint8)
    y, x = max(top, 0), max(left, 0)
    inside = image[y : max(top + height, 0), x : max(left + width, 0)]
    crop[y - top : y - top + inside.shape[0], x - left : x - left + inside.shape[1]] = inside
    return crop


def activation_mask(
    model: Classifier, layer: str, channel: int, threshold: float, images: Sequence[Pixels]
) -> Bool[np.ndarray, "image row column"]:
    """Pixels at which a channel's activation, upsampled bilinearly, is above its threshold."""
    size, masks = images[0].shape[:2], []
    with eval_without_gradients(model):
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        for batch in pixels.split(batch_size_for(size)):
            scaled = batch.contiguous().to(model.mean.device).float().div_(255)
            maps = next(maps for name, maps in model.walk(scaled) if name == layer)
            upsampled = functional.interpolate(maps[:, [channel]], size, mode="bilinear")
            masks.append((upsampled[:, 0] > threshold).cpu().numpy())
    return np.concatenate(masks)
