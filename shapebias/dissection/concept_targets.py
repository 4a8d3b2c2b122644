"""Labels of a batch as concept indices, and the pixels that masks share with them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from shapebias.dissection.concept_labels import ConceptBatch, Concepts


@dataclass(frozen=True)
class ConceptTargets:
    """Labels of a batch, as indices of the concepts.

    Attributes
    ----------
    layers
        Concepts of each pixel, -1 for none. A pixel has a concept in one layer at most, and in none
        if the concept labels its whole image.
    whole_image
        Concepts that label the whole image.
    in_area
        Whether the mask in an image counts for a category.
    labelled
        Pixels with a label of a category, if masks count only in images in which they overlap such
        a pixel; else None.
    truth
        Pixels of each concept.
    """

    layers: Int64[Tensor, "image pixel layer"]
    whole_image: Bool[Tensor, "image concept"]
    in_area: Bool[Tensor, "image category"]
    labelled: Bool[Tensor, "category image pixel"] | None
    truth: Int64[Tensor, " concept"]

    @classmethod
    def of(
        cls, batch: ConceptBatch, concepts: Concepts, area: str, device: torch.device
    ) -> "ConceptTargets":
        """Labels of a batch on a device; see `shapebias.dissection.dissect.dissect` for `area`."""
        size = batch.mask_size()
        n_pixels = size[0] * size[1]
        maps = [
            (category, layer.to(device).long().flatten(1))
            for category, layers in batch.maps.items()
            for layer in layers
        ]
        whole_image, by_image = (
            flags.to(device) for flags in _labels_of_images(batch.labels, concepts)
        )
        labelled = by_image[:, :, None].repeat(1, 1, n_pixels)
        layers = torch.zeros(len(maps), len(whole_image), n_pixels, dtype=torch.long, device=device)
        for number, (category, layer) in enumerate(maps):
            index = concepts.index(layer)
            _mark_categories(category, layer, index, concepts, labelled)
            # A concept counts once per pixel.
            repeated = whole_image.gather(1, index.clamp(min=0)) if len(concepts) else index < 0
            for earlier in layers[:number]:
                repeated |= earlier == index
            layers[number] = index.masked_fill(repeated, -1)
        truth = (layers.flatten() + 1).bincount(minlength=len(concepts) + 1)[1:]
        truth = truth + whole_image.sum(dim=0) * n_pixels
        in_area = labelled.any(dim=2).T
        if area == "all_images":
            in_area = torch.ones_like(in_area)
        return cls(
            layers.permute(1, 2, 0).contiguous(),
            whole_image,
            in_area,
            labelled if area == "inside_mask" else None,
            truth.cpu(),
        )

    def intersection(
        self,
        image: Int64[Tensor, " active"],
        channel: Int64[Tensor, " active"],
        pixel: Int64[Tensor, " active"],
        areas: Int64[Tensor, "image channel"],
    ) -> Int64[Tensor, "channel concept"]:
        """Pixels of the masks in each concept.

        Parameters
        ----------
        image, channel, pixel
            Each pixel of each mask.
        areas
            Number of pixels of each mask.
        """
        n_concepts, n_channels = self.whole_image.shape[1], areas.shape[1]
        index = self.layers.flatten(0, 1)[image * self.layers.shape[1] + pixel]
        # The first column counts pixels without a concept.
        columns = (channel * (n_concepts + 1) + 1)[:, None] + index
        counts = columns.flatten().bincount(minlength=n_channels * (n_concepts + 1))
        counts = counts.view(n_channels, n_concepts + 1)[:, 1:]
        return counts + _sum_areas(areas, self.whole_image)

    def activated(
        self,
        image: Int64[Tensor, " active"],
        number: Int64[Tensor, " active"],
        pixel: Int64[Tensor, " active"],
        areas: Int64[Tensor, "image channel"],
    ) -> Int64[Tensor, "channel category"]:
        """Pixels of the masks in the images that count for each category.

        Parameters
        ----------
        image, number, pixel
            Each pixel of each mask; `number` is image x channels + channel.
        areas
            Number of pixels of each mask.
        """
        if self.labelled is None:
            return _sum_areas(areas, self.in_area)
        columns = []
        for labelled in self.labelled:
            overlap = number[labelled[image, pixel]].bincount(minlength=areas.numel())
            columns.append((areas * (overlap.view_as(areas) > 0)).sum(dim=0))
        return torch.stack(columns, dim=1) if columns else areas.new_zeros(areas.shape[1], 0)


def _labels_of_images(
    labels: Sequence[Sequence[tuple[str, int]]], concepts: Concepts
) -> tuple[Bool[Tensor, "image concept"], Bool[Tensor, "category image"]]:
    """Concepts that label whole images, and the categories of the labels and of the concepts."""
    whole_image = torch.zeros(len(labels), len(concepts), dtype=torch.bool)
    by_image = torch.zeros(len(concepts.categories), len(labels), dtype=torch.bool)
    for image, labels_of_image in enumerate(labels):
        for category, label in labels_of_image:
            index = int(concepts.index(torch.tensor(label)))
            if index >= 0:
                whole_image[image, index] = True
                by_image[concepts.category_of[index], image] = True
            if category in concepts.categories and label > 0:
                by_image[concepts.categories.index(category), image] = True
    return whole_image, by_image


def _mark_categories(
    category: str,
    layer: Int64[Tensor, "image pixel"],
    index: Int64[Tensor, "image pixel"],
    concepts: Concepts,
    labelled: Bool[Tensor, "category image pixel"],
) -> None:
    """Mark pixels with a label of each category: of the map, or of the concept."""
    # The last entry is for the index -1.
    category_of = torch.cat([concepts.category_of, torch.tensor([-1])]).to(index.device)[index]
    for number, name in enumerate(concepts.categories):
        labelled[number] |= category_of == number
        if name == category:
            labelled[number] |= layer > 0


def _sum_areas(
    areas: Int64[Tensor, "image channel"], flags: Bool[Tensor, "image column"]
) -> Int64[Tensor, "channel column"]:
    # Sums of integers below 2**53 are exact in float64, whatever their order.
    return (areas.T.double() @ flags.double()).long()
