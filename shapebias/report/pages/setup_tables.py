"""A study's settings as tables for a reader: what was shown to which networks, and measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Beyond this many, a network's layers are counted and the first and last named.
NAMED_LAYERS = 8


@dataclass(frozen=True)
class SetupTable:
    """One part of the set-up: its heading, its columns, and a row an entry of the study."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def setup_tables(
    study: Mapping[str, Any], descriptions: Mapping[str, Mapping[str, Any]]
) -> list[SetupTable]:
    """Parts of a study's set-up that it has, in the order in which a reader needs them.

    Parameters
    ----------
    study
        The study's settings; parts that are absent or empty are left out.
    descriptions
        Network to its description as it was built: `input_size` in pixels, and `layers` (name to
        number of channels).
    """

    def get(key: str) -> Mapping[str, Any]:
        return study.get(key) or {}

    parts = [
        SetupTable(
            "Networks",
            ("name", "architecture", "images", "layers probed", "origin"),
            tuple(
                (name, *_network(entry, descriptions[name]))
                for name, entry in get("models").items()
            ),
        ),
        SetupTable(
            "Pairs",
            ("pair", "standard", "robust"),
            tuple((name, p["standard"], p["robust"]) for name, p in get("pairs").items()),
        ),
        SetupTable(
            "Image sets",
            ("name", "made from", "how"),
            tuple((name, *_image_set(entry)) for name, entry in get("images").items()),
        ),
        *(
            SetupTable(
                heading, ("name", "settings"), tuple((n, words(e)) for n, e in get(key).items())
            )
            for key, heading in (
                ("attacks", "Attacks"),
                ("concepts", "Concept sets"),
                ("segmenters", "Segmenters"),
            )
        ),
        SetupTable(
            "Measurements",
            ("measurement", "settings"),
            tuple((name.replace("_", " "), words(e)) for name, e in get("measurements").items()),
        ),
    ]
    return [part for part in parts if part.rows]


def words(value: Any) -> str:
    """A setting's value for a reader: a mapping's kind first, then its other keys."""
    if isinstance(value, Mapping):
        rest = [f"{key.replace('_', ' ')} {words(v)}" for key, v in value.items() if key != "kind"]
        settings = ", ".join(rest)
        if "kind" not in value:
            return settings or "–"
        return f"{value['kind']} ({settings})" if rest else str(value["kind"])
    if isinstance(value, list | tuple):
        return ", ".join(words(one) for one in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return str(value)


def _network(entry: Mapping[str, Any], description: Mapping[str, Any]) -> tuple[str, ...]:
    side = description["input_size"]
    built = (f"{side} × {side} pixels", _layers(list(description["layers"])))
    return words(entry.get("architecture", {})), *built, _origin(entry)


def _layers(names: list[str]) -> str:
    if len(names) > NAMED_LAYERS:
        return f"{len(names)}, from {names[0]} to {names[-1]}"
    return ", ".join(names) or "none"


def _origin(entry: Mapping[str, Any]) -> str:
    if "training" in entry:
        training = dict(entry["training"])
        images, recipe = training.pop("images", "?"), words(training.pop("recipe", {}))
        checked = f", validated on {training.pop('validation')}" if "validation" in training else ""
        return f"trained here on {images}{checked}, recipe {recipe}; {words(training)}"
    rest = {key: value for key, value in entry.items() if key != "architecture"}
    return f"imported: {words(rest)}"


def _image_set(entry: Mapping[str, Any]) -> tuple[str, str]:
    if "attack" in entry:
        return str(entry["from"]), f"attack {entry['attack']} on each network"
    if "from" in entry:
        return str(entry["from"]), words(entry.get("transform", {}))
    settings = {
        k: v for k, v in entry.items() if k not in ("parts", "materialize") and v is not None
    }
    return "source", words(settings)
