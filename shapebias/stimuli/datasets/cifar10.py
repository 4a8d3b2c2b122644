"""CIFAR-10: 32 × 32 images of ten classes."""

from typing import ClassVar

from shapebias.plugins import plugin
from shapebias.stimuli.datasets._cifar import Archive, CifarSource


@plugin
class Cifar10(CifarSource):
    """Images of CIFAR-10.

    References
    ----------
    .. [1] Krizhevsky (2009). Learning multiple layers of features from tiny images.
       https://www.cs.toronto.edu/~kriz/cifar.html
    """

    ARCHIVE: ClassVar[Archive] = Archive(
        folder="cifar-10-batches-py",
        batches={
            "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
            "test": ("test_batch",),
        },
        images={"train": 10_000, "test": 10_000},
        names="batches.meta",
        labels={"label": (b"labels", b"label_names")},
    )
