"""ImageNet-C: the corrupted validation photos as they were published."""

from pathlib import Path
from typing import Annotated

from shapebias.errors import UnknownName
from shapebias.plugins import FilePath
from shapebias.ranges import Range
from shapebias.stimuli.datasets._synset_folders import SynsetFolders
from shapebias.stimuli.image_folders import check_folder, folders_in

SEVERITIES = range(1, 6)


def build(
    *, path: FilePath, corruption: str, severity: Annotated[int, Range(ge=1, le=5)]
) -> SynsetFolders:
    """Photos of one corruption at one severity, 224x224; the image id is the ImageNet photo's.

    Parameters
    ----------
    path
        Folder of the unpacked archives: `<corruption>/<severity>/<synset>/*.JPEG`, or one folder
        more around each corruption (noise, blur, weather, digital, extra), for the archives.
    corruption
        Name of its folder, gaussian_noise for instance.
    severity
        1 (mild) to 5.

    Raises
    ------
    ShapebiasError
        If there is no such folder, or the severity is none of the five.

    References
    ----------
    .. [1] Hendrycks & Dietterich (2019). Benchmarking neural network robustness to common
       corruptions and perturbations. ICLR. :DOI:`10.5281/zenodo.2235448`
    """
    check_folder(Path(path))
    found = corruptions_in(Path(path))
    if corruption not in found:
        raise UnknownName(f"corruption in {path}", corruption, found)
    folder = found[corruption] / str(severity)
    check_folder(folder)
    return SynsetFolders(folder)


def corruptions_in(folder: Path) -> dict[str, Path]:
    """Folder of each corruption, those of the archives' own folders included."""
    found: dict[str, Path] = {}
    for one in [folder, *(folder / name for name in folders_in(folder))]:
        for name in folders_in(one):
            if not name.isdecimal() and set(folders_in(one / name)) & set(map(str, SEVERITIES)):
                found.setdefault(name, one / name)
    return found
