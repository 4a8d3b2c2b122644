"""Count decisions that change under ablation."""

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from shapebias.ablation.conflict_images import ConflictImages

# Probabilities are rounded to this many decimals, which is coarser than the rounding of float32.
DECIMALS = 5
COUNTS = ["n_shape", "n_texture", "shape_score", "texture_score"]
CHANGES = ["mean_shape_change", "mean_texture_change"]
FLIPS = [
    "image_id", "before", "after",
    "before_unablated", "before_ablated", "after_unablated", "after_ablated",
]  # fmt: skip


class FlipCounts:
    """Flips and probability changes of each unit: a channel or a set of channels ablated together.

    Parameters
    ----------
    conflict
        The images, with the decisions of the unablated network.
    n_units
        Number of units.
    """

    def __init__(self, conflict: ConflictImages, n_units: int):
        self._conflict, self._n_units = conflict, n_units
        self._sums = {cue: np.zeros(n_units) for cue in conflict.targets}
        self._flips: list[tuple[np.ndarray, ...]] = []

    def add(
        self,
        unit: Int64[np.ndarray, " pair"],
        image: Int64[np.ndarray, " pair"],
        decision: Int64[np.ndarray, " pair"],
        probabilities: Float64[np.ndarray, "pair class"],
    ) -> None:
        """Add decisions of ablated runs; images that are not added count as unchanged.

        Parameters
        ----------
        unit, image
            Index of the ablated unit and of the image, from 0; only images in `conflict.counted`.
        decision, probabilities
            Index of the class decided for, and the probability of every class.
        """
        conflict, pair = self._conflict, np.arange(len(unit))
        for cue, target in conflict.targets.items():
            before = conflict.probabilities[image, target[image]]
            change = probabilities[pair, target[image]] - before
            by_cue = conflict.decided_by[cue][image]
            # Added one by one, so that the sums do not depend on the batches.
            np.add.at(self._sums[cue], unit[by_cue], change[by_cue])
        before = conflict.decisions[image]
        values = [
            table[row, column]
            for column in (before, decision)
            for table, row in ((conflict.probabilities, image), (probabilities, pair))
        ]
        columns = (unit, image, before, decision, *values)
        self._flips.append(tuple(column[decision != before] for column in columns))

    def scores(self) -> pd.DataFrame:
        """One row per unit: decisions by each cue, how many are lost, mean probability change."""
        unit, image = self._sorted_flips()[:2]
        columns = {}
        for cue, by_cue in self._conflict.decided_by.items():
            n = int(by_cue.sum())
            columns[f"n_{cue}"] = n
            columns[f"{cue}_score"] = np.bincount(unit[by_cue[image]], minlength=self._n_units)
            mean = self._sums[cue] / n if n else np.full(self._n_units, np.nan)
            columns[f"mean_{cue}_change"] = _rounded(mean)
        return pd.DataFrame(columns)[[*COUNTS, *CHANGES]]

    def flips(self) -> tuple[Int64[np.ndarray, " flip"], pd.DataFrame]:
        """Unit of each flip, and its image, classes and probabilities; by unit, then image."""
        unit, image, before, after, *probabilities = self._sorted_flips()
        names = np.array(self._conflict.classes, dtype=object)
        ids = np.array(self._conflict.image_ids, dtype=object)
        columns = [ids[image], names[before], names[after], *map(_rounded, probabilities)]
        return unit, pd.DataFrame(dict(zip(FLIPS, columns, strict=True)))

    def _sorted_flips(self) -> list[np.ndarray]:
        empty = (*[np.empty(0, np.int64)] * 4, *[np.empty(0)] * 4)
        columns = [np.concatenate(parts) for parts in zip(empty, *self._flips, strict=True)]
        # Sorted, so that the order does not depend on the batches.
        order = np.lexsort((columns[1], columns[0]))
        return [column[order] for column in columns]


def _rounded(values: Float64[np.ndarray, " value"]) -> Float64[np.ndarray, " value"]:
    # Adding 0 turns -0.0 into 0.0.
    return np.round(values, DECIMALS) + 0.0


def score_frames(units: pd.DataFrame, counts: FlipCounts) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prepend the columns that name each unit to its scores and to its flips.

    Parameters
    ----------
    units
        One row per unit, with a range index.
    counts
        Counts of these units.

    Returns
    -------
    Scores, one row per unit; flips, one row per unit and image.
    """
    unit, flips = counts.flips()
    unit_of_flip = units.iloc[unit].reset_index(drop=True)
    return pd.concat([units, counts.scores()], axis=1), pd.concat([unit_of_flip, flips], axis=1)
