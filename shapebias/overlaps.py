"""Pixels that masks of channels share with concepts: exact counts, as matrix products."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor
from torch.nn import functional

from shapebias.categories import category_rank
from shapebias.classifier import Classifier
from shapebias.errors import ShapebiasError, UnknownName
from shapebias.thresholds import chosen_maps

AREAS = ("labelled_images", "inside_mask", "all_images")


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
    """

    images: Float[Tensor, "image 3 row column"]
    maps: Mapping[str, Sequence[Integer[Tensor, "image mask_row mask_column"]]]
    labels: Sequence[Sequence[tuple[str, int]]]
    size: tuple[int, int] | None = None

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
        return self._index[numbers.long().clamp(0, len(self._index) - 1)]


@dataclass
class Overlaps:
    """Exact counts of pixels for the channels of one layer.

    `intersection` is (channel, concept): pixels of the mask in the concept; `activated` is
    (channel, category): pixels of the mask over the images that count for the category.
    """

    intersection: Int64[Tensor, "channel concept"]
    activated: Int64[Tensor, "channel category"]


def count_overlaps(
    model: Classifier,
    batches: Iterable[ConceptBatch],
    concepts: Concepts,
    *,
    thresholds: Mapping[str, Float[Tensor, " channel"]],
    area: str,
    channels: Mapping[str, Sequence[int]],
    progress: Callable[[int], object] | None = None,
) -> tuple[dict[str, Overlaps], Int64[Tensor, " concept"]]:
    """Overlaps of each layer's channels with the concepts, and the pixels of each concept.

    A channel's mask is its map, upsampled bilinearly (half-pixel centres) to the size of the
    label maps, where that is strictly above the threshold. See `shapebias.dissection.dissect`
    for `area` and the rest.
    """
    if area not in AREAS:
        raise UnknownName("area of a mask", area, AREAS)
    shape = (len(concepts), len(concepts.kinds))
    counts = {
        layer: Overlaps(*(torch.zeros(len(chosen), n).long() for n in shape))
        for layer, chosen in channels.items()
    }
    truth = torch.zeros(len(concepts)).long()
    for batch in batches:
        size, device = batch.mask_size(), model.mean.device
        labelled = [_labelled(batch, i, concepts, size, area) for i in range(len(batch.images))]
        for one in labelled:
            truth[one.concepts] += one.columns[:, : len(one.concepts)].sum(dim=0).long()
            one.columns = one.columns.to(device)
        images = batch.images.to(device, torch.float32)
        for layer, maps in chosen_maps(model, images, channels):
            _count_layer(counts[layer], maps, thresholds[layer], labelled, size)
        if progress is not None:
            progress(len(images))
    return counts, truth


@dataclass
class _Labelled:
    """One image: its concepts, the categories whose masks it counts for, and pixel indicators.

    The columns of indicators are, in this order, the concepts; then, where an image counts only
    if a label of the category falls inside the mask, the categories; and at last all pixels.
    """

    concepts: Int64[Tensor, " present"]
    kinds: Int64[Tensor, " kind"]
    inside_only: bool
    columns: Float[Tensor, "pixel column"] = field(repr=False)


def _labelled(
    batch: ConceptBatch, number: int, concepts: Concepts, size: tuple[int, int], area: str
) -> _Labelled:
    pixels = size[0] * size[1]
    whole = [(kind, label) for kind, label in batch.labels[number] if label > 0]
    layers = [
        (kind, layer[number].flatten().long().cpu())
        for kind, stack in batch.maps.items()
        for layer in stack
    ]
    layers += [(kind, torch.full((pixels,), label)) for kind, label in whole]
    indices = [concepts.index(layer) for _, layer in layers]
    found = torch.cat([torch.empty(0).long(), *(index.unique() for index in indices)]).unique()
    present = found[found >= 0]
    inside = torch.zeros(pixels, len(present), dtype=torch.bool)
    for index in indices:
        # A pixel that two layers give the same concept is one pixel of it.
        inside |= index[:, None] == present
    by_kind = _by_kind(layers, inside, concepts.kind_of[present], concepts.kinds)
    kinds = torch.arange(len(concepts.kinds))
    if area != "all_images":
        kinds = by_kind.any(dim=0).nonzero().flatten()
    columns = [inside, by_kind[:, kinds]] if area == "inside_mask" else [inside]
    columns = torch.cat([*columns, torch.ones(pixels, 1, dtype=torch.bool)], dim=1)
    return _Labelled(present, kinds, area == "inside_mask", columns.float())


def _by_kind(
    layers: Sequence[tuple[str, Int64[Tensor, " pixel"]]],
    inside: Bool[Tensor, "pixel present"],
    kind_of: Int64[Tensor, " present"],
    kinds: Sequence[str],
) -> Bool[Tensor, "pixel kind"]:
    """Pixels with any label of each category: of its maps, or of a concept that belongs to it."""
    by_kind = torch.zeros(len(inside), len(kinds), dtype=torch.bool)
    for kind, layer in layers:
        if kind in kinds:
            by_kind[:, kinds.index(kind)] |= layer > 0
    for column, kind in enumerate(kind_of.tolist()):
        by_kind[:, kind] |= inside[:, column]
    return by_kind


def _count_layer(
    counts: Overlaps,
    maps: Float[Tensor, "image channel row column"],
    thresholds: Float[Tensor, " channel"],
    labelled: Sequence[_Labelled],
    size: tuple[int, int],
) -> None:
    # What is upsampled is the excess: rounded averages of a plateau at the threshold can come out
    # above it, those of numbers that are not positive cannot. So an empty mask can be skipped.
    excess = maps - thresholds[:, None, None]
    active = (excess.amax(dim=(2, 3)) > 0).cpu()
    for number, one in enumerate(labelled):
        chosen = active[number].nonzero().flatten()
        if len(chosen) == 0:
            continue
        upsampled = functional.interpolate(
            excess[number : number + 1, chosen], size=size, mode="bilinear", align_corners=False
        )
        masks = upsampled[0].flatten(1) > 0
        # Sums of ones below 2**24 are exact in float32, whatever their order.
        sums = (masks.float() @ one.columns).long().cpu()
        n_concepts, areas = len(one.concepts), sums[:, -1:].expand(-1, len(one.kinds))
        if one.inside_only:
            areas = areas * (sums[:, n_concepts:-1] > 0)
        counts.intersection[chosen[:, None], one.concepts] += sums[:, :n_concepts]
        counts.activated[chosen[:, None], one.kinds] += areas
