"""Cue-conflict stimuli: the shape of one class with the texture of another, as published."""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import FilePath, plugin
from shapebias.stimuli.image_folders import check_folder, files_in_classes, image_row, slice_of

NAME = re.compile(r"(?P<shape>\D+)\d+-(?P<texture>\D+)\d+")


@plugin
class CueConflict:
    """Cue-conflict stimuli as published by Geirhos et al.

    Parameters
    ----------
    path
        Folder of files `<shape>/<shape><n>-<texture><m>.png`. Of the 1,280 published, 80 have the
        texture of their own shape's class; measurements leave those out.
    classes
        Class of the stimuli to its name among the networks' classes ({boat: ship}), if those know
        only some of the sixteen. Stimuli with another shape or texture are left out.

    Raises
    ------
    ShapebiasError
        If the folder does not exist, or no stimulus has a class of that name.

    References
    ----------
    .. [1] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture. ICLR.
       :DOI:`10.48550/arXiv.1811.12231`
    """

    path: FilePath
    classes: dict | None = None

    def __post_init__(self):
        check_folder(self.folder)

    @property
    def folder(self) -> Path:
        """Folder of the shapes' folders."""
        return Path(self.path)

    @cached_property
    def files(self) -> list[str]:
        """Stimuli `<shape>/<name>`, sorted by shape and name."""
        files = files_in_classes(self.folder).files
        if self.classes is None:
            return files
        cues = {name: set(cues_of(name)) for name in files}
        known = set().union(*cues.values())
        for name in self.classes:
            if name not in known:
                raise UnknownName("class of datasets/cue_conflict", name, known)
        return [name for name in files if cues[name] <= self.classes.keys()]

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the stimuli; the label is the shape's class."""
        for name in slice_of(self.files, part, parts):
            names = self.classes or {}
            shape, texture = (names.get(cue, cue) for cue in cues_of(name))
            row = image_row(self.folder, name)
            yield {**row, "label": shape, "shape": shape, "texture": texture}


def cues_of(name: str) -> tuple[str, str]:
    """Classes of a stimulus's shape and texture, from the names of its folder and file."""
    folder, _, file = name.partition("/")
    match = NAME.fullmatch(Path(file).stem)
    if match is None or match["shape"] != folder:
        raise ShapebiasError(
            f"{name} is not named <shape>/<shape><n>-<texture><m>, as cat/cat3-clock1.png is"
        )
    return match["shape"], match["texture"]
