"""What silencing costs whatever it silences: as many channels of each layer, drawn at random."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from shapebias.ablation.unit_groups import AblatedChannels, Group
from shapebias.seeds import generator_of

# What is compared, and what a table calls its mean over the draws.
COMPARED = {
    "shape_score": "random_shape_score",
    "texture_score": "random_texture_score",
    "accuracy_after": "random_accuracy",
}


@dataclass(frozen=True)
class RandomControl:
    """Random sets of channels for each group of channels that is silenced together.

    Parameters
    ----------
    draws
        Sets for each group; 0 for no control.
    seed
        Of the study.
    model
        Name of the network.
    """

    draws: int = 0
    seed: int = 0
    model: str = ""

    def sets(self, group: Group, counts: Mapping[str, int]) -> list[AblatedChannels]:
        """As many channels of each layer as a group has there, drawn anew for each set.

        Parameters
        ----------
        group
            What is silenced together.
        counts
            Number of channels of each layer, all of which can be drawn.

        Returns
        -------
        Sets that depend on seed, network, layer and concept, and on the number of channels; one
        layer's are the same whether it is silenced by itself or with others.
        """
        return [
            {
                layer: self._drawn(group, layer, draw, counts[layer])[: len(own)]
                for layer, own in group.channels.items()
            }
            for draw in range(self.draws)
        ]

    def _drawn(self, group: Group, layer: str, draw: int, count: int) -> list[int]:
        names = (self.model, layer, group.category, group.concept, draw)
        return generator_of(self.seed, "random channels", *names).permutation(count).tolist()

    def columns(self, scores: pd.DataFrame, controlled: Sequence[bool]) -> dict[str, np.ndarray]:
        """Means and standard deviations over the draws, for the rows of a table.

        Parameters
        ----------
        scores
            One row a set, group by group, with the columns of `COMPARED`.
        controlled
            Whether each row of the table has sets; those that do are as many as the groups.

        Returns
        -------
        `n_draws`, and for each column a mean and, by n - 1, a standard deviation: NaN without
        draws, and the latter with a single one.
        """
        rows = np.asarray(controlled, dtype=bool)
        found = {"n_draws": np.where(rows, self.draws, 0).astype(np.int64)}
        for column, name in COMPARED.items():
            drawn = scores[column].to_numpy(float).reshape(rows.sum(), self.draws)
            found[name], found[f"{name}_sd"] = np.full((2, len(rows)), np.nan)
            if self.draws:
                found[name][rows] = drawn.mean(axis=1)
            if self.draws > 1:
                # Equal draws have none, but for what rounding leaves.
                found[f"{name}_sd"][rows] = drawn.std(axis=1, ddof=1).round(12)
        return found
