import pandas as pd
import pytest

from shapebias.ablation.by_category import scores_by_category
from shapebias.errors import ShapebiasError
from shapebias.io.tables import arrow_table


@pytest.mark.parametrize("n_texture", [4, 0])
def test_scores_by_category(n_texture):
    scores = pd.DataFrame(
        [("conv1", 0, 4, 2), ("conv1", 1, 0, 2), ("conv2", 0, 2, 0), ("conv2", 1, 6, 0)],
        columns=["layer", "channel", "shape_score", "texture_score"],
    ).assign(n_shape=10, n_texture=n_texture)
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
    table = scores_by_category(scores, dissection)
    names = ["category", "n_channels", "mean_shape_score", "mean_texture_score"]
    assert table[names].to_numpy().tolist() == [
        ["all", 4, 3.0, 1.0],
        ["object", 1, 0.0, 2.0],
        ["color", 2, 3.0, 1.0],
    ]
    assert (table["n_shape"] == 10).all() and (table["n_texture"] == n_texture).all()
    assert table["mean_shape_share"].tolist() == [0.3, 0.0, 0.3]
    # Student's t: 3.1824 and 12.706 standard errors of 1.29099 and 1; shares are clipped to 0.
    assert table["shape_share_low"].tolist()[::2] == [0.0, 0.0]
    assert table["shape_share_high"].tolist()[::2] == pytest.approx([0.710844, 1.0], abs=1e-5)
    # A single channel has no confidence interval.
    assert table.loc[1, ["shape_share_low", "shape_share_high"]].isna().all()
    shares = table["mean_texture_share"]
    assert shares.tolist() == [0.25, 0.5, 0.25] if n_texture else shares.isna().all()
    assert len(arrow_table(table.assign(model="a"), "ablation_by_category")) == 3
    with pytest.raises(ShapebiasError, match="channel 1 of conv1 was ablated but not dissected"):
        scores_by_category(scores, dissection.iloc[[0, 1, 3, 4]])
