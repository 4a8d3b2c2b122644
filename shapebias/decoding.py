"""Encoded image files to pixels and back: every reader of an image set sees the same pixels."""

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from shapebias.errors import ShapebiasError

# Formats of photographs; Pillow knows others whose files may start programs (EPS) or hold none.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF")
SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def decode(
    data: bytes, *, resize: int | None = None, crop: int | None = None, name: str = "image"
) -> UInt8[np.ndarray, "row column 3"]:
    """Pixels of an encoded image as it is meant to be seen, brought to size.

    The orientation that a camera noted is applied, transparency is laid on white, and every
    colour mode becomes RGB. Embedded colour profiles are ignored, as is usual for ImageNet.

    Parameters
    ----------
    data
        Content of an image file in one of `FORMATS`.
    resize
        Length of the short side in pixels, reached by bilinear interpolation with antialiasing;
        the long side is rounded down. None leaves the size as it is.
    crop
        Side of the central square in pixels, cut out afterwards. None keeps the whole image.
    name
        What error messages call the image.

    Raises
    ------
    ShapebiasError
        If the image is damaged, suspiciously large, animated, of no known range, or smaller than
        the crop.
    """
    image = _opened(data, name)
    resized, box = framed(image.size, resize=resize, crop=crop, name=name)
    if resize is not None:
        image = image.resize(resized, Image.Resampling.BILINEAR)
    if crop is not None:
        image = image.crop(box)
    return np.array(image)


def framed(
    size: tuple[int, int], *, resize: int | None, crop: int | None, name: str = "image"
) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """Width and height to which an image is resized, and the box (left, top, right, bottom) kept.

    Parameters
    ----------
    size
        Width and height of the image as it is seen, in pixels.
    resize, crop, name
        As for `decode`.

    Raises
    ------
    ShapebiasError
        If the image is smaller than the crop.
    """
    resized = size if resize is None else _resized(size, resize)
    return resized, (0, 0, *resized) if crop is None else _central(resized, crop, name)


def encode_png(pixels: UInt8[np.ndarray, "row column 3"]) -> bytes:
    """PNG file of pixels; the same pixels always give the same bytes."""
    file = io.BytesIO()
    # Higher levels take three times as long and save 4 % on photographs.
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _opened(data: bytes, name: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_area(image.size, name)
            _check_frames(image, name)
            # In place: each copy of the largest image allowed takes a quarter of a gigabyte.
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
            return _to_rgb(image, name)
    except ShapebiasError:
        raise
    except Image.DecompressionBombError as error:
        raise ShapebiasError(f"{name}: {error}") from error
    # Pillow raises errors of almost every class on damaged files, by the place where it notices.
    except Exception as error:
        raise ShapebiasError(
            f"{name}: not a readable image, or cut short ({_why(error)}); "
            "get the file anew or remove it"
        ) from error


def _why(error: Exception) -> str:
    """What Pillow says, in one line that is the same in every run."""
    if isinstance(error, UnidentifiedImageError):
        return f"none of {', '.join(FORMATS)}"
    return " ".join(f"{error}".split()) or type(error).__name__


def _check_frames(image: Image.Image, name: str) -> None:
    """Refuse animations and stacks; a camera's MPO file is its first picture with a preview."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise ShapebiasError(f"{name}: {frames} frames or pages; save the one that is meant")


def _check_area(size: tuple[int, int], name: str) -> None:
    """Refuse what Pillow only warns of: small files that unpack to very many pixels."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and size[0] * size[1] > limit:
        raise ShapebiasError(
            f"{name}: {size[0]}×{size[1]} pixels are more than the {limit} allowed; make it smaller"
        )


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode in SIXTEEN_BIT:
        image = _eight_bit(image, name)
    if image.mode == "F":
        raise ShapebiasError(f"{name}: floating-point pixels have no known range; save as 8 bits")
    if image.has_transparency_data:
        seen = image if image.mode == "RGBA" else image.convert("RGBA")
        ground = Image.new("RGB", seen.size, "white")
        ground.paste(seen, mask=seen)
        return ground
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bit(image: Image.Image, name: str) -> Image.Image:
    """Grey levels 0 ... 65,535 scaled to 0 ... 255; Pillow's own conversion would clip them."""
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > 65_535:
        raise ShapebiasError(f"{name}: grey levels beyond 16 bits; save the image as 8 bits")
    return Image.fromarray(np.round(levels / 257).astype(np.uint8))


def _resized(size: tuple[int, int], short: int) -> tuple[int, int]:
    """Width and height with the given short side; the long one rounded down as torchvision does."""
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def _central(size: tuple[int, int], side: int, name: str) -> tuple[int, int, int, int]:
    width, height = size
    if min(size) < side:
        raise ShapebiasError(
            f"{name}: {width}×{height} pixels are too few for a crop of {side}; crop less, or "
            "set a larger `resize`"
        )
    # Half a pixel is rounded to the even number, as in torchvision's CenterCrop.
    left, top = round((width - side) / 2), round((height - side) / 2)
    return left, top, left + side, top + side
