"""CIFAR-100: 32 × 32 images of a hundred classes in twenty groups."""

from typing import ClassVar, Literal

from shapebias.plugins import FilePath, plugin
from shapebias.stimuli.datasets._cifar import Archive, CifarSource


@plugin
class Cifar100(CifarSource):
    """Images of CIFAR-100; the published archive also gives each image's group, `coarse`.

    Parameters
    ----------
    path
        The unpacked "python version" (cifar-100-python) or the folder that contains it; or a
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
        folder="cifar-100-python",
        batches={"train": ("train",), "test": ("test",)},
        images={"train": 50_000, "test": 10_000},
        names="meta",
        labels={
            "label": (b"fine_labels", b"fine_label_names"),
            "coarse": (b"coarse_labels", b"coarse_label_names"),
        },
    )
