"""ImageNet-C: the corrupted validation photos as published."""

from functools import cached_property
from pathlib import Path
from typing import Annotated

from shapebias.errors import UnknownName
from shapebias.plugins import FilePath, plugin
from shapebias.ranges import Range
from shapebias.stimuli.datasets._synset_folders import SynsetFolders, SynsetSource
from shapebias.stimuli.image_folders import check_folder, folders_in

SEVERITIES = range(1, 6)


@plugin
class ImageNetC(SynsetSource):
    """Photos of one corruption at one severity, 224 × 224; the image id is the ImageNet photo's.

    Parameters
    ----------
    path
        Folder of the unpacked archives: `<corruption>/<severity>/<synset>/*.JPEG`, or the same in
        the archives' own folders (noise, blur, weather, digital, extra).
    corruption
        Name of its folder, for example gaussian_noise.
    severity
        1 (mild) to 5.

    Raises
    ------
    ShapebiasError
        If there is no such folder.

    References
    ----------
    .. [1] Hendrycks & Dietterich (2019). Benchmarking neural network robustness to common
       corruptions and perturbations. ICLR. :DOI:`10.5281/zenodo.2235448`
    """

    path: FilePath
    corruption: str
    severity: Annotated[int, Range(ge=1, le=5)]

    @cached_property
    def photos(self) -> SynsetFolders:
        """Photos of the corruption and severity."""
        check_folder(Path(self.path))
        folders = corruption_folders(Path(self.path))
        if self.corruption not in folders:
            raise UnknownName(f"corruption in {self.path}", self.corruption, folders)
        folder = folders[self.corruption] / str(self.severity)
        check_folder(folder)
        return SynsetFolders(folder)


def corruption_folders(folder: Path) -> dict[str, Path]:
    """Folder of each corruption, including those in the archives' own folders."""
    corruptions: dict[str, Path] = {}
    for parent in [folder, *(folder / name for name in folders_in(folder))]:
        for name in folders_in(parent):
            severities = set(folders_in(parent / name)) & set(map(str, SEVERITIES))
            if severities and not name.isdecimal():
                corruptions.setdefault(name, parent / name)
    return corruptions
