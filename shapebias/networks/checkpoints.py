"""Save and load networks, imported or trained: `weights.safetensors` with `model.json`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from shapebias.errors import ShapebiasError
from shapebias.io.atomic import atomic_write
from shapebias.io.checksums import sha256_of
from shapebias.networks.auxiliary_batch_norm import weights_with_norm
from shapebias.networks.classifier import Classifier
from shapebias.networks.normalisation import check_normalised_once
from shapebias.networks.skip_init import skip_weight_init
from shapebias.plugins import build
from shapebias.weights.match import match_state_dict

MAKE_AGAIN = "and train or import the network again"


def load_network(
    path_to_weights: str | Path,
    path_to_description: str | Path,
    *,
    architecture: Mapping[str, Any] | None = None,
    norm: str | None = None,
) -> Classifier:
    """Load a network that `save_network` wrote, on the CPU and in eval mode.

    Parameters
    ----------
    path_to_weights, path_to_description
        The two files.
    architecture
        Architecture that the description must have. It is required if loading calls a user's
        function, so that a file from elsewhere cannot choose what is called.
    norm
        "main" or "auxiliary", for a network that was trained with both batch norms; None for the
        one with which it was saved.

    Raises
    ------
    ShapebiasError
        If a file is missing or damaged, the weights do not belong to the description, or the
        description has another architecture.
    """
    description = _read_description(Path(path_to_description))
    _check_architecture(description["architecture"], architecture, path_to_description)
    _check_digest(Path(path_to_weights), description["sha256"])
    with skip_weight_init():
        model = build(
            "architectures",
            classes=description["classes"],
            input_size=description["input_size"],
            **description["architecture"],
        )
    _check_mean_and_std(model, description, path_to_description)
    weights = weights_with_norm(
        load_file(path_to_weights), norm or description.get("norm", "main"), str(path_to_weights)
    )
    model.network.load_state_dict(match_state_dict(model.network, weights, str(path_to_weights)))
    # Constants that a training has changed are learnt, as the statistics of a batch norm are.
    if "training" not in description["provenance"]:
        check_weights_normalise_once(model)
    return model.eval()


def check_weights_normalise_once(model: Classifier) -> None:
    """Raise `ShapebiasError` if a network's weights hold constants of a second normalisation."""
    check_normalised_once(model.network, *mean_and_std(model).values())


def save_network(
    model: Classifier,
    path_to_weights: str | Path,
    path_to_description: str | Path,
    *,
    architecture: dict[str, Any],
    provenance: dict[str, Any],
    norm: str = "main",
) -> None:
    """Save a network for `load_network`; equal networks give equal bytes.

    Parameters
    ----------
    model
        Network on any device, in any mode; it is not changed.
    path_to_weights
        Parameters and buffers under their published names, as safetensors.
    path_to_description
        JSON of everything else, with the SHA-256 of the weights.
    architecture
        Kind and settings from which the family `architectures` builds it, without classes and
        size.
    provenance
        Origin of the weights: the file that they were read from, or how they were trained.
    norm
        Batch norm with which the network is loaded, where it also holds an auxiliary one.
    """
    weights = {
        name: value.detach().cpu().contiguous()
        for name, value in sorted(model.network.state_dict().items())
    }
    with atomic_write(path_to_weights) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(weights, temporary)
        # safetensors lets nobody else read the file.
        temporary.chmod(mode)
    description = {
        "architecture": architecture,
        "input_size": model.input_size,
        **mean_and_std(model),
        "classes": list(model.classes),
        "layers": model.channels(),
        "norm": norm,
        "provenance": provenance,
        "sha256": sha256_of(path_to_weights),
    }
    with atomic_write(path_to_description) as temporary:
        temporary.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def mean_and_std(model: Classifier) -> dict[str, list[float]]:
    """Mean and standard deviation of pixels, to the digits of single precision."""
    return {
        name: [round(value, 6) for value in getattr(model, name).flatten().tolist()]
        for name in ("mean", "std")
    }


def _read_description(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ShapebiasError(f"{path} does not exist: train or import the network first") from error
    except ValueError as error:
        raise ShapebiasError(f"{path} is damaged ({error}): delete it, {MAKE_AGAIN}") from error


def _check_architecture(
    described: dict[str, Any], expected: Mapping[str, Any] | None, path: str | Path
) -> None:
    """Raise `ShapebiasError` if a description has another architecture or may not call its own."""
    if expected is None:
        if functions := list(_functions(described)):
            raise ShapebiasError(
                f"{path}: loading this network calls {functions[0]}: if you trust it, give "
                "`load_network` the keyword `architecture`"
            )
        return
    # An import adds the mean and std of published weights.
    added = {key: described[key] for key in ("mean", "std") if key in described}
    if described != {**added, **expected}:
        raise ShapebiasError(
            f"{path}: the network was saved with the architecture {described}, and the study has "
            f"{dict(expected)}: delete the file, {MAKE_AGAIN}"
        )


def _functions(architecture: dict[str, Any]) -> Iterator[str]:
    """Users' functions that build a network and the members of an ensemble."""
    if architecture["kind"] == "factory":
        yield architecture["function"]
    for member in architecture.get("members", []):
        yield from _functions(member)


def _check_digest(path: Path, expected: str) -> None:
    if not path.is_file():
        raise ShapebiasError(f"{path} does not exist: train or import the network first")
    if sha256_of(path) != expected:
        raise ShapebiasError(
            f"{path} differs from the file that its model.json describes (another SHA-256): "
            f"delete both, {MAKE_AGAIN}"
        )


def _check_mean_and_std(model: Classifier, description: dict[str, Any], path: str | Path) -> None:
    """Raise `ShapebiasError` unless a network normalises as it did when it was saved."""
    for name, values in mean_and_std(model).items():
        if values != description[name]:
            raise ShapebiasError(
                f"{path}: the network was saved with {name} {description[name]} and is now built "
                f"with {values}: delete the file, {MAKE_AGAIN}"
            )
