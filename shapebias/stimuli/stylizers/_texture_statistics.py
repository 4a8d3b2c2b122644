"""Statistics of textures: spectra, oriented bands and matching of their histograms."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, Int64
from scipy import fft

ORIENTATIONS = 4


def random_phases(
    maps: Float[np.ndarray, "map row column"], rng: np.random.Generator, *, cycles: float
) -> Float[np.ndarray, "map row column"]:
    """Draw a random texture with the spectra and the cross spectra of maps.

    Parameters
    ----------
    maps
        Maps whose spectra the texture has.
    rng
        Source of the phases, which are the same in every map.
    cycles
        Frequency in cycles along a side below which the texture fades out.

    References
    ----------
    .. [1] Galerne, Gousseau & Morel (2011). Random phase textures: theory and synthesis. IEEE
       TIP. :DOI:`10.1109/TIP.2010.2052822`
    """
    noise = fft.rfft2(rng.standard_normal(maps.shape[1:], dtype=np.float32))
    phases = noise / np.abs(noise).clip(1e-6)
    rows, columns = maps.shape[1:]
    frequency = np.hypot(rows * np.fft.fftfreq(rows)[:, None], columns * np.fft.rfftfreq(columns))
    phases *= np.minimum(1, frequency / cycles) ** 2
    return fft.irfft2(fft.rfft2(maps) * phases, s=maps.shape[1:])


@lru_cache(maxsize=8)
def steerable_filters(
    rows: int, columns: int, scales: int
) -> Float[np.ndarray, "band row frequency"]:
    """Compute filters over the half plane of frequencies whose squares sum to 1 everywhere.

    Returns
    -------
    A high-pass filter; for each scale, from fine to coarse, filters of four orientations; and a
    low-pass filter.
    """
    down = np.fft.fftfreq(rows)[:, None]
    across = np.fft.rfftfreq(columns)[None, :]
    octave = np.log2(np.hypot(down, across).clip(1e-6) / 0.5)
    angle = np.arctan2(down, across)
    # Low-pass filters an octave apart; the differences of their squares are the scales.
    low = [np.cos(np.pi / 2 * (octave + step + 0.5).clip(0, 1)) for step in range(scales + 1)]
    turns = np.pi / ORIENTATIONS * np.arange(ORIENTATIONS)
    sectors = np.abs(np.cos(angle - turns[:, None, None])) ** (ORIENTATIONS - 1)
    sectors /= np.sqrt((sectors**2).sum(0))
    rings = [np.sqrt((low[k] ** 2 - low[k + 1] ** 2).clip(0)) for k in range(scales)]
    oriented = [ring * sector for ring in rings for sector in sectors]
    filters = np.stack([np.sqrt((1 - low[0] ** 2).clip(0)), *oriented, low[-1]])
    if columns % 2 == 0:
        # The highest horizontal frequency represents both signs, so both diagonal directions.
        last = filters[:, :, -1] ** 2
        mirrored = np.roll(last[:, ::-1], 1, axis=1)
        filters[:, :, -1] = np.sqrt((last + mirrored) / 2)
    return filters.astype(np.float32)


def bands(
    maps: Float[np.ndarray, "map row column"], filters: Float[np.ndarray, "band row frequency"]
) -> Float[np.ndarray, "map band row column"]:
    """Filter maps with each filter."""
    return fft.irfft2(fft.rfft2(maps)[:, None] * filters, s=maps.shape[1:])


def from_bands(
    map_bands: Float[np.ndarray, "map band row column"],
    filters: Float[np.ndarray, "band row frequency"],
) -> Float[np.ndarray, "map row column"]:
    """Reconstruct maps from their bands: the inverse of `bands`."""
    return fft.irfft2((fft.rfft2(map_bands) * filters).sum(1), s=map_bands.shape[-2:])


def with_histograms(
    values: Float[np.ndarray, "*series row column"],
    targets: Float[np.ndarray, "*series value"],
) -> Float[np.ndarray, "*series row column"]:
    """Replace the values of maps by sorted targets, in the order of the values."""
    matched = np.empty_like(targets)
    indices = stable_argsort(flat(values))
    for series in np.ndindex(targets.shape[:-1]):
        matched[series][indices[series]] = targets[series]
    return matched.reshape(values.shape)


def stable_argsort(
    values: Float32[np.ndarray, "*series value"],
) -> Int64[np.ndarray, "*series value"]:
    """Return the indices that sort values along the last axis, equal ones in their order.

    Sorting numbers is several times faster than sorting indices, so each value and its index are
    sorted as one integer: the bits of the value, of which those of negative values are flipped to
    sort correctly, above the bits of the index.
    """
    bits = np.ascontiguousarray(values).view(np.int32)
    ranked = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    keys = (ranked.astype(np.int64) << 32) | np.arange(values.shape[-1])
    keys.sort(axis=-1)
    return keys & 0xFFFFFFFF


def flat(maps: Float[np.ndarray, "*series row column"]) -> Float[np.ndarray, "*series value"]:
    """Flatten the rows and columns of maps."""
    return maps.reshape(*maps.shape[:-2], -1)
