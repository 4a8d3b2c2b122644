"""Control for ablated groups: random channels, equally many in each layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from shapebias.ablation.unit_groups import AblatedChannels, Group
from shapebias.seeds import generator_of

# Score of a set of channels, and the column for its mean over the random sets.
COMPARED = {
    "shape_score": "random_shape_score",
    "texture_score": "random_texture_score",
    "accuracy_after": "random_accuracy",
}


@dataclass(frozen=True)
class RandomControl:
    """Random sets of channels for each group of channels that is ablated together.

    Parameters
    ----------
    draws
        Number of random sets per group; 0 for no control.
    seed
        Seed of the study.
    model
        Name of the network.
    """

    draws: int = 0
    seed: int = 0
    model: str = ""

    def sets(self, group: Group, counts: Mapping[str, int]) -> list[AblatedChannels]:
        """Draw random sets with as many channels in each layer as the group has there.

        Parameters
        ----------
        group
            Channels that are ablated together.
        counts
            Number of channels of each layer; all can be drawn.

        Returns
        -------
        `draws` sets. They depend on the seed, the network, the layer and the concept, and on the
        number of channels. The channels drawn in a layer are the same whether it is ablated alone
        or with other layers.
        """
        names = (group.category, group.concept)
        return [
            {
                layer: generator_of(self.seed, "random channels", self.model, layer, *names, draw)
                .permutation(counts[layer])[: len(numbers)]
                .tolist()
                for layer, numbers in group.channels.items()
            }
            for draw in range(self.draws)
        ]

    def columns(self, scores: pd.DataFrame, controlled: Sequence[bool]) -> dict[str, np.ndarray]:
        """Means and standard deviations over the draws, as columns of a table.

        Parameters
        ----------
        scores
            One row per random set, group by group, with the columns of `COMPARED`.
        controlled
            For each row of the table, whether it has random sets: true once per group.

        Returns
        -------
        `n_draws`, and for each score its mean and sample standard deviation (n - 1). The mean is
        NaN without draws, the standard deviation with fewer than two.
        """
        rows = np.asarray(controlled, dtype=bool)
        columns = {"n_draws": np.where(rows, self.draws, 0).astype(np.int64)}
        for score, name in COMPARED.items():
            drawn = scores[score].to_numpy(float).reshape(rows.sum(), self.draws)
            columns[name], columns[f"{name}_sd"] = np.full((2, len(rows)), np.nan)
            if self.draws:
                columns[name][rows] = drawn.mean(axis=1)
            if self.draws > 1:
                # Rounded, so that equal draws have a deviation of exactly 0.
                columns[f"{name}_sd"][rows] = drawn.std(axis=1, ddof=1).round(12)
        return columns
