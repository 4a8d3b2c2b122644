"""Keywords of timm's that the workflow gives itself; read while planning, and so without timm."""

from collections.abc import Mapping

# What to write in their place.
TAKEN = {
    "num_classes": "the number of classes follows from `classes` or the training images",
    "in_chans": "images have three colours",
    "img_size": "give `input_size`",
    "features_only": "the network must give scores",
    "out_indices": "the network must give scores: name `layers`",
    "cache_dir": "nothing is downloaded: give `weights` with the `path` of a file",
    **dict.fromkeys(
        (
            *("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict"),
            *("checkpoint_path", "checkpoint_filter_fn"),
        ),
        "give `weights` with the `path` of a file, beside the `architecture`",
    ),
}


def setting_error(settings: Mapping[str, object]) -> str | None:
    """What is wrong with the first of timm's settings that a study may not give; None if none."""
    return next(
        (f"{key} is no setting here: {TAKEN[key]}" for key in settings if key in TAKEN), None
    )
