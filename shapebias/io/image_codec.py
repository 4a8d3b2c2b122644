"""Decode and encode images, so that every reader of an image set gets the same pixels."""

import io
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from shapebias.errors import ShapebiasError

# Formats of photographs; of the others that Pillow reads, EPS may run programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF")
SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")
# Together with Pillow's limit of pixels it keeps the ingest of any image below a gigabyte.
MAX_FILE_BYTES = 128 * 2**20
PIXELS_PER_STRIP = 2**20

T = TypeVar("T")


def decode(
    data: bytes, *, resize: int | None = None, crop: int | None = None, name: str = "image"
) -> UInt8[np.ndarray, "row column 3"]:
    """Decode an image to RGB pixels, then resize and crop it.

    The EXIF orientation is applied, transparency is laid on white, and every colour mode becomes
    RGB. Embedded colour profiles are ignored, as is usual for ImageNet.

    Parameters
    ----------
    data
        Content of an image file in one of `FORMATS`.
    resize
        Length of the short side in pixels, by bilinear interpolation with antialiasing; the long
        side is rounded down. None keeps the size.
    crop
        Side in pixels of the central square that is cut out afterwards. None keeps the whole
        image.
    name
        Name of the image in error messages.

    Raises
    ------
    ShapebiasError
        If the image is damaged, animated, of unknown range, smaller than the crop, or too large
        before or after resizing.

    Examples
    --------
    >>> white = np.full((4, 6, 3), 255, dtype=np.uint8)
    >>> decode(encode_png(white), resize=2, crop=2).shape
    (2, 2, 3)
    """
    image = _load(data, name, _upright_rgb)
    resized, box = resize_crop_box(image.size, resize=resize, crop=crop, name=name)
    if resize is not None:
        image = image.resize(resized, Image.Resampling.BILINEAR)
    if crop is not None:
        image = image.crop(box)
    return np.array(image)


def image_size(data: bytes, *, name: str = "image") -> tuple[int, int]:
    """Return the width and height in pixels that `decode` gives an image without resizing.

    The whole image is decoded, so that it fails wherever `decode` fails, but in less memory: only
    one copy of the pixels is held.

    Parameters
    ----------
    data, name
        As for `decode`.

    Raises
    ------
    ShapebiasError
        As for `decode`.
    """
    return _load(data, name, _upright_size)


def resize_crop_box(
    size: tuple[int, int], *, resize: int | None, crop: int | None, name: str = "image"
) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """Compute the resized width and height, and the box (left, top, right, bottom) of the crop.

    Parameters
    ----------
    size
        Width and height of the image in pixels, after the EXIF orientation is applied.
    resize, crop, name
        As for `decode`.

    Raises
    ------
    ShapebiasError
        If the image is smaller than the crop, or would have too many pixels when resized, as one
        that is one pixel wide and a thousand high.

    Examples
    --------
    >>> resize_crop_box((500, 375), resize=256, crop=224)
    ((341, 256), (58, 16, 282, 240))
    """
    resized = size if resize is None else _resized(size, resize)
    _check_area(resized, name, "the resized image would be ")
    return resized, (0, 0, *resized) if crop is None else _central_box(resized, crop, name)


def check_length(length: int, name: str = "image") -> None:
    """Raise `ShapebiasError` if a file has too many bytes to be read as an image."""
    if length > MAX_FILE_BYTES:
        raise ShapebiasError(
            f"{name}: a file of {length} bytes is more than the {MAX_FILE_BYTES} allowed; "
            "compress it, or make the image smaller"
        )


