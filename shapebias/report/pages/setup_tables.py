"""Settings of a study as tables: networks, image sets, attacks and measurements."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# A network with more layers shows their number, and the first and last name.
MAX_NAMED_LAYERS = 8


@dataclass(frozen=True)
class SetupTable:
    """Part of the set-up: its heading, its columns, and one row for each entry of the study."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def setup_tables(
    study: Mapping[str, Any], descriptions: Mapping[str, Mapping[str, Any]]
) -> list[SetupTable]:
    """Tables of a study's set-up, one for each part that the study has.

    Parameters
    ----------
    study
        Settings of the study; parts that are absent or empty are left out.
    descriptions
        Network to the description of the built network: `input_size` in pixels, and `layers`
        (name to number of channels).
    """

    def entries(key: str) -> Iterable[tuple[str, Any]]:
        return (study.get(key) or {}).items()

    parts = [
        SetupTable(
            "Networks",
            ("name", "architecture", "images", "layers probed", "origin"),
            tuple(
                (name, *_network(entry, descriptions[name])) for name, entry in entries("models")
            ),
        ),
        SetupTable(
            "Pairs",
            ("pair", "standard", "robust"),
            tuple((name, p["standard"], p["robust"]) for name, p in entries("pairs")),
        ),
        SetupTable(
            "Image sets",
            ("name", "made from", "how"),
            tuple((name, *_image_set(entry)) for name, entry in entries("images")),
        ),
        *(
            SetupTable(heading, ("name", "settings"), tuple((n, words(e)) for n, e in entries(key)))
            for key, heading in (
                ("attacks", "Attacks"),
                ("concepts", "Concept sets"),
                ("segmenters", "Segmenters"),
            )
        ),
        SetupTable(
            "Measurements",
            ("measurement", "settings"),
            tuple((name.replace("_", " "), words(e)) for name, e in entries("measurements")),
        ),
    ]
    return [part for part in parts if part.rows]


def words(value: Any) -> str:
    """Value of a setting as text: the kind of a plug-in first, then its other settings.

    Examples
    --------
    >>> words({"kind": "pgd", "norm": "l2", "random_start": True})
    'pgd (norm l2, random start yes)'
    """
    if isinstance(value, Mapping):
        settings = ", ".join(
            f"{key.replace('_', ' ')} {words(v)}" for key, v in value.items() if key != "kind"
        )
        if "kind" not in value:
            return settings or "–"
        return f"{value['kind']} ({settings})" if settings else str(value["kind"])
    if isinstance(value, list | tuple):
        return ", ".join(words(item) for item in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return str(value)


def _network(entry: Mapping[str, Any], description: Mapping[str, Any]) -> tuple[str, ...]:
    side, layers = description["input_size"], list(description["layers"])
    named = ", ".join(layers) or "none"
    if len(layers) > MAX_NAMED_LAYERS:
        named = f"{len(layers)}, from {layers[0]} to {layers[-1]}"
    architecture = words(entry.get("architecture", {}))
    return architecture, f"{side} × {side} pixels", named, _origin(entry)


def _origin(entry: Mapping[str, Any]) -> str:
    if "training" in entry:
        training = dict(entry["training"])
        images, recipe = training.pop("images", "?"), words(training.pop("recipe", {}))
        validated = ""
        if "validation" in training:
            validated = f", validated on {training.pop('validation')}"
        return f"trained here on {images}{validated}, recipe {recipe}; {words(training)}"
    return f"imported: {words({k: v for k, v in entry.items() if k != 'architecture'})}"


def _image_set(entry: Mapping[str, Any]) -> tuple[str, str]:
    if "attack" in entry:
        return str(entry["from"]), f"attack {entry['attack']} on each network"
    if "from" in entry:
        return str(entry["from"]), words(entry.get("transform", {}))
    settings = {
        k: v for k, v in entry.items() if k not in ("parts", "materialize") and v is not None
    }
    return "source", words(settings)
