"""Network dissection: find the concept that the mask of each channel matches best."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

import pandas as pd
import torch

from shapebias.dissection.concept_labels import ConceptBatch, Concepts
from shapebias.dissection.concept_targets import ConceptTargets
from shapebias.dissection.iou_counts import IouCounts
from shapebias.dissection.labels import LABELS, ious_of, labels_of, overlap_rows
from shapebias.dissection.thresholds import Thresholds, check_thresholds, selected_maps
from shapebias.dissection.top_images import COLUMNS as TOP_IMAGES
from shapebias.dissection.top_images import TopImages
from shapebias.dissection.upsampling_grid import UpsamplingGrid
from shapebias.errors import ShapebiasError, UnknownName
from shapebias.networks.channel_parts import chosen_channels
from shapebias.networks.classifier import Classifier
from shapebias.networks.eval_mode import eval_without_gradients
from shapebias.networks.receptive_fields import receptive_fields

AREAS = ("labelled_images", "inside_mask", "all_images")
UPSAMPLINGS = ("half_pixel_centres", "receptive_fields")
SWEEP = ["quantile", *LABELS]


class Dissection(NamedTuple):
    """Concepts that the channels of a network detect.

    Attributes
    ----------
    labels
        One row per channel: layer, channel, concept, category, iou, threshold (in the unit of the
        activation) and diversity (concepts with an IoU of at least 0.01). Of concepts with equal
        IoU the first by category (object, part, scene, material, texture, color, any other) and
        then by number is the label; a channel that overlaps no concept has iou 0.
    overlaps
        One row per channel and concept: layer, channel, concept, intersection I, activated A, truth
        T (all in pixels of the label maps) and iou = I / (A + T - I), 0 if I is 0. Layers and
        concepts are ordered categoricals.
    top_images
        One row per channel and rank: layer, and the columns of
        `shapebias.dissection.top_images.TopPositions.frame`.
    sweep
        The labels for every quantile, in a column quantile; no rows without a sweep.
    """

    labels: pd.DataFrame
    overlaps: pd.DataFrame
    top_images: pd.DataFrame
    sweep: pd.DataFrame


def dissect(
    model: Classifier,
    batches_factory: Callable[[], Iterable[ConceptBatch]],
    concepts: Iterable[tuple[int, str, str]],
    *,
    quantile: float = 0.005,
    sweep: Sequence[float] = (),
    area: str = "labelled_images",
    upsampling: str = "half_pixel_centres",
    top_images: int = 49,
    channels: Mapping[str, Sequence[int]] | None = None,
    n_images: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Dissection:
    """Compute the IoU of each channel's mask with each concept, and the best concept.

    Parameters
    ----------
    model
        Network to dissect.
    batches_factory
        Called once for each of the two passes; returns the same batches each time.
    concepts
        Number from 1, name and primary category of each concept. Numbers in the label maps that
        are not listed are ignored.
    quantile
        Fraction of positions, in [0, 1), at which a channel's activation is above its threshold.
    sweep
        Further quantiles for which labels are computed, in the same two passes.
    area
        Images over which the area A of a mask is counted for a concept of category c:
        "labelled_images", those with any label of c [1]_; "inside_mask", those with such a label
        inside the mask [2]_; "all_images".
    upsampling
        Where the positions of a map are in the image: "half_pixel_centres", evenly spread;
        "receptive_fields", each at the centre of its receptive field, as in [1]_.
    top_images
        Number of images listed per channel, those with the highest activations.
    channels
        Channels to dissect by layer; None for all.
    n_images
        Number of images; None to count them in a pass of their own, without the network.
    progress
        Called with the number of images after each batch, in both passes.

    Raises
    ------
    UnknownName
        If `area` or `upsampling` is unknown.
    UnknownLayer
        If `channels` has a layer that the network lacks.
    ShapebiasError
        If a quantile, a channel or a concept is invalid, the number of images is not `n_images`, or
        an activation is NaN.

    Notes
    -----
    Thresholds are exact, over all positions of all images at the resolution of the layer. The
    memory is quantile x positions values per channel, and one count per channel and concept.

    References
    ----------
    .. [1] Bau et al. (2017). Network dissection: quantifying interpretability of deep visual
       representations. CVPR. :DOI:`10.1109/CVPR.2017.354`
    .. [2] Zhou, Bau, Oliva & Torralba (2019). Interpreting deep visual representations via network
       dissection. TPAMI 41(9). :DOI:`10.1109/TPAMI.2018.2858759`
    """
    for name, value, known in (
        ("area of a mask", area, AREAS),
        ("upsampling of masks", upsampling, UPSAMPLINGS),
    ):
        if value not in known:
            raise UnknownName(name, value, known)
    concepts, channels = Concepts(concepts), chosen_channels(model, channels)
    quantiles = list(dict.fromkeys([quantile, *sweep]))
    if n_images is None:
        n_images = sum(len(batch.images) for batch in batches_factory())
    device = model.mean.device
    fields_of = cache(partial(receptive_fields, model))
    batches = partial(_batches, batches_factory, device, progress)

    with eval_without_gradients(model):
        # First pass: thresholds and top images.
        activations = {layer: Thresholds(n_images, quantiles) for layer in channels}
        tops = {layer: TopImages(top_images) for layer in channels}
        image_ids: list[str] = []
        for batch in batches():
            for layer, maps in selected_maps(model, batch.images, channels):
                activations[layer].add(maps)
                tops[layer].add(maps)
            numbers = range(len(image_ids), len(image_ids) + len(batch.images))
            image_ids += batch.image_ids or map(str, numbers)
        if len(image_ids) != n_images or not image_ids:
            raise ShapebiasError(
                f"expected {n_images or 'at least 1'} images, got {len(image_ids)}"
            )
        thresholds = {layer: statistic.result() for layer, statistic in activations.items()}
        for layer, numbers in channels.items():
            check_thresholds(layer, numbers, thresholds[layer])

        # Second pass: pixels that the masks share with the concepts.
        counts = {layer: IouCounts(thresholds[layer], concepts) for layer in channels}
        truth = torch.zeros(len(concepts)).long()
        for batch in batches():
            targets = ConceptTargets.of(batch, concepts, area, device)
            truth += targets.truth
            shape, size = tuple(batch.images.shape[2:]), batch.mask_size()
            fields = fields_of(shape) if upsampling == "receptive_fields" else {}
            for layer, maps in selected_maps(model, batch.images, channels):
                grid = UpsamplingGrid.of(
                    tuple(maps.shape[2:]), size, device, fields=fields.get(layer), image=shape
                )
                counts[layer].add(maps, targets, grid)
        fields = fields_of(shape)

    top_rows, labels, overlaps = [], [], []
    for layer, numbers in channels.items():
        rows = tops[layer].result().frame(numbers, image_ids, fields[layer])
        top_rows.append(rows.assign(layer=layer))
        of_layer = [ious_of(pixels, truth, concepts) for pixels in counts[layer].result()]
        overlaps.append(of_layer[0])
        for q, (*_, iou), limits in zip(quantiles, of_layer, thresholds[layer], strict=True):
            rows = labels_of(numbers, iou, limits, concepts)
            labels.append(rows.assign(layer=layer, quantile=q))
    return Dissection(
        # The first quantile of each layer is the main one.
        _joined(labels[:: len(quantiles)], LABELS),
        overlap_rows(channels, overlaps, truth, concepts),
        _joined(top_rows, TOP_IMAGES),
        _joined(labels if sweep else [], SWEEP),
    )


def _batches(
    batches_factory: Callable[[], Iterable[ConceptBatch]],
    device: torch.device,
    progress: Callable[[int], object] | None,
) -> Iterator[ConceptBatch]:
    """Batches with their images on a device; `progress` is called after each."""
    for batch in batches_factory():
        yield batch.images_on(device)
        if progress is not None:
            progress(len(batch.images))


def _joined(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Rows of all layers."""
    if not frames:
        return pd.DataFrame(columns=columns)
    return pd.concat(frames, ignore_index=True)[list(columns)]
