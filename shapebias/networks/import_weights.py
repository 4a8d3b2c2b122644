"""Import published weights: read, strip, align and match them, and save the network."""

from pathlib import Path
from typing import Any

from shapebias.errors import ShapebiasError
from shapebias.io.checksums import sha256_of
from shapebias.networks.auxiliary_batch_norm import weights_with_norm
from shapebias.networks.build import build_network, setting_of
from shapebias.networks.checkpoints import (
    check_weights_normalise_once,
    mean_and_std,
    save_network,
)
from shapebias.networks.classifier import Classifier
from shapebias.networks.normalisation import combined_normalisation, rounded
from shapebias.networks.optional_packages import file_in_package
from shapebias.networks.skip_init import skip_weight_init
from shapebias.weights.align import align_to_network
from shapebias.weights.match import match_state_dict
from shapebias.weights.read import read_weights

# Largest difference between a mean or std of a file and of a study that count as equal.
TOLERANCE = 1e-4


def import_network(
    path: str | Path | None,
    path_to_weights: str | Path,
    path_to_description: str | Path,
    *,
    architecture: dict[str, Any],
    classes: list[str],
    input_size: int | None,
    source: dict[str, Any],
) -> None:
    """Save a network with published weights as `save_network` does.

    Parameters
    ----------
    path
        Checkpoint file; None where `source` names the Python package that ships it.
    path_to_weights, path_to_description
        The two files that are written.
    architecture, classes, input_size
        Settings of the network; the architecture's own size of images where None.
    source
        Entry `weights` of the study: `package` and `file`, and the `norm` of AdvProp networks.
    """
    with skip_weight_init():
        model = build_network(architecture, classes, input_size)
    path = path or file_in_package(source["package"], source["file"])
    provenance = load_weights(model, path, norm=source.get("norm", "main"))
    print("\n".join(_assumptions(model, architecture)))
    save_network(
        model,
        path_to_weights,
        path_to_description,
        architecture=architecture,
        provenance=provenance | ({"name": source["name"]} if "name" in source else {}),
    )


def load_weights(model: Classifier, path: str | Path, *, norm: str = "main") -> dict[str, Any]:
    """Load published weights into a network that was built for them.

    Parameters
    ----------
    model
        Network with the architecture and number of classes of the file.
    path
        A `.safetensors` file, or a `.pth`, `.pt` or `.bin` file of torch's.
    norm
        "main" or "auxiliary" batch norms, of a file that holds both.

    Returns
    -------
    Their origin: the file's name, its SHA-256, the batch norm, and the entries that the network
    does not need.

    Raises
    ------
    ShapebiasError
        If the file is missing or damaged, would run code when opened, belongs to another network,
        or to one that was trained on pixels normalised with another mean or std.
    """
    path = Path(path)
    aligned, constants = align_to_network(model.network, read_weights(path))
    aligned = weights_with_norm(aligned, norm, str(path))
    weights = match_state_dict(model.network, aligned, str(path))
    model.network.load_state_dict(weights, strict=False)
    # Last, as the weights may include constants of the network's own normalisation.
    _check_constants(model, constants, path)
    check_weights_normalise_once(model)
    return {
        "file": path.name,
        "sha256": sha256_of(path),
        "norm": norm,
        "not_needed": sorted(aligned.keys() - weights.keys()),
    }


def _check_constants(model: Classifier, constants: dict[str, list[float]], path: Path) -> None:
    """Raise `ShapebiasError` unless the network normalises with the constants in the file."""
    mean, std = combined_normalisation(model.network, *mean_and_std(model).values())
    settings = {"mean": mean, "std": std}
    for name, values in constants.items():
        pairs = zip(settings[name], values, strict=True)
        if any(abs(setting - value) > TOLERANCE for setting, value in pairs):
            raise ShapebiasError(
                f"{path} was trained with {name} {rounded(values)} of the pixels, and the "
                f"architecture is set to {rounded(settings[name])}: set its `{name}` to that of "
                "the file"
            )


def _assumptions(model: Classifier, architecture: dict[str, Any]) -> list[str]:
    """Normalisation of pixels, and assumptions that the weight file cannot confirm."""
    mean, std = combined_normalisation(model.network, *mean_and_std(model).values())
    normalised = f"pixels are normalised with mean {rounded(mean)} and std {rounded(std)}"
    if "mean" in architecture and "std" in architecture:
        lines = [normalised]
    else:
        lines = [f"assumed: {normalised}; set `mean` and `std` to change this"]
    setting = setting_of(architecture, "stem")
    if setting is not None:
        stem = architecture.get("stem", setting.default)
        lines.append(
            f"assumed: the network was trained with `stem: {stem}`; weights of stems that differ "
            "only in their strides have the same shapes, and give poor scores in one another"
        )
    return lines
