"""Rows of the public tables that figures and findings both read."""

from collections.abc import Iterator, Mapping

import pandas as pd

Pairs = Mapping[str, Mapping[str, str]]


def accuracy_rows(accuracy: pd.DataFrame, pair: str | None, clean: str | None) -> pd.DataFrame:
    """Rows of the accuracy table that a panel shows: one a network and image set."""
    on_all = accuracy["selection"] == "all"
    if pair is None or not (accuracy["selection"] == pair).any():
        return accuracy[on_all]
    is_clean = accuracy["image_set"] == clean
    return accuracy[(on_all & is_clean) | ((accuracy["selection"] == pair) & ~is_clean)]


def varying_channels(activation_tv: pd.DataFrame, *, clean: str, noisy: str) -> pd.DataFrame:
    """Channels that vary on both sets, one row each, with columns `clean` and `noisy`."""
    keys = ["model", "layer", "channel"]
    sides = [
        activation_tv[activation_tv["image_set"] == name][[*keys, "mean_tv"]].rename(
            columns={"mean_tv": side}
        )
        for side, name in (("clean", clean), ("noisy", noisy))
    ]
    both = sides[0].merge(sides[1], on=keys)
    # A silent channel has no place on a logarithmic axis.
    return both[(both["clean"] > 0) & (both["noisy"] > 0)]


def counts_at_cut(detectors: pd.DataFrame, cut: float) -> pd.DataFrame:
    """Channels by network (and control, where there are some) and category at one cut."""
    at_cut = detectors[detectors["iou_cut"] == cut]
    whole = at_cut[at_cut["layer"] == "all"]
    layers = at_cut[~at_cut["model"].isin(whole["model"])]
    both = pd.concat([whole, layers]) if len(layers) else whole
    keys = [name for name in ("model", "control", "category") if name in both]
    return both.groupby(keys, sort=False, as_index=False)["n_channels"].sum()


def paired_rows(
    table: pd.DataFrame | None, pairs: Pairs
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Rows of each pair's two networks, where a table has both."""
    for pair, sides in pairs.items() if table is not None else ():
        standard, robust = (table[table["model"] == sides[s]] for s in ("standard", "robust"))
        if len(standard) and len(robust):
            yield pair, standard, robust


def nonempty(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """A table that a study may lack; None also where nothing is in it."""
    return table if table is not None and len(table) else None


def percent_change(before: float, after: float) -> str:
    """How much larger a number is than another, in percent, for a sentence or a figure."""
    return f"{100 * (after / before - 1):+.0f} %".replace("-", "−") if before else "from none"
