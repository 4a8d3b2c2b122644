import pandas as pd
import pytest

from shapebias.category_scores import scores_by_category
from shapebias.errors import ShapebiasError


def test_scores_by_category():
    scores = pd.DataFrame(
        [("conv1", 0, 4, 2), ("conv1", 1, 0, 2), ("conv2", 0, 2, 0), ("conv2", 1, 6, 0)],
        columns=["layer", "channel", "shape_score", "texture_score"],
    )
    dissection = pd.DataFrame(
        [
            ("conv2", 0, "color", 0.1),
            ("conv1", 0, "color", 0.2),
            ("conv1", 1, "object", 0.3),
            ("conv2", 1, "object", 0.0),
            ("conv3", 0, "scene", 0.3),
        ],
        columns=["layer", "channel", "category", "iou"],
    )
    assert scores_by_category(scores, dissection).values.tolist() == [
        ["all", 4, 3.0, 1.0],
        ["object", 1, 0.0, 2.0],
        ["color", 2, 3.0, 1.0],
    ]
    with pytest.raises(ShapebiasError, match="channel 1 of conv1 was not dissected"):
        scores_by_category(scores, dissection.iloc[[0, 1, 3, 4]])
