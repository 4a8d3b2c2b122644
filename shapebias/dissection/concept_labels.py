"""Concepts, and what images say of them: label maps and labels of whole images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor

from shapebias.errors import ShapebiasError
from shapebias.stimuli.concept_categories import category_rank


@dataclass(frozen=True)
class ConceptBatch:
    """Images with what is known of their pixels.

    Parameters
    ----------
    images
        sRGB pixels in [0, 1].
    maps
        Category to its label maps: integers of shape ``(image, row, column)``, 0 where nothing is
        labelled. All have one size, which need not be the images'.
    labels
        For each image the ``(category, number)`` of the labels that hold for the whole of it.
    size
        Rows and columns of a mask where there are no maps; None for the images' own.
    image_ids
        Id of each image; without them an image goes by its number among all, from 0.
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


class Concepts:
    """Concepts in the order in which ties are settled: by category, then by number.

    Parameters
    ----------
    concepts
        Number from 1, name, and (primary) category of each.

    Raises
    ------
    ShapebiasError
        If a number or a name appears twice, or a number is below 1.
    """

    def __init__(self, concepts: Iterable[tuple[int, str, str]]):
        known = sorted(concepts, key=lambda one: (category_rank(one[2]), one[0]))
        self.numbers = [number for number, _, _ in known]
        self.names = [name for _, name, _ in known]
        self.categories = [category for _, _, category in known]
        for what, values in (("number", self.numbers), ("name", self.names)):
            twice = next((one for one in values if values.count(one) > 1), None)
            if twice is not None:
                raise ShapebiasError(f"two concepts have the {what} {twice!r}")
        if min(self.numbers, default=1) < 1:
            raise ShapebiasError("concepts count from 1; 0 means unlabelled")
        self.kinds = list(dict.fromkeys(self.categories))
        self.kind_of = torch.tensor([self.kinds.index(one) for one in self.categories]).long()
        self._index = torch.full((max(self.numbers, default=0) + 2,), -1)
        self._index[self.numbers] = torch.arange(len(known))

    def __len__(self) -> int:
        return len(self.numbers)

    def index(self, numbers: Integer[Tensor, "*any"]) -> Int64[Tensor, "*any"]:
        """Place of each number in this order; -1 for 0 and for numbers that are not listed."""
        return self._index.to(numbers.device)[numbers.long().clamp(0, len(self._index) - 1)]


