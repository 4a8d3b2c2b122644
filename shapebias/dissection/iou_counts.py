"""Count the pixels that the masks of channels share with concepts, exactly."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from shapebias.dissection.concept_labels import Concepts
from shapebias.dissection.concept_targets import ConceptTargets
from shapebias.dissection.upsampled_masks import pixels_above_zero
from shapebias.dissection.upsampling_grid import UpsamplingGrid


@dataclass(frozen=True)
class PixelCounts:
    """Pixels of the masks of a layer's channels.

    Attributes
    ----------
    intersection
        Pixels of the mask in each concept.
    activated
        Pixels of the mask in the images that count for each category.
    """

    intersection: Int64[Tensor, "channel concept"]
    activated: Int64[Tensor, "channel category"]


class IouCounts:
    """Running statistic: pixels of the masks of a layer's channels, for several thresholds.

    The mask of a channel is where its map, upsampled bilinearly to the size of the label maps, is
    strictly above the threshold.

    Parameters
    ----------
    thresholds
        Thresholds of each channel, in the unit of the activation.
    concepts
        Concepts to count.
    """

    def __init__(self, thresholds: Float[Tensor, "quantile channel"], concepts: Concepts):
        n_channels = thresholds.shape[1]
        self._thresholds = thresholds
        self._counts = [
            PixelCounts(
                torch.zeros(n_channels, len(concepts)).long(),
                torch.zeros(n_channels, len(concepts.categories)).long(),
            )
            for _ in thresholds
        ]

    def add(
        self,
        maps: Float[Tensor, "image channel row column"],
        targets: ConceptTargets,
        grid: UpsamplingGrid,
    ) -> None:
        """Add a batch of images.

        Parameters
        ----------
        maps
            Feature maps.
        targets
            Labels of the images.
        grid
            Positions of the maps in the label maps.
        """
        n_images, n_channels = maps.shape[:2]
        for counts, thresholds in zip(self._counts, self._thresholds, strict=True):
            # The excess is upsampled, not the map: the average of values equal to the threshold
            # can be rounded to above it, that of values of at most 0 cannot.
            excess = maps - thresholds[:, None, None]
            number, pixel = pixels_above_zero(excess.flatten(0, 1), grid)
            image, channel = number // n_channels, number % n_channels
            areas = number.bincount(minlength=n_images * n_channels).view(n_images, n_channels)
            counts.intersection.add_(targets.intersection(image, channel, pixel, areas).cpu())
            counts.activated.add_(targets.activated(image, number, pixel, areas).cpu())

    def result(self) -> list[PixelCounts]:
        """Counts for each row of thresholds."""
        return self._counts
