"""Networks on disk: `weights.safetensors` with `model.json`, alike whether imported or trained."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from shapebias.errors import ShapebiasError
from shapebias.io.atomic import atomic_write
from shapebias.io.checksums import sha256_of
from shapebias.networks.auxiliary_batch_norm import weights_with_norm
from shapebias.networks.build import build_network, setting_of
from shapebias.networks.classifier import Classifier
from shapebias.networks.normalisation import check_normalised_once, mean_and_std_together
from shapebias.networks.optional_packages import file_in_package
from shapebias.networks.skip_init import SkipWeightInit
from shapebias.plugins import build
from shapebias.weights.fit import match_state_dict
from shapebias.weights.read import read_weights
from shapebias.weights.timm_names import remap_to_timm
from shapebias.weights.unwrap import align_to_network


def load_network(
    path_to_weights: str | Path, path_to_description: str | Path, *, norm: str | None = None
) -> Classifier:
    """Network that `save_network` wrote, on the CPU and in eval mode.

    Parameters
    ----------
    path_to_weights, path_to_description
        The two files.
    norm
        "main" or "auxiliary", for a network that was trained with both batch norms; None is the
        one that it was saved for.

    Raises
    ------
    ShapebiasError
        If a file is missing or damaged, or the weights are not those of the description.
    """
    description = _read_description(Path(path_to_description))
    _check_digest(Path(path_to_weights), description["sha256"])
    with SkipWeightInit():
        model = build(
            "architectures",
            classes=description["classes"],
            input_size=description["input_size"],
            **description["architecture"],
        )
    _check_pixels(model, description, path_to_description)
    held = weights_with_norm(
        load_file(path_to_weights), norm or description.get("norm", "main"), str(path_to_weights)
    )
    model.network.load_state_dict(match_state_dict(model.network, held, str(path_to_weights)))
    # What a training has found of its pixels is learnt, as the statistics of a batch norm are.
    if "training" not in description["provenance"]:
        check_weights_normalise_once(model)
    return model.eval()


def check_weights_normalise_once(model: Classifier) -> None:
    """Raise `ShapebiasError` where a network normalises by constants that came with its weights."""
    mean, std = _pixels(model).values()
    check_normalised_once(model.network, mean, std, model.input_size)


def save_network(
    model: Classifier,
    path_to_weights: str | Path,
    path_to_description: str | Path,
    *,
    architecture: dict[str, Any],
    provenance: dict[str, Any],
    norm: str = "main",
) -> None:
    """Write a network so that `load_network` gives it back; the same network gives the same bytes.

    Parameters
    ----------
    model
        Network on any device, in any mode; it is left as it is.
    path_to_weights
        Parameters and buffers under their published names, as safetensors.
    path_to_description
        JSON of everything else, with the SHA-256 of the weights.
    architecture
        Kind and settings from which the family `models` builds it, without classes and size.
    provenance
        Where the weights come from: the file that they were read from, or how they were trained.
    norm
        Batch norm with which the network is loaded, where it holds an auxiliary one as well.
    """
    weights = {
        name: value.detach().cpu().contiguous()
        for name, value in sorted(model.network.state_dict().items())
    }
    with atomic_write(path_to_weights) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(weights, temporary)
        # It takes the right to read away from everybody else.
        temporary.chmod(mode)
    description = {
        "architecture": architecture,
        "input_size": model.input_size,
        **_pixels(model),
        "classes": list(model.classes),
        "layers": model.channels(),
        "norm": norm,
        "provenance": provenance,
        "sha256": sha256_of(path_to_weights),
    }
    with atomic_write(path_to_description) as temporary:
        temporary.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


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
    """Write a network with published weights as `save_network` does.

    Parameters
    ----------
    path
        Checkpoint file; None where `source` names the Python package that ships it.
    path_to_weights, path_to_description
        The two files that are written.
    architecture, classes, input_size
        What the network is built from; its own size of images where None.
    source
        Entry `weights` of the study: `package` and `file`, and the `norm` of AdvProp's networks.
    """
    with SkipWeightInit():
        network = build_network(architecture, classes, input_size)
    path = path or package_file(source["package"], source["file"])
    provenance = load_weights(network, path, norm=source.get("norm", "main"))
    print("\n".join(_assumed(network, architecture)))
    save_network(
        network,
        path_to_weights,
        path_to_description,
        architecture=architecture,
        provenance=provenance | ({"name": source["name"]} if "name" in source else {}),
    )


def _assumed(network: Classifier, architecture: dict[str, Any]) -> list[str]:
    """What an import takes for granted, as weights alone do not tell it."""
    mean, std = _pixels(network).values()
    said = [f"assumed: pixels less the mean {mean}, over the std {std}; `mean`, `std` change that"]
    setting = setting_of(architecture, "stem")
    if setting is not None:
        stem = architecture.get("stem", setting.default)
        said.append(
            f"assumed: a network that was trained with `stem: {stem}`; weights of stems that differ"
            " in their strides alone have the same shapes, and give poor scores in one another"
        )
    return said


def load_weights(model: Classifier, path: str | Path, *, norm: str = "main") -> dict[str, Any]:
    """Put published weights into a network that was built for them.

    Parameters
    ----------
    model
        Network whose architecture and number of classes are those of the file.
    path
        A `.safetensors` file, or a `.pth`, `.pt`, `.bin` file of torch's.
    norm
        "main" or "auxiliary" batch norms, of a file that holds both.

    Returns
    -------
    Where they come from: the file's name, its SHA-256, the batch norm, and the entries that were
    not needed.

    Raises
    ------
    ShapebiasError
        If the file is missing, damaged, needs code to be opened, is of another network, or of one
        that was trained on pixels normalised otherwise.
    """
    path = Path(path)
    found, normalisation = align_to_network(model.network, read_weights(path))
    found = weights_with_norm(remap_to_timm(model.network, found), norm, str(path))
    weights = match_state_dict(model.network, found, str(path))
    model.network.load_state_dict(weights, strict=False)
    # Last, as constants of a network's own may be among the weights.
    _check_normalisation(model, normalisation, path)
    check_weights_normalise_once(model)
    return {
        "file": path.name,
        "sha256": sha256_of(path),
        "norm": norm,
        "not_needed": sorted(found.keys() - weights.keys()),
    }


def package_file(package: str, pattern: str) -> Path:
    """Weights that an installed Python package ships; see `file_in_package`."""
    return file_in_package(package, pattern)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ShapebiasError(f"{path} does not exist: train or import the network first") from error
    except ValueError as error:
        raise ShapebiasError(f"{path} is damaged ({error}); delete it and make it anew") from error


def _check_digest(path: Path, expected: str) -> None:
    if not path.is_file():
        raise ShapebiasError(f"{path} does not exist: train or import the network first")
    if sha256_of(path) != expected:
        raise ShapebiasError(
            f"{path} is not the file that its model.json describes (its SHA-256 differs); "
            "delete both and make the network anew"
        )


def _check_pixels(model: Classifier, description: dict[str, Any], path: str | Path) -> None:
    """A network must never meet pixels on another scale than the one that it was made for."""
    for name, values in _pixels(model).items():
        if values != description[name]:
            raise ShapebiasError(
                f"{path}: the network was made with {name} {description[name]}, but is now built "
                f"with {values}; delete it and make it anew"
            )


def _check_normalisation(model: Classifier, found: dict[str, list[float]], path: Path) -> None:
    """The network normalises once, and as the file says that it was trained."""
    if not found:
        return
    mean, std = mean_and_std_together(model.network, *_pixels(model).values(), model.input_size)
    for name, values in found.items():
        own = mean if name == "mean" else std
        if not all(abs(one - other) <= 1e-4 for one, other in zip(own, values, strict=True)):
            raise ShapebiasError(
                f"{path} was trained with {name} {[round(value, 4) for value in values]} of the "
                f"pixels, and the architecture is set to {[round(value, 4) for value in own]}: "
                f"give it that {name}"
            )


def _pixels(model: Classifier) -> dict[str, list[float]]:
    """Mean and standard deviation of pixels, to the digits that single precision holds."""
    return {
        name: [round(value, 6) for value in getattr(model, name).flatten().tolist()]
        for name in ("mean", "std")
    }
