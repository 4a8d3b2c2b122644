"""Image sets that one transform derives from one set, at several levels of one setting."""

from typing import Any

# Fewer points are no curve.
FEWEST = 3


def parameter_sweeps(images: dict[str, dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Families of sets whose transforms differ in one number.

    Parameters
    ----------
    images
        Entries of the study.
    names
        Image sets that are looked at.

    Returns
    -------
    For each family of three levels or more `title` (the kinds in its transform), `setting` (that
    differs) and `levels` (image set to its level, from the lowest).
    """
    found: dict[tuple, dict[str, float]] = {}
    for name in dict.fromkeys(names):
        transform = _leaves(images[name].get("transform", {}))
        for place, level in transform.items():
            if isinstance(level, int | float) and not isinstance(level, bool):
                rest = {key: value for key, value in transform.items() if key != place}
                # The outermost first.
                rest = sorted(rest.items(), key=lambda one: (len(one[0]), one[0]))
                family = (images[name]["from"], place, tuple(rest))
                found.setdefault(family, {})[name] = level
    return [
        {
            "title": " ".join(str(value) for (*_, key), value in rest if key == "kind"),
            "setting": place[-1],
            "levels": dict(sorted(levels.items(), key=lambda one: one[1])),
        }
        for (_, place, rest), levels in found.items()
        if len(set(levels.values())) >= FEWEST
    ]


def _leaves(settings: dict[str, Any], *above: str) -> dict[tuple[str, ...], Any]:
    """Settings by their place in a nest of plug-ins; what is no number as text."""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            found |= _leaves(value, *above, key)
        else:
            found[(*above, key)] = value if isinstance(value, int | float) else str(value)
    return found
