"""CIFAR-100: 32 × 32 images of a hundred classes in twenty groups."""

from typing import ClassVar

from shapebias.plugins import plugin
from shapebias.stimuli.datasets._cifar import Archive, CifarSource


@plugin
class Cifar100(CifarSource):
    """Images of CIFAR-100; the published archive also gives each image's group, `coarse`.

    References
    ----------
    .. [1] Krizhevsky (2009). Learning multiple layers of features from tiny images.
       https://www.cs.toronto.edu/~kriz/cifar.html
    """

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
