"""What is lost of a network's decisions for shape and for texture when some of it is silent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from shapebias.errors import UnknownName

# Probabilities are told to so many decimals: what float32 rounds off lies below.
DECIMALS = 5
COUNTS = ["n_shape", "n_texture", "shape_score", "texture_score"]
CHANGES = ["mean_shape_change", "mean_texture_change"]
FLIPS = [
    "image_id", "before", "after",
    "before_intact", "before_silenced", "after_intact", "after_silenced",
]  # fmt: skip


@dataclass(frozen=True)
class Conflict:
    """Cue-conflict images as the intact network sees them.

    Parameters
    ----------
    image_ids
        Of each image.
    shapes, textures
        The two classes of each image.
    classes
        Those that the network can decide for.
    decisions
        Index of the class that each image gets.
    probabilities
        Of every class.

    Raises
    ------
    UnknownName
        If the network can decide for none of the images' classes.
    """

    image_ids: Sequence[str]
    shapes: Sequence[str]
    textures: Sequence[str]
    classes: Sequence[str]
    decisions: Int64[np.ndarray, " image"]
    probabilities: Float64[np.ndarray, "image class"]

    def __post_init__(self):
        for labels in (self.shapes, self.textures):
            if len(labels) and not set(labels) & set(self.classes):
                raise UnknownName("class of a cue-conflict image", labels[0], self.classes)

    @cached_property
    def targets(self) -> dict[str, Int64[np.ndarray, " image"]]:
        """Index of each image's `shape` and `texture` class; -1 for one never decided for."""
        index = {name: number for number, name in enumerate(self.classes)}
        both = {"shape": self.shapes, "texture": self.textures}
        return {
            cue: np.array([index.get(label, -1) for label in labels], dtype=np.int64)
            for cue, labels in both.items()
        }

    @cached_property
    def decided_by(self) -> dict[str, Bool[np.ndarray, " image"]]:
        """Images whose cues differ and that the network decides by `shape`, and by `texture`."""
        differ = self.targets["shape"] != self.targets["texture"]
        return {cue: differ & (self.decisions == own) for cue, own in self.targets.items()}

    @cached_property
    def counted(self) -> Int64[np.ndarray, " counted"]:
        """Places of the images that are decided by either."""
        return np.flatnonzero(self.decided_by["shape"] | self.decided_by["texture"])


class Tally:
    """Counts over the images by unit, whatever a unit is that was silenced.

    Parameters
    ----------
    conflict
        The images.
    units
        Number of units.
    """

    def __init__(self, conflict: Conflict, units: int):
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


def tallied(units: Mapping[str, Sequence], tally: Tally) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two frames of a tally, headed by the columns that name each unit."""
    named = pd.DataFrame(units)
    unit, flips = tally.flips()
    own = named.iloc[unit].reset_index(drop=True)
    return pd.concat([named, tally.scores()], axis=1), pd.concat([own, flips], axis=1)
