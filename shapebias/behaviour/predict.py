"""One row an image: what a network makes of it."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from shapebias.errors import ShapebiasError
from shapebias.networks.classifier import Classifier
from shapebias.networks.decisions import EntryLevel
from shapebias.networks.eval_mode import eval_without_gradients
from shapebias.runtime.batches import Batch
from shapebias.runtime.system_errors import out_of_memory

# Image ids, pixels in [0, 1], and the class name of each image where it has one.


def predict(
    model: Classifier,
    batches: Iterable[Batch],
    *,
    entry_level: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Classes and probabilities that a network gives each image, in eval mode and float32.

    Parameters
    ----------
    model
        Network to ask.
    batches
        Of ``(image_ids, images, labels)``; the images are sRGB pixels in [0, 1].
    entry_level
        Fine class to entry-level class; where it is given, entry-level probabilities are added.

    Returns
    -------
    Frame with image_id; label (str or None); top5, class names from the likeliest (fewer where the
    network has fewer classes; ties in the order of its classes); top5_probability;
    label_probability, NaN where the label is None or not a class of the network; and, with
    `entry_level`, entry_probabilities in the order of ``frame.attrs["entry_classes"]``, which is
    alphabetical.

    Raises
    ------
    ShapebiasError
        If a score is not finite, or a label is neither a class of the network nor an entry-level
        one.
    UnknownName
        If `entry_level` names a class that the network does not have.
    """
    columns = ["image_id", "label", "top5", "top5_probability", "label_probability"]
    level = None if entry_level is None else EntryLevel(model.classes, entry_level)
    known = {None, *model.classes, *(level.classes if level else ())}
    rows = []
    for image_ids, images, labels in batches:
        _check_labels(image_ids, labels, known)
        # Around each batch, not all: an attack that makes the batches needs gradients.
        with eval_without_gradients(model):
            scores = _scores(model, images)
            _check_finite(scores, image_ids)
            rows += _rows(image_ids, labels, scores.cpu(), model.classes, level)
    frame = pd.DataFrame(rows, columns=columns + ["entry_probabilities"] * (level is not None))
    # Object dtype keeps a missing label None; a string dtype would make it NaN.
    frame["label"] = pd.Series([row["label"] for row in rows], dtype=object)
    frame["label_probability"] = frame["label_probability"].astype(float)
    if level is not None:
        frame.attrs["entry_classes"] = level.classes
    return frame


def _scores(
    model: Classifier, images: Float[Tensor, "image 3 row column"]
) -> Float[Tensor, "image class"]:
    try:
        return model(images.to(model.mean.device, torch.float32)).float()
    # Transformers check the size by assertions.
    except (RuntimeError, ValueError, AssertionError) as error:
        size, meant = tuple(images.shape[2:]), (model.input_size, model.input_size)
        if size == meant or out_of_memory(error):
            raise
        raise ShapebiasError(
            f"a network for images of {meant[1]}×{meant[0]} cannot take those of "
            f"{size[1]}×{size[0]}: give the image set `resize` and `crop`"
        ) from error


def _rows(
    image_ids: Sequence[str],
    labels: Sequence[str | None],
    scores: Float[Tensor, "image class"],
    classes: Sequence[str],
    level: EntryLevel | None,
) -> list[dict]:
    index = {name: number for number, name in enumerate(classes)}
    probabilities = scores.softmax(dim=1)
    # By score and not by probability: probabilities that round to 0 or 1 tie.
    order = scores.sort(dim=1, descending=True, stable=True).indices[:, : min(5, len(classes))]
    top = probabilities.gather(1, order)
    rows = [
        {
            "image_id": image_id,
            "label": label,
            "top5": [classes[number] for number in numbers],
            "top5_probability": values,
            "label_probability": own[index[label]] if label in index else float("nan"),
        }
        for image_id, label, numbers, values, own in zip(
            image_ids, labels, order.tolist(), top.tolist(), probabilities.tolist(), strict=True
        )
    ]
    if level is not None:
        entries = level.probabilities(scores).tolist()
        for row, values in zip(rows, entries, strict=True):
            row["entry_probabilities"] = values
    return rows


def _check_labels(
    image_ids: Sequence[str], labels: Sequence[str | None], known: set[str | None]
) -> None:
    for image_id, label in zip(image_ids, labels, strict=True):
        if label not in known:
            some = sorted(name for name in known if name)[:3]
            raise ShapebiasError(
                f"image {image_id!r} has the label {label!r}, which is no class of the network "
                f"({', '.join(some)}, …): remove the image, or name its folder for a class"
            )


def _check_finite(scores: Float[Tensor, "image class"], image_ids: Sequence[str]) -> None:
    finite = scores.isfinite().all(dim=1).tolist()
    if not all(finite):
        first = image_ids[finite.index(False)]
        raise ShapebiasError(f"the network's scores of image {first!r} are not finite")