def encode_png(pixels: UInt8[np.ndarray, "row column 3"]) -> bytes:
    """Encode pixels as a PNG file; the same pixels always give the same bytes."""
    file = io.BytesIO()
    # Higher levels take three times as long and save 4 % on photographs.
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _load(data: bytes, name: str, convert: Callable[[Image.Image, str], T]) -> T:
    """Load an image, convert it by a function, and raise every failure as `ShapebiasError`."""
    check_length(len(data), name)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_area(image.size, name, share=_allowed_share(image))
            frames = getattr(image, "n_frames", 1)
            # A camera's MPO file is its picture and a preview.
            if frames > 1 and image.format != "MPO":
                raise ShapebiasError(f"{name}: {frames} frames or pages; save one of them alone")
            image.load()
            return convert(image, name)
    except ShapebiasError:
        raise
    except Image.DecompressionBombError as error:
        raise ShapebiasError(f"{name}: {error}") from error
    # On damaged files Pillow raises errors of almost every class.
    except Exception as error:
        # Pillow's own message on unknown formats contains a memory address.
        unknown = isinstance(error, UnidentifiedImageError)
        text = f"none of {', '.join(FORMATS)}" if unknown else " ".join(str(error).split())
        raise ShapebiasError(
            f"{name}: not a readable image, or cut short ({text or type(error).__name__}); "
            "replace the file or remove it"
        ) from error


def _upright_rgb(image: Image.Image, name: str) -> Image.Image:
    """Convert an image to RGB and apply its EXIF orientation."""
    orientation = _orientation(image)
    if not _is_rgb(image):
        rgb = Image.new("RGB", image.size)
        for top, strip in _rgb_strips(image, name):
            rgb.paste(strip, (0, top))
        image = rgb
    # Pillow would write the metadata back, which fails where they are damaged.
    image.info = {}
    image.getexif()[ExifTags.Base.Orientation] = orientation
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _upright_size(image: Image.Image, name: str) -> tuple[int, int]:
    """Width and height after the EXIF orientation is applied; every pixel is converted once."""
    if not _is_rgb(image):
        for _ in _rgb_strips(image, name):
            pass
    width, height = image.size
    # These four exchange rows and columns.
    return (height, width) if _orientation(image) in (5, 6, 7, 8) else (width, height)


def _orientation(image: Image.Image) -> object:
    return image.getexif().get(ExifTags.Base.Orientation, 1)


def _allowed_share(image: Image.Image) -> float:
    """Share of Pillow's limit of pixels that is allowed, by the memory that decoding needs."""
    # WebP: four copies of the pixels. Progressive JPEG: the coefficients of the whole image.
    return 1 / 2 if image.format == "WEBP" else 2 / 3 if image.info.get("progressive") else 1


def _check_area(size: tuple[int, int], name: str, what: str = "", share: float = 1) -> None:
    """Refuse small files that unpack to very many pixels, where Pillow only warns."""
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


def _rgb_strips(image: Image.Image, name: str) -> Iterator[tuple[int, Image.Image]]:
    """Convert an image to RGB a few rows at a time, from the top, to save a whole copy."""
    width, height = image.size
    step = max(1, PIXELS_PER_STRIP // width)
    for top in range(0, height, step):
        strip = image.crop((0, top, width, min(top + step, height)))
        yield top, _to_rgb(strip, name)


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode in SIXTEEN_BIT_MODES:
        image = _to_eight_bits(image, name)
    if image.mode == "F":
        raise ShapebiasError(f"{name}: floating-point pixels have no known range; save as 8 bits")
    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        background = Image.new("RGB", rgba.size, "white")
        background.paste(rgba, mask=rgba)
        return background
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_eight_bits(image: Image.Image, name: str) -> Image.Image:
    """Scale grey levels 0 ... 65,535 to 0 ... 255; Pillow's own conversion would clip them."""
    levels = np.asarray(image)
    if levels.min() < 0 or levels.max() > 65_535:
        raise ShapebiasError(f"{name}: grey levels beyond 16 bits; save the image as 8 bits")
    # Division by 257 rounds to the nearest level: as 257 is odd, there are no ties.
    return Image.fromarray(((levels.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _resized(size: tuple[int, int], short: int) -> tuple[int, int]:
    """Width and height for a given short side; the long one is rounded down as in torchvision."""
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def _central_box(size: tuple[int, int], side: int, name: str) -> tuple[int, int, int, int]:
    width, height = size
    if min(size) < side:
        raise ShapebiasError(
            f"{name}: {width}×{height} pixels are too few for a crop of {side}; crop less, or "
            "set a larger `resize`"
        )
    # Half a pixel is rounded to the even number, as in torchvision's CenterCrop.
    left, top = round((width - side) / 2), round((height - side) / 2)
    return left, top, left + side, top + side
