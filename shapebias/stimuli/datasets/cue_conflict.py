"""Stimuli whose shape is of one class and whose texture is of another, as published."""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import FilePath
from shapebias.stimuli.image_folders import check_folder, files_in_classes, image_row, slice_of

NAME = re.compile(r"(?P<shape>\D+)\d+-(?P<texture>\D+)\d+")


def build(*, path: FilePath, classes: dict | None = None) -> "CueConflict":
    """Cue-conflict stimuli in the layout of Geirhos et al.

    Parameters
    ----------
    path
        Folder of files `<shape>/<shape><n>-<texture><m>.png`. Of the 1,280 published, 80 have
        the texture of their own shape's class; measurements leave those out.
    classes
        Class of the stimuli to its name among the networks' classes ({boat: ship}), where those
        know only some of the sixteen. Stimuli with another shape or texture are left out.

    Raises
    ------
    ShapebiasError
        If the folder does not exist, or no stimulus has a class of that name.

    References
    ----------
    .. [1] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture. ICLR.
       :DOI:`10.48550/arXiv.1811.12231`
    """
    check_folder(Path(path))
    return CueConflict(Path(path), classes)


class CueConflict:
    """Rows of cue-conflict stimuli; see `build`."""

    def __init__(self, folder: Path, classes: dict[str, str] | None):
        self.folder, self.classes = folder, classes

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

    def rows(self, part: int, parts: int) -> Iterator[dict]:
        """Rows of one contiguous part (from 0) of the stimuli; the label is the shape's class."""
        for name in slice_of(self.files, part, parts):
            named = self.classes or {}
            shape, texture = (named.get(cue, cue) for cue in cues_of(name))
            row = image_row(self.folder, name)
            yield {**row, "label": shape, "shape": shape, "texture": texture}


def cues_of(name: str) -> tuple[str, str]:
    """Classes of a stimulus's shape and texture, read from its folder's and its own name."""
    folder, _, file = name.partition("/")
    found = NAME.fullmatch(Path(file).stem)
    if found is None or found["shape"] != folder:
        raise ShapebiasError(
            f"{name} is not named <shape>/<shape><n>-<texture><m>, as cat/cat3-clock1.png is"
        )
    return found["shape"], found["texture"]
