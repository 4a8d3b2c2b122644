"""Read the inputs of a figure: tables, kernels and example images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from shapebias.io.tables import read_table
from shapebias.plugins import library_module
from shapebias.report.table_rows import Pairs

Paths = Sequence[str | Path]


def figure_inputs(
    *,
    pairs: Pairs,
    tables: Mapping[str, str | Path],
    kernels: Paths,
    images: Paths,
    adversarial: Paths,
    stimuli: Mapping[str, Any],
) -> dict[str, Any]:
    """Keyword arguments of a figure's `draw`, except `pairs` and its settings.

    Parameters
    ----------
    pairs
        Pair to its `standard` and `robust` network.
    tables
        Public table's name to its file.
    kernels
        File with the first-layer kernels of each pair, in the order of `pairs`; empty if the
        figure needs none.
    images, adversarial
        First file of each image set shown, and the files of adversarial examples.
    stimuli
        `n`, `seed`, `sets` (name and transform of each image set) and `adversarial` (headings);
        empty if the figure shows no images.
    """
    inputs: dict[str, Any] = {name: read_table(path) for name, path in tables.items()}
    if kernels:
        inputs["kernels"] = {}
        for pair, path in zip(pairs.values(), kernels, strict=True):
            weights = load_file(path)
            inputs["kernels"] |= {pair[side]: weights[side] for side in ("standard", "robust")}
    if stimuli:
        sets = [
            (name, path, transform)
            for (name, transform), path in zip(stimuli["sets"], images, strict=True)
        ]
        examples = list(zip(stimuli["adversarial"], adversarial, strict=True))
        inputs["rows"] = library_module("stimuli.examples").example_rows(
            sets, examples, n=stimuli["n"], seed=stimuli["seed"]
        )
    return inputs
