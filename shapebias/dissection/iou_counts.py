"""Pixels that masks of channels share with concepts: exact counts of the pixels in them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from shapebias.dissection.concept_labels import ConceptBatch, Concepts, ConceptTargets
from shapebias.dissection.thresholds import selected_maps
from shapebias.dissection.upsampled_masks import UpsamplingGrid, pixels_above_zero
from shapebias.errors import UnknownName
from shapebias.networks.classifier import Classifier
from shapebias.networks.receptive_fields import Fields, receptive_fields

AREAS = ("labelled_images", "inside_mask", "all_images")
UPSAMPLINGS = ("half_pixel_centres", "receptive_fields")


@dataclass
class IouCounts:
    """Exact counts of pixels for the channels of one layer.

    `intersection` is (channel, concept): pixels of the mask in the concept; `activated` is
    (channel, category): pixels of the mask over the images that count for the category.
    """

    intersection: Int64[Tensor, "channel concept"]
    activated: Int64[Tensor, "channel category"]


def count_intersections(
    model: Classifier,
    batches: Iterable[ConceptBatch],
    concepts: Concepts,
    *,
    thresholds: Mapping[str, Float[Tensor, "quantile channel"]],
    area: str,
    upsampling: str,
    channels: Mapping[str, Sequence[int]],
    progress: Callable[[int], object] | None = None,
) -> tuple[dict[str, list[IouCounts]], Int64[Tensor, " concept"]]:
    """Overlaps of each layer's channels with the concepts, and the pixels of each concept.

    A channel's mask is its map, upsampled bilinearly to the size of the label maps, where that is
    strictly above the threshold; there are overlaps for every row of thresholds. See
    `shapebias.dissection.dissect` for `area`, `upsampling` and the rest.
    """
    for what, value, known in (
        ("area of a mask", area, AREAS),
        ("upsampling of masks", upsampling, UPSAMPLINGS),
    ):
        if value not in known:
            raise UnknownName(what, value, known)
    shape = (len(concepts), len(concepts.kinds))
    counts = {
        layer: [
            IouCounts(*(torch.zeros(len(chosen), n).long() for n in shape))
            for _ in thresholds[layer]
        ]
        for layer, chosen in channels.items()
    }
    fields: dict[tuple[int, int], dict[str, Fields]] = {}
    truth = torch.zeros(len(concepts)).long()
    for batch in batches:
        size, device = batch.mask_size(), model.mean.device
        labelled = ConceptTargets.of(batch, concepts, size, area, device)
        truth += labelled.truth
        images = batch.images.to(device, torch.float32)
        image = tuple(images.shape[2:])
        if upsampling == "receptive_fields" and image not in fields:
            fields[image] = receptive_fields(model, image)
        for layer, maps in selected_maps(model, images, channels):
            own = fields[image][layer] if fields else None
            grid = UpsamplingGrid.of(tuple(maps.shape[2:]), size, device, fields=own, image=image)
            for found, threshold in zip(counts[layer], thresholds[layer], strict=True):
                _count_layer(found, maps, threshold, labelled, grid)
        if progress is not None:
            progress(len(images))
    return counts, truth


def _count_layer(
    counts: IouCounts,
    maps: Float[Tensor, "image channel row column"],
    thresholds: Float[Tensor, " channel"],
    labelled: ConceptTargets,
    grid: UpsamplingGrid,
) -> None:
    n_images, n_channels = maps.shape[:2]
    # What is upsampled is the excess: rounded averages of a plateau at the threshold can come out
    # above it, those of numbers that are not positive cannot.
    excess = maps - thresholds[:, None, None]
    number, pixel = pixels_above_zero(excess.flatten(0, 1), grid)
    image, channel = number // n_channels, number % n_channels
    areas = number.bincount(minlength=n_images * n_channels).view(n_images, n_channels)
    counts.intersection += labelled.intersection(image, channel, pixel, areas).cpu()
    counts.activated += labelled.activated(image, number, pixel, areas).cpu()
