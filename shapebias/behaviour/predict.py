"""Predicted classes and probabilities, one row per image."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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


def predict(
    model: Classifier,
    batches: Iterable[Batch],
    *,
    entry_level: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Predict the classes of images with a network in eval mode and float32.

    Parameters
    ----------
    batches
        Tuples ``(image_ids, images, labels)``; images are sRGB pixels in [0, 1].
    entry_level
        Maps fine classes to entry-level classes; if given, entry-level probabilities are added.

    Returns
    -------
    Frame with image_id; label (str or None); top5, class names from the most probable (fewer if
    the network has fewer classes; ties in the order of its classes); top5_probability;
    label_probability, NaN if the label is None or not a class of the network; and, with
    `entry_level`, entry_probabilities in the order of ``frame.attrs["entry_classes"]``, which is
    alphabetical.

    Raises
    ------
    ShapebiasError
        If a score is not finite; if a label is neither a class of the network nor an entry-level
        class; or if the network rejects images of this size.
    UnknownName
        If `entry_level` names a class that the network does not have.

    Examples
    --------
    >>> from shapebias.plugins import build
    >>> settings = {"kind": "resnet", "depth": 18, "width": 0.125, "input_size": 32}
    >>> model = build("architectures", classes=["cat", "dog"], **settings)
    >>> batches = [(["a", "b"], torch.rand(2, 3, 32, 32), ["cat", None])]
    >>> predict(model, batches)[["image_id", "label"]]
      image_id label
    0        a   cat
    1        b  None
    """
    columns = ["image_id", "label", "top5", "top5_probability", "label_probability"]
    level = None if entry_level is None else EntryLevel(model.classes, entry_level)
    known_labels = {None, *model.classes, *(level.classes if level else ())}
    rows = []
    for image_ids, images, labels in batches:
        _check_labels(image_ids, labels, known_labels)
        # Not around the whole loop: an attack that makes the batches needs gradients.
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
        (height, width), side = images.shape[2:], model.input_size
        if (height, width) == (side, side) or out_of_memory(error):
            raise
        raise ShapebiasError(
            f"a network for images of {side}×{side} pixels cannot take images of {width}×{height}: "
            "give the image set `resize` and `crop`"
        ) from error


def _rows(
    image_ids: Sequence[str],
    labels: Sequence[str | None],
    scores: Float[Tensor, "image class"],
    classes: Sequence[str],
    level: EntryLevel | None,
) -> list[dict[str, Any]]:
    index = {name: number for number, name in enumerate(classes)}
    probabilities = scores.softmax(dim=1)
    # Sorted by score, because probabilities that round to 0 or 1 tie.
    order = scores.sort(dim=1, descending=True, stable=True).indices[:, : min(5, len(classes))]
    top = probabilities.gather(1, order)
    rows = [
        {
            "image_id": image_id,
            "label": label,
            "top5": [classes[number] for number in top_classes],
            "top5_probability": top_values,
            "label_probability": values[index[label]] if label in index else float("nan"),
        }
        for image_id, label, top_classes, top_values, values in zip(
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
            examples = ", ".join(sorted(name for name in known if name)[:3])
            raise ShapebiasError(
                f"image {image_id!r} has the label {label!r}, which is not a class of the network "
                f"({examples}, …): correct the network's `classes` in the study, rename the "
                "image's folder to one of the classes, or remove the image"
            )


def _check_finite(scores: Float[Tensor, "image class"], image_ids: Sequence[str]) -> None:
    finite = scores.isfinite().all(dim=1).tolist()
    if not all(finite):
        image_id = image_ids[finite.index(False)]
        raise ShapebiasError(f"the network's scores of image {image_id!r} are not finite")
