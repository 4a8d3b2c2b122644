"""Scrambled images: equal patches in random order."""

from typing import Annotated

import numpy as np
from jaxtyping import Int, UInt8

from shapebias.errors import ShapebiasError
from shapebias.plugins import plugin
from shapebias.ranges import Range


@plugin
class Scramble:
    """Cut an image into ``patches`` x ``patches`` and permute them, never by the identity.

    Parameters
    ----------
    patches
        Patches along each side; both sides of an image must be divisible by it.

    References
    ----------
    .. [1] Zhang & Zhu (2019). Interpreting adversarially trained convolutional neural networks.
       ICML. https://proceedings.mlr.press/v97/zhang19s.html
    """

    patches: Annotated[int, Range(ge=2)]

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, str]]:
        """Scramble an image.

        Returns
        -------
        The image; and ``permutation``, for each position the index of the patch that it shows,
        counted from 0 row by row.

        Raises
        ------
        ShapebiasError
            If a side of the image is not divisible by the number of patches.
        """
        order = self.draw(rng)
        scrambled = join_patches(cut_patches(pixels, self.patches)[order], self.patches)
        return scrambled, {"permutation": " ".join(map(str, order))}

    def draw(self, rng: np.random.Generator) -> Int[np.ndarray, " patch"]:
        """Draw a permutation of the patches, uniform over all but the identity."""
        identity = np.arange(self.patches**2)
        order = rng.permutation(identity)
        while np.array_equal(order, identity):
            order = rng.permutation(identity)
        return order


def cut_patches(
    pixels: UInt8[np.ndarray, "row column 3"], patches: int
) -> UInt8[np.ndarray, "patch patch_row patch_column 3"]:
    """Cut an image into patches, row by row.

    Examples
    --------
    >>> cut_patches(np.zeros((8, 4, 3), np.uint8), 2).shape
    (4, 4, 2, 3)
    """
    rows, columns, colours = pixels.shape
    if rows % patches or columns % patches:
        raise ShapebiasError(
            f"{columns}×{rows} pixels cannot be cut into {patches}×{patches} equal patches;"
            " choose a size or a number of patches that divides it"
        )
    grid = pixels.reshape(patches, rows // patches, patches, columns // patches, colours)
    return grid.swapaxes(1, 2).reshape(patches**2, rows // patches, columns // patches, colours)


def join_patches(
    pieces: UInt8[np.ndarray, "patch patch_row patch_column 3"], patches: int
) -> UInt8[np.ndarray, "row column 3"]:
    """Join patches row by row: the inverse of `cut_patches`."""
    _, rows, columns, colours = pieces.shape
    grid = pieces.reshape(patches, patches, rows, columns, colours).swapaxes(1, 2)
    return np.ascontiguousarray(grid.reshape(patches * rows, patches * columns, colours))
