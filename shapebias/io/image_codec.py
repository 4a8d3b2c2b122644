"""Encoded image files to pixels and back: every reader of an image set sees the same pixels."""

import io
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, UnidentifiedImageError

from shapebias.errors import ShapebiasError

# Formats of photographs; Pillow knows others whose files may start programs (EPS) or hold none.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF")
SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")
# How an image is turned for each value that a camera notes as its orientation.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LAID_DOWN = [TURNS[noted] for noted in (5, 6, 7, 8)]
# Together with the limit of pixels it keeps the ingest of any image below a gigabyte.
MOST_BYTES = 128 * 2**20
PIXELS_A_STRIP = 2**20

T = TypeVar("T")


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
        If the image is damaged, animated, of no known range, smaller than the crop, or
        suspiciously large as it is or resized.
    """
    image = _opened(data, name, _upright)
    resized, box = resize_crop_box(image.size, resize=resize, crop=crop, name=name)
    if resize is not None:
        image = image.resize(resized, Image.Resampling.BILINEAR)
    if crop is not None:
        image = image.crop(box)
    return np.array(image)


def image_size(data: bytes, *, name: str = "image") -> tuple[int, int]:
    """Width and height in pixels of an encoded image as `decode` shows it, unless it refuses it.

    All of the image is decoded, but no more than one copy of its pixels held.

    Parameters
    ----------
    data, name
        As for `decode`.

    Raises
    ------
    ShapebiasError
        As of `decode` without resizing and crop.
    """
    return _opened(data, name, _checked_size)


def resize_crop_box(
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
        If the image is smaller than the crop, or resized has too many pixels: one pixel wide and
        a thousand high, it would become very large.
    """
    resized = size if resize is None else _resized(size, resize)
    _check_area(resized, name, "the resized image would be ")
    return resized, (0, 0, *resized) if crop is None else _central(resized, crop, name)


def check_length(length: int, name: str = "image") -> None:
    """Raise `ShapebiasError` if a file has too many bytes to be read as an image."""
    if length > MOST_BYTES:
        raise ShapebiasError(
            f"{name}: a file of {length} bytes is more than the {MOST_BYTES} allowed; compress it, "
            "or make the image smaller"
        )


def encode_png(pixels: UInt8[np.ndarray, "row column 3"]) -> bytes:
    """PNG file of pixels; the same pixels always give the same bytes."""
    file = io.BytesIO()
    # Higher levels take three times as long and save 4 % on photographs.
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _opened(data: bytes, name: str, take: Callable[[Image.Image, str], T]) -> T:
    """What a function takes from an image once it is loaded."""
    check_length(len(data), name)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_area(image.size, name, share=_share(image))
            _check_frames(image, name)
            image.load()
            return take(image, name)
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


def _upright(image: Image.Image, name: str) -> Image.Image:
    """The image in RGB, turned as its camera noted."""
    turn = _turn(image)
    if not _is_rgb(image):
        seen = Image.new("RGB", image.size)
        for top, strip in _strips(image, name):
            seen.paste(strip, (0, top))
        image = seen
    return image if turn is None else image.transpose(turn)


def _checked_size(image: Image.Image, name: str) -> tuple[int, int]:
    """Width and height once turned, with every pixel's conversion tried."""
    if not _is_rgb(image):
        for _ in _strips(image, name):
            pass
    width, height = image.size
    return (height, width) if _turn(image) in LAID_DOWN else (width, height)


def _turn(image: Image.Image) -> Image.Transpose | None:
    return TURNS.get(image.getexif().get(ExifTags.Base.Orientation))


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


def _share(image: Image.Image) -> float:
    """Share of the pixels allowed, smaller where decoding needs more memory a pixel."""
    # Four copies of the pixels; and the coefficients of the whole image.
    return 1 / 2 if image.format == "WEBP" else 2 / 3 if image.info.get("progressive") else 1


def _check_area(size: tuple[int, int], name: str, what: str = "", share: float = 1) -> None:
    """Refuse what Pillow only warns of: small files that unpack to very many pixels."""
    if Image.MAX_IMAGE_PIXELS is None:
        return
    limit = int(Image.MAX_IMAGE_PIXELS * share)
    width, height = size
    if width * height > limit:
        advice = "crop it nearer to a square" if what else "make it smaller"
        raise ShapebiasError(
            f"{name}: {what}{width}×{height} pixels, more than the {limit} allowed; {advice}"
        )


def _is_rgb(image: Image.Image) -> bool:
    return image.mode == "RGB" and not image.has_transparency_data


def _strips(image: Image.Image, name: str) -> Iterator[tuple[int, Image.Image]]:
    """Give the image in RGB from top to bottom, a few rows at a time, to save a whole copy."""
    width, height = image.size
    step = max(1, PIXELS_A_STRIP // width)
    for top in range(0, height, step):
        strip = image.crop((0, top, width, min(top + step, height)))
        yield top, _to_rgb(strip, name)


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
    levels = np.asarray(image)
    if levels.min() < 0 or levels.max() > 65_535:
        raise ShapebiasError(f"{name}: grey levels beyond 16 bits; save the image as 8 bits")
    # 257 is odd, so that no level lies half-way between two: this is the nearest.
    return Image.fromarray(((levels.astype(np.uint32) + 128) // 257).astype(np.uint8))


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
