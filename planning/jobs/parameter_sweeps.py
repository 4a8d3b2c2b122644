"""Find image sets that one transform derives from one set at several levels of a setting."""

from typing import Any

# With fewer levels the report draws no curve.
MIN_LEVELS = 3


def parameter_sweeps(images: dict[str, dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Families of image sets whose transforms differ in one number.

    Parameters
    ----------
    images
        Entries of the study.
    names
        Image sets to group.

    Returns
    -------
    For each family of at least three levels `title` (the kinds in its transform), `setting` (the
    one that differs) and `levels` (image set to its level, in ascending order).
    """
    families: dict[tuple, dict[str, float]] = {}
    for name in dict.fromkeys(names):
        settings = _flatten(images[name].get("transform", {}))
        for place, level in settings.items():
            if isinstance(level, int | float) and not isinstance(level, bool):
                others = [(key, value) for key, value in settings.items() if key != place]
                # The outermost settings first.
                others.sort(key=lambda item: (len(item[0]), item[0]))
                family = (images[name]["from"], place, tuple(others))
                families.setdefault(family, {})[name] = level
    return [
        {
            "title": " ".join(str(value) for (*_, key), value in others if key == "kind"),
            "setting": place[-1],
            "levels": dict(sorted(levels.items(), key=lambda item: item[1])),
        }
        for (_, place, others), levels in families.items()
        if len(set(levels.values())) >= MIN_LEVELS
    ]


def _flatten(settings: dict[str, Any], *parents: str) -> dict[tuple[str, ...], Any]:
    """Settings of nested plug-ins by their path; values other than numbers become text."""
    flat: dict[tuple[str, ...], Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _flatten(value, *parents, key)
        else:
            flat[(*parents, key)] = value if isinstance(value, int | float) else str(value)
    return flat
