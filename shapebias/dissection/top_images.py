"""The images that make each channel most active, and where in them."""

from collections.abc import Sequence

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


class TopImages:
    """The `number` images with the highest activations of each channel of a layer, in a stream.

    An image counts once a channel, by its highest activation; of images and of places that are
    equal the first counts.
    """

    def __init__(self, number: int):
        self.number = number
        self.seen = 0
        self.width = 0
        self.values: Float[Tensor, "rank channel"] | None = None
        self.images: Int64[Tensor, "rank channel"] | None = None
        self.places: Int64[Tensor, "rank channel"] | None = None

    def add(self, maps: Float[Tensor, "image channel row column"]) -> None:
        """Take the next images."""
        flat = maps.flatten(2)
        values = flat.amax(dim=2)
        images = torch.arange(self.seen, self.seen + len(maps), device=maps.device)
        images = images[:, None].expand_as(values)
        self.seen += len(maps)
        self.width = maps.shape[3]
        # Not "above": what is not a number is kept, and shows.
        entering = torch.ones_like(values, dtype=torch.bool)
        if self.values is not None and len(self.values) == self.number:
            entering = ~(values <= self.values[-1])
            if not entering.any():
                return
        places = torch.zeros(images.shape, dtype=torch.long, device=maps.device)
        places[entering] = flat[entering].argmax(dim=1)
        if self.values is not None:
            values = torch.cat([self.values, values])
            images = torch.cat([self.images, images])
            places = torch.cat([self.places, places])
        # Stable, so that of equal ones the earlier image stays before the later.
        values, order = values.sort(dim=0, descending=True, stable=True)
        order = order[: self.number]
        self.values = values[: self.number]
        self.images, self.places = images.gather(0, order), places.gather(0, order)

    def frame(
        self, channels: Sequence[int], image_ids: Sequence[str], fields: Fields
    ) -> pd.DataFrame:
        """One row a channel and rank.

        Parameters
        ----------
        channels
            Number of each channel that was followed.
        image_ids
            Id of each image, in the order in which they came.
        fields
            The layer's receptive fields along rows and columns.

        Returns
        -------
        Frame with channel, rank (from 1), image_id, activation, row and column of the place in
        the map, and top, left, height and width of what that place sees, in pixels of the image;
        part of it may lie outside the image.
        """
        if self.values is None:
            return pd.DataFrame(columns=COLUMNS[1:])
        values, images, places = (
            one.T.cpu().numpy() for one in (self.values, self.images, self.places)
        )
        n_ranks = values.shape[1]
        row, column = (one.flatten() for one in np.divmod(places, self.width))
        return pd.DataFrame(
            {
                "channel": np.repeat(np.array(channels, dtype=int), n_ranks),
                "rank": np.tile(np.arange(1, n_ranks + 1), len(channels)),
                "image_id": np.array(image_ids, dtype=object)[images.flatten()],
                "activation": values.flatten().astype(float),
                "row": row,
                "column": column,
                "top": fields[0].of(row),
                "left": fields[1].of(column),
                "height": fields[0].size,
                "width": fields[1].size,
            }
        )
