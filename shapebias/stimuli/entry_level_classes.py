"""ImageNet's classes, and the 16 entry-level classes that 207 of them belong to.

`data/imagenet_classes.csv` lists the 1,000 synsets of ILSVRC2012 in the order of the
published networks' scores, with WordNet's names. Its entry-level classes are those of Geirhos
et al. [1]_, restricted to the 1,000 synsets.

References
----------
.. [1] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture. ICLR.
   :DOI:`10.48550/arXiv.1811.12231`
"""

import csv
from functools import cache
from importlib import resources

from shapebias.errors import UnknownName


def entry_level_of(table: str) -> dict[str, str] | None:
    """Return the entry-level class of each fine class, for a study's choice of table.

    Parameters
    ----------
    table
        "imagenet_16", or "none" if the networks' own classes are the entry level.

    Returns
    -------
    Fine class to entry-level class, or None for "none".

    Raises
    ------
    UnknownName
        If there is no such table.
    """
    if table not in TABLES:
        raise UnknownName("table of entry-level classes", table, TABLES)
    return imagenet_16() if table == "imagenet_16" else None


TABLES = ("none", "imagenet_16")


def imagenet_classes() -> tuple[str, ...]:
    """WordNet ids of ImageNet's 1,000 classes, in the order of the published networks' scores."""
    return tuple(row["wnid"] for row in _rows())


def imagenet_16() -> dict[str, str]:
    """Entry-level class of each of the 207 WordNet ids that have one."""
    return {row["wnid"]: row["entry_level"] for row in _rows() if row["entry_level"]}


def names() -> dict[str, str]:
    """First name of each WordNet id; two pairs of ids share a name."""
    return {row["wnid"]: row["names"].split(",")[0] for row in _rows()}


@cache
def _rows() -> tuple[dict[str, str], ...]:
    table = resources.files("shapebias") / "data" / "imagenet_classes.csv"
    with table.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))
