"""Expand and check the files and folders that a study names."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from planning.study.entries import RESERVED
from planning.study.errors import StudyError
from planning.study.plugin_settings import settings_of
from shapebias.errors import UnknownName
from shapebias.plugins import NESTED


def check_folders(study: dict[str, Any]) -> None:
    """Raise `StudyError` for an empty path, an unset variable, an unknown or unused folder."""
    for name, folder in study["folders"].items():
        if isinstance(folder, str) and "$" in os.path.expandvars(folder):
            raise StudyError(
                f"folders.{name}: {folder} is not set: export it, or pass "
                f"--config folders='{{{name}: /path/to/folder}}'"
            )
    used = set()
    for (family, entry), key, path in paths_of(study):
        where = f"{family}.{entry}.{key}"
        for name in re.findall(r"(?<!\$)\{(\w[\w.-]*)\}", path):
            used.add(name)
            if name not in study["folders"]:
                raise StudyError(f"{where}: {UnknownName('folder', name, study['folders'])}")
        if not path.strip():
            raise StudyError(f"{where} is empty; write the path of a file or folder")
        if "$" in os.path.expandvars(path):
            raise StudyError(f"{where}: {path} contains a variable that is not set: export it")
    for name in study["folders"]:
        if name not in used:
            raise StudyError(f"folders.{name} is not used in any path; correct or remove it")


def check_files(study: dict[str, Any]) -> None:
    """Raise `StudyError` for missing files and folders that a job has yet to read."""
    missing = []
    for (family, name), key, path in paths_of(study):
        where = f"{family}.{name}.{key}"
        place = Path(expand_folders(path, study["folders"]))
        if downloads_among(path, study["folders"]) or results_of(study, family, name).exists():
            continue
        if key == "weights.path" and place.is_dir():
            raise StudyError(f"{where}: {place} is a folder: name the file of weights in it")
        if not place.exists():
            missing.append((where, place, how_to_get(study[family][name].get("kind", ""))))
    if missing:
        where, place, advice = missing[0]
        more = ", ".join(dict.fromkeys(str(place) for _, place, _ in missing[1:]))
        raise StudyError(
            f"{where}: {place} does not exist; put it there or correct the path{advice}"
            + (f"; also missing: {more}" if more else "")
        )


def results_of(study: dict[str, Any], family: str, name: str) -> Path:
    """Folder of an entry's results; if it exists, the entry's files have been read."""
    return Path("results", study["name"], family, name)


def how_to_get(kind: str) -> str:
    """Say how to get the images of a kind of source; empty if not known."""
    # Imported here, as only this error needs it and every job parses the workflow.
    from shapebias.stimuli.dataset_downloads import ARCHIVES, ON_REQUEST

    if kind in ON_REQUEST:
        return f" (to get it, {ON_REQUEST[kind]})"
    if kind in ARCHIVES:
        return f" (or let the workflow download it: `folders: {{{kind}: {{download: {kind}}}}}`)"
    return ""


def paths_of(study: dict[str, Any]) -> Iterator[tuple[tuple[str, str], str, str]]:
    """Yield every path in a study: family and name of its entry, the key in it, and the path."""
    for name, entry in study["images"].items():
        if "kind" in entry:
            yield from _plugin_paths("images", name, "", "datasets", entry)
        if transform := entry.get("transform"):
            yield from _plugin_paths("images", name, "transform.", "transforms", transform)
            for key in [key for key in NESTED if key in transform]:
                where = f"transform.{key}."
                yield from _plugin_paths("images", name, where, NESTED[key], transform[key])
    for name, entry in study["concepts"].items():
        yield from _plugin_paths("concepts", name, "", "datasets", entry)
    for family in ("segmenters", "models"):
        for name, entry in study[family].items():
            if (path := entry.get("weights", {}).get("path")) is not None:
                yield (family, name), "weights.path", path


def _plugin_paths(
    family: str, name: str, where: str, plugins: str, entry: dict[str, Any]
) -> Iterator[tuple[tuple[str, str], str, str]]:
    """Yield the paths among the settings of one plug-in, as `paths_of` does."""
    for key in paths_among(plugins, entry):
        yield (family, name), f"{where}{key}", entry[key]


def plugin_settings(study: dict[str, Any], family: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Kind and settings of an entry's plug-in, with paths expanded, without the workflow's keys."""
    reserved = RESERVED.get(family, set()) - {"kind"}
    settings = {key: value for key, value in entry.items() if key not in reserved}
    for key in paths_among(family, settings):
        settings[key] = expand_folders(settings[key], study["folders"])
    return settings


def paths_among(family: str, entry: dict[str, Any]) -> list[str]:
    """Names of the settings of an entry's plug-in that are files or folders."""
    known = settings_of(family, entry["kind"])
    return [key for key in known if known[key].type == "FilePath" and entry.get(key) is not None]


def expand_folders(path: str, folders: dict[str, Any]) -> str:
    """Replace `{name}` in a path by the folder of that name, and expand $VARIABLES and `~`."""
    for name, folder in folders.items():
        place = folder if isinstance(folder, str) else f"{download_folder(folder)}/content"
        path = path.replace(f"{{{name}}}", place)
    return os.path.expanduser(os.path.expandvars(path))


def download_folder(folder: dict[str, Any]) -> str:
    """Folder of a downloaded image set, which all studies share."""
    archive = f".{folder['only'].partition('.')[0]}" if "only" in folder else ""
    return f"downloads/{folder['download']}{archive}"


def downloads_among(path: str, folders: dict[str, Any]) -> list[str]:
    """Folders of the downloads that a path names."""
    return [
        download_folder(folder)
        for name, folder in folders.items()
        if f"{{{name}}}" in path and not isinstance(folder, str)
    ]
