"""Count decisions that change under ablation."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from shapebias.ablation.conflict_images import ConflictImages

# Probabilities are told to so many decimals: what float32 rounds off lies below.
DECIMALS = 5
COUNTS = ["n_shape", "n_texture", "shape_score", "texture_score"]
CHANGES = ["mean_shape_change", "mean_texture_change"]
FLIPS = [
    "image_id", "before", "after",
    "before_intact", "before_silenced", "after_intact", "after_silenced",
]  # fmt: skip


class FlipCounts:
    """Counts over the images by unit, whatever a unit is that was silenced.

    Parameters
    ----------
    conflict
        The images.
    units
        Number of units.
    """

    def __init__(self, conflict: ConflictImages, units: int):
        self._conflict, self._units = conflict, units
        self._sums = {cue: np.zeros(units) for cue in conflict.targets}
        self._flips: list[tuple[np.ndarray, ...]] = []

    def add(
        self,
        unit: Int64[np.ndarray, " run"],
        image: Int64[np.ndarray, " run"],
        decision: Int64[np.ndarray, " run"],
        probabilities: Float64[np.ndarray, "run class"],
    ) -> None:
        """Count what counted images get without a unit; what is not added is as it was."""
        seen, run = self._conflict, np.arange(len(unit))
        for cue, target in seen.targets.items():
            change = probabilities[run, target[image]] - seen.probabilities[image, target[image]]
            own = seen.decided_by[cue][image]
            # One after another, so that the sums do not tell how the runs were batched.
            np.add.at(self._sums[cue], unit[own], change[own])
        before = seen.decisions[image]
        flipped = decision != before
        chances = [
            table[row, column]
            for column in (before, decision)
            for table, row in ((seen.probabilities, image), (probabilities, run))
        ]
        self._flips.append(tuple(x[flipped] for x in (unit, image, before, decision, *chances)))

    def scores(self) -> pd.DataFrame:
        """One row a unit: how many images each cue decides, how many of those are lost, and the
        mean change of their probability.
        """
        unit, image = self._columns()[:2]
        columns = {}
        for cue, own in self._conflict.decided_by.items():
            n = int(own.sum())
            columns[f"n_{cue}"] = n
            columns[f"{cue}_score"] = np.bincount(unit[own[image]], minlength=self._units)
            mean = self._sums[cue] / n if n else np.full(self._units, np.nan)
            columns[f"mean_{cue}_change"] = _rounded(mean)
        return pd.DataFrame(columns)[[*COUNTS, *CHANGES]]

    def flips(self) -> tuple[Int64[np.ndarray, " flip"], pd.DataFrame]:
        """Unit of each flip, and its image, classes and probabilities; by unit, then image."""
        unit, image, before, after, *chances = self._columns()
        names = np.array(self._conflict.classes, dtype=object)
        ids = np.array(self._conflict.image_ids, dtype=object)
        columns = [ids[image], names[before], names[after], *map(_rounded, chances)]
        return unit, pd.DataFrame(dict(zip(FLIPS, columns, strict=True)))

    def _columns(self) -> list[np.ndarray]:
        nothing = (*[np.empty(0, np.int64)] * 4, *[np.empty(0)] * 4)
        columns = [np.concatenate(parts) for parts in zip(nothing, *self._flips, strict=True)]
        # The order must not tell in what batches they were found.
        order = np.lexsort((columns[1], columns[0]))
        return [column[order] for column in columns]


def _rounded(values: np.ndarray) -> np.ndarray:
    # Zero without a sign.
    return np.round(values, DECIMALS) + 0.0


def score_frames(
    units: Mapping[str, Sequence], tally: FlipCounts
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two frames of a tally, headed by the columns that name each unit."""
    named = pd.DataFrame(units)
    unit, flips = tally.flips()
    own = named.iloc[unit].reset_index(drop=True)
    return pd.concat([named, tally.scores()], axis=1), pd.concat([own, flips], axis=1)
