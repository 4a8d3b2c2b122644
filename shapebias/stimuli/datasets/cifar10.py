"""CIFAR-10: 32 × 32 images of ten classes."""

from typing import ClassVar, Literal

from shapebias.plugins import FilePath, plugin
from shapebias.stimuli.datasets._cifar import Archive, CifarSource


@plugin
class Cifar10(CifarSource):
    """Images of CIFAR-10.

    Parameters
    ----------
    path
        The unpacked "python version" (cifar-10-batches-py) or the folder that contains it; or a
        folder of images `train/<class>/` and `test/<class>/`. The pickles are read without
        executing anything in them.
    split
        "train" or "test".

    Raises
    ------
    ShapebiasError
        If the folder does not exist or contains neither, or a batch is not as published.

    References
    ----------
    .. [1] Krizhevsky (2009). Learning multiple layers of features from tiny images.
       https://www.cs.toronto.edu/~kriz/cifar.html
    """

    path: FilePath
    split: Literal["train", "test"]

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
