"""Concepts, and the labels of images: label maps and labels of whole images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64, Integer
from torch import Tensor

from shapebias.errors import ShapebiasError
from shapebias.stimuli.concept_categories import category_rank


@dataclass(frozen=True)
class ConceptBatch:
    """Images with concept labels.

    Parameters
    ----------
    images
        sRGB pixels in [0, 1].
    maps
        Category to its label maps: integers, 0 where nothing is labelled. All maps have the same
        size, which may differ from that of the images.
    labels
        For each image the ``(category, number)`` of the labels of the whole image.
    size
        Rows and columns of a mask if there are no maps; None for those of the images.
    image_ids
        Id of each image; if empty, images are numbered through all batches, from 0.
    """

    images: Float[Tensor, "image 3 row column"]
    maps: Mapping[str, Sequence[Integer[Tensor, "image mask_row mask_column"]]]
    labels: Sequence[Sequence[tuple[str, int]]]
    size: tuple[int, int] | None = None
    image_ids: Sequence[str] = ()

    def mask_size(self) -> tuple[int, int]:
        """Rows and columns at which pixels are counted."""
        sizes = {tuple(layer.shape[1:]) for layers in self.maps.values() for layer in layers}
        if len(sizes) > 1:
            raise ShapebiasError(f"label maps of one batch differ in size: {sorted(sizes)}")
        return next(iter(sizes)) if sizes else self.size or tuple(self.images.shape[2:])

    def images_on(self, device: torch.device) -> "ConceptBatch":
        """Copy the images, as float32, to a device."""
        return replace(self, images=self.images.to(device, torch.float32))


class Concepts:
    """Concepts in the order that decides between equal IoUs: by category, then by number.

    Parameters
    ----------
    concepts
        Number from 1, name, and primary category of each concept.

    Attributes
    ----------
    numbers, names
        Of each concept.
    categories
        Distinct categories.
    category_of
        Index in `categories` for each concept.

    Raises
    ------
    ShapebiasError
        If a number or a name appears twice, or a number is below 1.
    """

    def __init__(self, concepts: Iterable[tuple[int, str, str]]):
        rows = sorted(concepts, key=lambda row: (category_rank(row[2]), row[0]))
        self.numbers = [number for number, _, _ in rows]
        self.names = [name for _, name, _ in rows]
        for column, values in (("number", self.numbers), ("name", self.names)):
            duplicate = next((value for value in values if values.count(value) > 1), None)
            if duplicate is not None:
                raise ShapebiasError(f"two concepts have the {column} {duplicate!r}")
        if min(self.numbers, default=1) < 1:
            raise ShapebiasError(
                f"concept {self.names[self.numbers.index(min(self.numbers))]!r} has the number "
                f"{min(self.numbers)}: numbers begin at 1, and 0 means unlabelled"
            )
        self.categories = list(dict.fromkeys(category for _, _, category in rows))
        index = {category: number for number, category in enumerate(self.categories)}
        self.category_of = torch.tensor([index[category] for _, _, category in rows]).long()
        self._index = torch.full((max(self.numbers, default=0) + 2,), -1)
        self._index[self.numbers] = torch.arange(len(rows))

    def __len__(self) -> int:
        return len(self.numbers)

    def index(self, numbers: Integer[Tensor, "*any"]) -> Int64[Tensor, "*any"]:
        """Index of each number among the concepts; -1 for 0 and for numbers without a concept."""
        return self._index.to(numbers.device)[numbers.long().clamp(0, len(self._index) - 1)]
