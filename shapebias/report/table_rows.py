"""Rows of public tables that both figures and findings use."""

from collections.abc import Iterator, Mapping

import pandas as pd

# Pair to its `standard` and `robust` network.
Pairs = Mapping[str, Mapping[str, str]]


def accuracy_rows(accuracy: pd.DataFrame, pair: str | None, clean: str | None) -> pd.DataFrame:
    """Select one row for each network and image set.

    Parameters
    ----------
    accuracy
        Table `accuracy` or `differences`, with the columns selection and image_set.
    pair
        Pair whose correctly labelled images are selected, if the table has them; None for all
        images.
    clean
        Clean image set, of which all images are selected.
    """
    on_all = accuracy["selection"] == "all"
    if pair is None or not (accuracy["selection"] == pair).any():
        return accuracy[on_all]
    is_clean = accuracy["image_set"] == clean
    return accuracy[(on_all & is_clean) | ((accuracy["selection"] == pair) & ~is_clean)]


def varying_channels(activation_tv: pd.DataFrame, *, clean: str, noisy: str) -> pd.DataFrame:
    """Total variation of channels that vary on both sets, in columns `clean` and `noisy`."""
    keys = ["model", "layer", "channel"]
    sides = [
        activation_tv[activation_tv["image_set"] == name][[*keys, "mean_tv"]].rename(
            columns={"mean_tv": side}
        )
        for side, name in (("clean", clean), ("noisy", noisy))
    ]
    both = sides[0].merge(sides[1], on=keys)
    # A constant channel has no place on a logarithmic axis.
    return both[(both["clean"] > 0) & (both["noisy"] > 0)]


def counts_at_cut(detectors: pd.DataFrame, cut: float) -> pd.DataFrame:
    """Number of channels by network, control (if there are any) and category at one IoU cut."""
    at_cut = detectors[detectors["iou_cut"] == cut]
    whole = at_cut[at_cut["layer"] == "all"]
    layers = at_cut[~at_cut["model"].isin(whole["model"])]
    both = pd.concat([whole, layers]) if len(layers) else whole
    keys = [name for name in ("model", "control", "category") if name in both]
    return both.groupby(keys, sort=False, as_index=False)["n_channels"].sum()


def paired_rows(
    table: pd.DataFrame, pairs: Pairs
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Yield each pair with the rows of its standard and robust network, if the table has both."""
    for pair, sides in pairs.items():
        standard, robust = (table[table["model"] == sides[s]] for s in ("standard", "robust"))
        if len(standard) and len(robust):
            yield pair, standard, robust


def nonempty(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """Table that a study may lack; None also if it has no rows."""
    return table if table is not None and len(table) else None
