"""ImageNet's photos (ILSVRC2012), in synset folders or as the challenge published them."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from scipy.io import loadmat

from shapebias.errors import ShapebiasError
from shapebias.plugins import FilePath, plugin
from shapebias.stimuli.datasets._synset_folders import SynsetFolders, SynsetSource, id_of
from shapebias.stimuli.entry_level_classes import imagenet_classes
from shapebias.stimuli.image_folders import folders_in, images_in

PLACES = {
    "train": ("train", "ILSVRC2012_img_train", "Data/CLS-LOC/train", "ILSVRC/Data/CLS-LOC/train"),
    "val": ("val", "ILSVRC2012_img_val", "Data/CLS-LOC/val", "ILSVRC/Data/CLS-LOC/val"),
}
DEVKIT = "ILSVRC2012_devkit_t12/data"
WHERE = (
    "register at https://image-net.org/download-images, get the photos of ILSVRC2012 (task 1 and "
    "2) and the development kit, and unpack them there"
)


@plugin
class ImageNet(SynsetSource):
    """Photos of ImageNet; the label is the synset (n01440764), the image id the bare file name.

    Parameters
    ----------
    path
        ImageNet's folder with `train/<synset>/*.JPEG` and `val/`, or the same under the names of
        the archives. The validation photos are in synset folders, or directly in `val/`; then
        `ILSVRC2012_devkit_t12/data/` beside `val/` gives their labels.
    split
        "train" or "val".

    Raises
    ------
    ShapebiasError
        If there is no such folder (the message says where to get ImageNet), or no ground truth.

    References
    ----------
    .. [1] Russakovsky et al. (2015). ImageNet large scale visual recognition challenge. IJCV.
       :DOI:`10.1007/s11263-015-0816-y`
    """

    path: FilePath
    split: Literal["train", "val"]

    @cached_property
    def photos(self) -> SynsetFolders:
        """Photos in synset folders, or validation photos in one folder."""
        root = Path(self.path)
        if not root.is_dir():
            raise ShapebiasError(f"ImageNet's folder {root} does not exist; {WHERE}")
        folder = next((root / name for name in PLACES[self.split] if (root / name).is_dir()), None)
        if folder is None:
            raise ShapebiasError(f"{root} holds no folder {self.split}/; {WHERE}")
        photos, synsets = images_in(folder), folders_in(folder)
        if photos and synsets:
            raise ShapebiasError(
                f"{folder} holds both photos ({photos[0]}) and folders ({synsets[0]}); "
                "sort all or none"
            )
        return FlatValidation(folder, root / DEVKIT) if photos else SynsetFolders(folder)


class FlatValidation(SynsetFolders):
    """Validation photos in one folder, with the development kit's ground truth."""

    def __init__(self, folder: Path, devkit: Path):
        super().__init__(folder)
        self.devkit = devkit

    def listing(self) -> list[str]:
        """File names."""
        return images_in(self.folder)

    def synset_of(self, name: str) -> str:
        """Synset of a photo by the number in its name, ILSVRC2012_val_00000001.JPEG."""
        number = id_of(name).rpartition("_")[2]
        if not number.isdecimal() or not 1 <= int(number) <= len(self.ground_truth):
            raise ShapebiasError(
                f"{self.folder / name} has no number from 1 to {len(self.ground_truth)} in its "
                "name, as ILSVRC2012_val_00000001.JPEG has"
            )
        return self.ground_truth[int(number) - 1]

    @cached_property
    def ground_truth(self) -> list[str]:
        """Synset of each validation photo, in the order of their numbers."""
        if not self.devkit.is_dir():
            raise ShapebiasError(
                f"{self.folder} holds photos without synset folders; their labels are in "
                f"{self.devkit}, which does not exist; {WHERE}"
            )
        synsets = synsets_of(self.devkit / "meta.mat")
        file = self.devkit / "ILSVRC2012_validation_ground_truth.txt"
        try:
            return [synsets[int(line)] for line in file.read_text().split()]
        except (OSError, ValueError, KeyError) as error:
            raise ShapebiasError(f"cannot read ImageNet's ground truth {file}: {error}") from error


def synsets_of(file: Path) -> dict[int, str]:
    """Synset of each number in the ground truth, from the development kit's `meta.mat`."""
    try:
        table = loadmat(file, squeeze_me=True)["synsets"]
        synsets = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in table}
    # On damaged files loadmat raises errors of almost every class.
    except Exception as error:
        raise ShapebiasError(f"cannot read ImageNet's synsets {file}: {error}") from error
    known = set(imagenet_classes())
    # Numbers above 1,000 are inner nodes of the hierarchy and label no photo.
    return {number: synset for number, synset in synsets.items() if synset in known}
