"""Download public image sets; say where to request the others."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.io.archives import unpack
from shapebias.io.atomic import atomic_write
from shapebias.io.download import fetch


@dataclass(frozen=True)
class Archive:
    """One file of a published image set.

    Parameters
    ----------
    url
        The publisher's address.
    checksum
        As for `fetch`; None if none is known.
    checksum_source
        Who states the checksum: "publisher", "others" (projects that use the set; the publisher
        states none), or "" if there is none.
    size
        Length in bytes; None if unknown.
    """

    url: str
    checksum: str | None = None
    checksum_source: str = ""
    size: int | None = None

    @property
    def name(self) -> str:
        """File name of the archive."""
        return self.url.rpartition("/")[2]


ZENODO = "https://zenodo.org/records/2235448/files"
# By name of the image set; the unpacked folder is the `path` of its source.
ARCHIVES = {
    "cue_conflict": (
        Archive(
            "https://github.com/bethgelab/model-vs-human/releases/download/v0.1/cue-conflict.tar.gz"
        ),
    ),
    "broden": (
        Archive(
            "http://netdissect.csail.mit.edu/data/broden1_224.zip",
            "md5:be13c292eaef3300da03f8d0e48eab1c",
            "others",
        ),
    ),
    "cifar10": (
        Archive(
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "md5:c58f30108f718f92721af3b95e74349a",
            "publisher",
            170_498_071,
        ),
    ),
    "cifar100": (
        Archive(
            "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            "md5:eb9058c3a382ffc7106e4002c42a8d85",
            "publisher",
            169_001_437,
        ),
    ),
    "tiny_imagenet": (
        Archive(
            "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            "md5:90528d7ca1a48142e341f4ef8d21d0de",
            "others",
            248_100_043,
        ),
    ),
    "caltech256": (
        Archive(
            "https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar",
            "md5:67b4f42ca05d46448c6bb8ecd2220f6d",
            "publisher",
        ),
    ),
    "imagenet_c": tuple(
        Archive(f"{ZENODO}/{name}.tar", f"md5:{md5}", "publisher", size)
        for name, md5, size in (
            ("noise", "e80562d7f6c3f8834afb1ecf27252745", 22_565_673_785),
            ("blur", "2d8e81fdd8e07fef67b9334fa635e45c", 7_112_704_951),
            ("weather", "33ffea4db4d93fe4a428c40a6ce0c25d", 12_797_438_995),
            ("digital", "89157860d7b10d5797849337ca2e5c03", 7_757_510_705),
            ("extra", "d492dfba5fc162d8ec2c3cd8ee672984", 15_789_490_144),
        )
    ),
}
ON_REQUEST = {
    "imagenet": "register at https://image-net.org/download-images",
    "paintings": "accept the rules of https://www.kaggle.com/c/painter-by-numbers/data",
    "stylized_imagenet": (
        "make it from ImageNet and paintings with https://github.com/rgeirhos/Stylized-ImageNet"
    ),
}


def download(
    name: str, folder: str | Path, *, only: str | None = None, checksum: str | None = None
) -> list[Path]:
    """Download and unpack an image set; files already present are kept.

    Parameters
    ----------
    name
        In `ARCHIVES`.
    folder
        Receives the archives and, beside each, a folder with its content.
    only
        Name of one archive of several, for example "noise.tar"; None for all.
    checksum
        As for `fetch`, instead of the known one; for a single archive.

    Returns
    -------
    The folder of each archive's content; if an archive contains one folder, that one.

    Raises
    ------
    ShapebiasError
        If the set cannot be downloaded (the message says how to get it), or the download fails.
    """
    archives = check_request(name, only)
    if checksum is not None and len(archives) > 1:
        raise ShapebiasError(
            f"{name} has {len(archives)} archives; name by `only` the one with this checksum"
        )
    return [
        _download_one(archive, Path(folder), checksum or archive.checksum) for archive in archives
    ]


def check_request(name: str, only: str | None = None) -> list[Archive]:
    """Return the archives of an image set, or the one named `only`.

    Raises
    ------
    ShapebiasError
        If the set cannot be downloaded; the message says how to get it.
    """
    if name in ON_REQUEST:
        raise ShapebiasError(
            f"{name} cannot be downloaded by a program: {ON_REQUEST[name]}, and give its folder "
            "as `path`"
        )
    if name not in ARCHIVES:
        raise UnknownName("image set to download", name, [*ARCHIVES, *ON_REQUEST])
    archives = [archive for archive in ARCHIVES[name] if only in (None, archive.name)]
    if not archives:
        known = [archive.name for archive in ARCHIVES[name]]
        raise UnknownName(f"archive of {name}", only, known)
    return archives


def download_with_note(note: str | Path, name: str, **settings: Any) -> None:
    """Download an image set and link its folder as `content` beside a note.

    Parameters
    ----------
    note
        JSON file, written last, with the settings and the folder.
    name, settings
        As for `download`.
    """
    note = Path(note)
    folders = download(name, note.parent / "archives", **settings)
    content = folders[0] if len(folders) == 1 else note.parent / "archives"
    link = note.with_name("content")
    link.unlink(missing_ok=True)
    link.symlink_to(content.relative_to(note.parent))
    with atomic_write(note) as temporary:
        text = json.dumps({"name": name, **settings, "content": str(link.readlink())}, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")


def _download_one(archive: Archive, folder: Path, checksum: str | None) -> Path:
    file = folder / archive.name
    target = folder / archive.name.partition(".")[0]
    if not target.is_dir():
        fetch(archive.url, file, checksum=checksum, size=archive.size)
        unpack(file, target)
    inner = list(target.iterdir())
    return inner[0] if len(inner) == 1 and inner[0].is_dir() else target
