"""Images that activate each channel most, and the most active position in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from shapebias.networks.receptive_fields import Fields

COLUMNS = [
    *("layer", "channel", "rank", "image_id", "activation"),
    *("row", "column", "top", "left", "height", "width"),
]


@dataclass(frozen=True)
class TopPositions:
    """Most active position of the top images of each channel of a layer, most active first.

    Attributes
    ----------
    activation
        Activation there.
    image
        Index of the image, in the order in which the images were added.
    row, column
        Position in the feature map.
    """

    activation: Float[np.ndarray, "channel rank"]
    image: Int64[np.ndarray, "channel rank"]
    row: Int64[np.ndarray, "channel rank"]
    column: Int64[np.ndarray, "channel rank"]

    def frame(
        self, channels: Sequence[int], image_ids: Sequence[str], fields: Fields
    ) -> pd.DataFrame:
        """One row per channel and rank.

        Parameters
        ----------
        channels
            Number of each channel.
        image_ids
            Id of each image, in the order in which the images were added.
        fields
            Receptive fields of the layer along rows and columns.

        Returns
        -------
        Frame with channel, rank (from 1), image_id, activation, row and column of the position in
        the map, and top, left, height and width of its receptive field in pixels of the image;
        parts of the field may be outside the image.
        """
        n_ranks = self.activation.shape[1]
        row, column = self.row.flatten(), self.column.flatten()
        return pd.DataFrame(
            {
                "channel": np.repeat(np.array(channels, dtype=int), n_ranks),
                "rank": np.tile(np.arange(1, n_ranks + 1), len(channels)),
                "image_id": np.array(image_ids, dtype=object)[self.image.flatten()],
                "activation": self.activation.flatten().astype(float),
                "row": row,
                "column": column,
                "top": fields[0].of(row),
                "left": fields[1].of(column),
                "height": fields[0].size,
                "width": fields[1].size,
            }
        )


class TopImages:
    """Running statistic: images with the highest activations of each channel of a layer.

    An image counts once per channel, by its highest activation. Of images, and of positions, with
    equal activations the first counts.

    Parameters
    ----------
    number
        Images per channel.
    """

    def __init__(self, number: int):
        self._number = number
        self._n_images = 0
        self._width = 0
        self._values: Float[Tensor, "rank channel"] | None = None
        self._images: Int64[Tensor, "rank channel"] | None = None
        self._positions: Int64[Tensor, "rank channel"] | None = None

    def add(self, maps: Float[Tensor, "image channel row column"]) -> None:
        """Add the activations of a batch of images."""
        flat = maps.flatten(2)
        values = flat.amax(dim=2)
        images = torch.arange(self._n_images, self._n_images + len(maps), device=maps.device)
        images = images[:, None].expand_as(values)
        self._n_images += len(maps)
        self._width = maps.shape[3]
        # Negated so that NaN is stored and shows in the result.
        entering = torch.ones_like(values, dtype=torch.bool)
        if self._values is not None and len(self._values) == self._number:
            entering = ~(values <= self._values[-1])
            if not entering.any():
                return
        positions = torch.zeros(images.shape, dtype=torch.long, device=maps.device)
        positions[entering] = flat[entering].argmax(dim=1)
        if self._values is not None:
            values = torch.cat([self._values, values])
            images = torch.cat([self._images, images])
            positions = torch.cat([self._positions, positions])
        # Stable, so that of equal values the earlier image stays first.
        values, order = values.sort(dim=0, descending=True, stable=True)
        order = order[: self._number]
        self._values = values[: self._number]
        self._images, self._positions = images.gather(0, order), positions.gather(0, order)

    def result(self) -> TopPositions:
        """Top images of each channel and the most active position in each."""
        activation, image, position = (
            values.T.cpu().numpy() for values in (self._values, self._images, self._positions)
        )
        return TopPositions(activation, image, *np.divmod(position, self._width))
