"""Keywords of timm's that a study may not set; imported while planning, and so without timm."""

from collections.abc import Mapping

# Keyword to what to do instead.
RESERVED = {
    "num_classes": "the number of classes follows from `classes` or the training images",
    "in_chans": "images have three colours",
    "img_size": "set `input_size`",
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
    """Error about the first setting that a study may not set; None if there is none.

    Examples
    --------
    >>> setting_error({"depth": 6, "img_size": 64})
    'img_size cannot be set: set `input_size`'
    """
    return next(
        (f"{key} cannot be set: {RESERVED[key]}" for key in settings if key in RESERVED), None
    )
