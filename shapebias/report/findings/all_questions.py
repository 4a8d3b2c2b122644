"""What a study finds: its tables' answers to the questions about shape and simplicity biases."""

from collections.abc import Mapping

import pandas as pd

from shapebias.report.findings.behaviour import distorted_images, shape_biases
from shapebias.report.findings.smoothness import activations, first_layers, kernels
from shapebias.report.findings.units import ablations, beyond_chance, categories, diversities
from shapebias.report.findings.verdicts import Finding

Tables = Mapping[str, pd.DataFrame]
Pairs = Mapping[str, Mapping[str, str]]


def findings(
    tables: Tables,
    pairs: Pairs,
    *,
    clean: str | None = None,
    noisy: str | None = None,
    plain: str | None = None,
    kinds: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Questions in the order of a study, each with its answer.

    Parameters
    ----------
    tables
        Public tables by name; one that is missing or empty was not measured.
    pairs
        Pair to its `standard` and `robust` network.
    clean
        Clean image set of the accuracies.
    noisy
        Noisy image set of the activations' smoothness.
    plain
        Clean image set of the activations' smoothness; `clean` where it is not given.
    kinds
        Image set to the kind of its transform, or "attack".

    Returns
    -------
    Findings; `answers` are sentences, one a pair or network, and `verdict` is "yes", "no" (the
    opposite holds), "mixed", "unclear" (no difference can be told), "no pair", "described" or
    "not measured".
    """
    return [
        shape_biases(tables, pairs),
        *distorted_images(tables, pairs, clean=clean, kinds=kinds or {}),
        kernels(tables, pairs),
        first_layers(tables, pairs),
        activations(tables, pairs, clean=plain or clean, noisy=noisy),
        categories(tables, pairs),
        diversities(tables, pairs),
        *([beyond_chance(tables, pairs)] if "dissection_controls" in tables else []),
        ablations(tables, pairs),
    ]