@dataclass(frozen=True)
class ConceptTargets:
    """What a batch's labels say of every pixel, as places in the order of the concepts.

    `layers` holds the concepts of a pixel, or -1; no pixel has the same concept in two layers, and
    none one that labels its whole image: those are in `whole`. `counted` are the categories for
    which an image's masks count; where only masks count that meet a label of the category,
    `inside` are the pixels with one.
    """

    layers: Int64[Tensor, "image pixel layer"]
    whole: Bool[Tensor, "image concept"]
    counted: Bool[Tensor, "image kind"]
    inside: Bool[Tensor, "kind image pixel"] | None
    truth: Int64[Tensor, " concept"]

    @classmethod
    def of(
        cls,
        batch: ConceptBatch,
        concepts: Concepts,
        size: tuple[int, int],
        area: str,
        device: torch.device,
    ) -> "Labelled":
        """Labels of a batch on a device; `area` as `shapebias.dissection.dissect` has it."""
        n_pixels = size[0] * size[1]
        maps = [
            (kind, layer.to(device).long().flatten(1))
            for kind, stack in batch.maps.items()
            for layer in stack
        ]
        whole, kinds = (one.to(device) for one in _of_whole(batch.labels, concepts))
        by_kind = kinds[:, :, None].repeat(1, 1, n_pixels)
        layers = torch.zeros(len(maps), len(whole), n_pixels, dtype=torch.long, device=device)
        for number, (kind, layer) in enumerate(maps):
            places = concepts.index(layer)
            _enter_kinds(kind, layer, places, concepts, by_kind)
            again = whole.gather(1, places.clamp(min=0)) if len(concepts) else places < 0
            for earlier in layers[:number]:
                again |= earlier == places
            layers[number] = places.masked_fill(again, -1)
        truth = _counted(layers, len(concepts)) + whole.sum(dim=0) * n_pixels
        counted = by_kind.any(dim=2).T
        if area == "all_images":
            counted = torch.ones_like(counted)
        inside = by_kind if area == "inside_mask" else None
        return cls(layers.permute(1, 2, 0).contiguous(), whole, counted, inside, truth.cpu())

    def intersection(
        self,
        image: Int64[Tensor, " found"],
        channel: Int64[Tensor, " found"],
        pixel: Int64[Tensor, " found"],
        areas: Int64[Tensor, "image channel"],
    ) -> Int64[Tensor, "channel concept"]:
        """Pixels of masks in each concept, from the pixels found and their number an image."""
        n_concepts = self.whole.shape[1]
        places = self.layers.flatten(0, 1)[image * self.layers.shape[1] + pixel]
        # What is no concept goes to one more column.
        columns = (channel * (n_concepts + 1) + 1)[:, None] + places
        counts = columns.flatten().bincount(minlength=areas.shape[1] * (n_concepts + 1))
        counts = counts.view(areas.shape[1], n_concepts + 1)[:, 1:]
        return counts + _product(areas, self.whole)

    def activated(
        self,
        image: Int64[Tensor, " found"],
        number: Int64[Tensor, " found"],
        pixel: Int64[Tensor, " found"],
        areas: Int64[Tensor, "image channel"],
    ) -> Int64[Tensor, "channel kind"]:
        """Pixels of masks over the images that count for each category."""
        if self.inside is None:
            return _product(areas, self.counted)
        columns = []
        for inside in self.inside:
            met = number[inside[image, pixel]].bincount(minlength=areas.numel()).view_as(areas)
            columns.append((areas * (met > 0)).sum(dim=0))
        return torch.stack(columns, dim=1) if columns else areas.new_zeros(areas.shape[1], 0)


def _of_whole(
    labels: Sequence[Sequence[tuple[str, int]]], concepts: Concepts
) -> tuple[Bool[Tensor, "image concept"], Bool[Tensor, "kind image"]]:
    """Labels of whole images, and their categories: the label's and the concept's own."""
    whole = torch.zeros(len(labels), len(concepts), dtype=torch.bool)
    by_kind = torch.zeros(len(concepts.kinds), len(labels), dtype=torch.bool)
    for image, own in enumerate(labels):
        for kind, label in own:
            place = int(concepts.index(torch.tensor(label)))
            if place >= 0:
                whole[image, place] = True
                by_kind[concepts.kind_of[place], image] = True
            if kind in concepts.kinds and label > 0:
                by_kind[concepts.kinds.index(kind), image] = True
    return whole, by_kind


def _enter_kinds(
    kind: str,
    layer: Int64[Tensor, "image pixel"],
    places: Int64[Tensor, "image pixel"],
    concepts: Concepts,
    by_kind: Bool[Tensor, "kind image pixel"],
) -> None:
    """Mark pixels with any label of each category: of its maps, or of a concept that is its own."""
    # The last entry stands for the place -1.
    kinds = torch.cat([concepts.kind_of, torch.tensor([-1])]).to(places.device)[places]
    for number, known in enumerate(concepts.kinds):
        by_kind[number] |= kinds == number
        if known == kind:
            by_kind[number] |= layer > 0


def _counted(places: Int64[Tensor, "*any"], number: int) -> Int64[Tensor, " concept"]:
    return (places.flatten() + 1).bincount(minlength=number + 1)[1:]


def _product(
    areas: Int64[Tensor, "image channel"], flags: Bool[Tensor, "image column"]
) -> Int64[Tensor, "channel column"]:
    # Sums of whole numbers below 2**53 are exact in float64, whatever their order.
    return (areas.T.double() @ flags.double()).long()
