"""Network dissection: which concept the mask of each channel matches best."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from shapebias.dissection.concept_labels import ConceptBatch, Concepts
from shapebias.dissection.iou_counts import count_intersections
from shapebias.dissection.labels import LABELS, OVERLAPS, iou_rows, ious_of, labels_of
from shapebias.dissection.thresholds import find_thresholds
from shapebias.dissection.top_images import COLUMNS as TOP_IMAGES
from shapebias.dissection.top_images import TopImages
from shapebias.networks.channel_parts import chosen_channels
from shapebias.networks.classifier import Classifier
from shapebias.networks.eval_mode import eval_without_gradients
from shapebias.networks.receptive_fields import receptive_fields

SWEEP = ["quantile", *LABELS]


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
) -> "Dissection":
    """Intersection over union of every channel's mask with every concept, and its best concept.

    Parameters
    ----------
    model
        Network to dissect.
    batches_factory
        Gives the same batches each time that it is called; two passes are made.
    concepts
        Number from 1, name and primary category of each concept. Numbers in the label maps that
        are not listed are no concepts.
    quantile
        Fraction of positions at which a channel's activation is above its threshold.
    sweep
        Further such fractions, for which the labels are given as well, in the same two passes.
    area
        Images over which a mask's area A is counted for a concept c: "labelled_images", those with
        any label of c's category [1]_; "inside_mask", those where such a label falls inside the
        mask [2]_; "all_images".
    upsampling
        Where a map's places lie in the image: "half_pixel_centres", the map spread evenly over it;
        "receptive_fields", each place at the middle of the pixels that it sees, as in [1]_.
    top_images
        Images listed of each channel, those in which its highest activation is largest.
    channels
        Channels to dissect by layer; None for all.
    n_images
        Number of images; None has them counted in a pass of their own, without the network.
    progress
        Called with the number of images after each batch, in both passes.

    Notes
    -----
    Thresholds are exact, over all positions of all images at the layer's own resolution. Memory is
    quantile x positions values a channel for them, and a count a channel and concept.

    References
    ----------
    .. [1] Bau et al. (2017). Network dissection: quantifying interpretability of deep visual
       representations. CVPR. :DOI:`10.1109/CVPR.2017.354`
    .. [2] Zhou, Bau, Oliva & Torralba (2019). Interpreting deep visual representations via network
       dissection. TPAMI 41(9). :DOI:`10.1109/TPAMI.2018.2858759`
    """
    concepts = Concepts(concepts)
    chosen = chosen_channels(model, channels)
    if n_images is None:
        n_images = sum(len(batch.images) for batch in batches_factory())
    quantiles = list(dict.fromkeys([quantile, *sweep]))
    first = FirstPass(model, chosen, top_images)
    with eval_without_gradients(model):
        thresholds = find_thresholds(
            model,
            first.images(batches_factory()),
            n_images=n_images,
            quantiles=quantiles,
            channels=chosen,
            also=lambda layer, maps: first.tops[layer].add(maps),
            progress=progress,
        )
        counts, truth = count_intersections(
            model,
            batches_factory(),
            concepts,
            thresholds=thresholds,
            area=area,
            upsampling=upsampling,
            channels=chosen,
            progress=progress,
        )
        tops = first.frames()
    labels, swept, ious = [EMPTY.labels], [EMPTY.sweep], []
    for layer, numbers in chosen.items():
        found = [ious_of(one, truth, concepts) for one in counts[layer]]
        ious.append(found[0])
        for q, (*_, iou), threshold in zip(quantiles, found, thresholds[layer], strict=True):
            own = labels_of(numbers, iou, threshold, concepts).assign(layer=layer)
            swept.append(own.assign(quantile=q))
            labels += [own] if q == quantile else []
    return Dissection(
        _joined(labels),
        iou_rows(chosen, ious, truth, concepts),
        _joined([EMPTY.top_images, *(rows.assign(layer=layer) for layer, rows in tops.items())]),
        _joined(swept if sweep else [EMPTY.sweep]),
    )


class Dissection(NamedTuple):
    """What a network's channels detect.

    Attributes
    ----------
    labels
        One row a channel: layer, channel, concept, category, iou, threshold (in the unit of the
        activation) and diversity (concepts with an IoU of at least 0.01). Of concepts with the
        same IoU the category's order decides (object, part, scene, material, texture, color, any
        other), then the lowest number; so a channel that meets no concept has iou 0.
    overlaps
        One row a channel and concept: layer, channel, concept, intersection I, activated A, truth
        T (all in pixels of the label maps) and iou = I / (A + T - I), 0 where nothing is shared.
        The names of layers and concepts are categories in order.
    top_images
        One row a channel and rank, as `shapebias.dissection.top_images.TopImages` gives it.
    sweep
        The labels for every fraction of positions, in a column quantile; no rows without a sweep.
    """

    labels: pd.DataFrame
    overlaps: pd.DataFrame
    top_images: pd.DataFrame
    sweep: pd.DataFrame


EMPTY = Dissection(
    *(pd.DataFrame(columns=columns) for columns in (LABELS, OVERLAPS, TOP_IMAGES, SWEEP))
)


class FirstPass:
    """What is noted of the images and their maps while thresholds are found."""

    def __init__(self, model: Classifier, channels: Mapping[str, Sequence[int]], number: int):
        self.model = model
        self.channels = channels
        self.tops = {layer: TopImages(number) for layer in channels}
        self.image_ids: list[str] = []
        self.shape: tuple[int, int] = (model.input_size, model.input_size)

    def images(
        self, batches: Iterable[ConceptBatch]
    ) -> Iterator[Float[Tensor, "image 3 row column"]]:
        """Pixels of each batch, on the network's device."""
        for batch in batches:
            seen = len(self.image_ids)
            numbers = range(seen, seen + len(batch.images))
            self.image_ids.extend(batch.image_ids or map(str, numbers))
            self.shape = tuple(batch.images.shape[2:])
            yield batch.images.to(self.model.mean.device).float()

    def frames(self) -> dict[str, pd.DataFrame]:
        """Layer to the top images of its channels."""
        fields = receptive_fields(self.model, self.shape)
        return {
            layer: self.tops[layer].frame(numbers, self.image_ids, fields[layer])
            for layer, numbers in self.channels.items()
        }


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames of all layers; the first names the columns and is empty."""
    return pd.concat(frames[1:] or frames, ignore_index=True)[frames[0].columns.tolist()]
