"""Files and folders that a study names: which they are, and that they are there."""

import os
import re
from pathlib import Path
from typing import Any

from planning.study.entries import RESERVED
from planning.study.errors import StudyError
from planning.study.plugin_settings import settings_of
from shapebias.errors import UnknownName
from shapebias.plugins import NESTED


def check_folders(study: dict[str, Any]) -> None:
    """Raise `StudyError` where a path names a folder or variable that is not there, or no path."""
    for name, folder in study["folders"].items():
        if isinstance(folder, str) and "$" in os.path.expandvars(folder):
            raise StudyError(
                f"folders.{name}: {folder} is not set: export it, "
                f"or give --config folders='{{{name}: /path/to/folder}}'"
            )
    named = set()
    for where, path in paths_of(study):
        for name in re.findall(r"(?<!\$)\{(\w[\w.-]*)\}", path):
            named.add(name)
            if name not in study["folders"]:
                raise StudyError(f"{where}: {UnknownName('folder', name, study['folders'])}")
        if not path.strip():
            raise StudyError(f"{where} is empty; write the path of a file or folder")
        if "$" in os.path.expandvars(path):
            raise StudyError(f"{where}: {path} holds a variable that is not set: export it")
    for name in study["folders"]:
        if name not in named:
            raise StudyError(f"folders.{name} is in no path of the study; remove or correct it")


def check_files(study: dict[str, Any]) -> None:
    """Raise `StudyError` where files or folders are missing that have not been read yet."""
    missing = []
    for where, path in paths_of(study):
        family, name = where.split(".")[:2]
        place = Path(expand_folders(path, study["folders"]))
        if downloads_among(path, study["folders"]) or results_of(study, family, name).exists():
            continue
        if where.endswith("weights.path") and place.is_dir():
            raise StudyError(f"{where}: {place} is a folder: name the file with the weights in it")
        if not place.exists():
            missing.append((where, place, how_to_get(study[family][name].get("kind", ""))))
    if missing:
        where, place, advice = missing[0]
        more = ", ".join(dict.fromkeys(str(place) for _, place, _ in missing[1:]))
        raise StudyError(
            f"{where}: {place} does not exist; put it there or correct the path{advice}"
            + (f"; missing as well: {more}" if more else "")
        )


def results_of(study: dict[str, Any], family: str, name: str) -> Path:
    """Folder of what an entry is made into; where it is there, the entry has been read."""
    return Path("results", study["name"], family, name)


def how_to_get(kind: str) -> str:
    """Where the images of a kind of source come from, for a message."""
    # Not read by each job that parses the workflow.
    from shapebias.stimuli.dataset_downloads import ARCHIVES, ON_REQUEST

    if kind in ON_REQUEST:
        return f" (to get it, {ON_REQUEST[kind]})"
    if kind in ARCHIVES:
        return f" (or have it brought: `folders: {{{kind}: {{download: {kind}}}}}`)"
    return ""


def paths_of(study: dict[str, Any]) -> list[tuple[str, str]]:
    """Place and text of every path in a study."""
    holders = []
    for name, entry in study["images"].items():
        if "kind" in entry:
            holders.append((f"images.{name}", "datasets", entry))
        if transform := entry.get("transform"):
            holders.append((f"images.{name}.transform", "transforms", transform))
            holders += [
                (f"images.{name}.transform.{key}", NESTED[key], transform[key])
                for key in NESTED
                if key in transform
            ]
    for name, entry in study["concepts"].items():
        holders.append((f"concepts.{name}", "datasets", entry))
    found = [
        (f"{where}.{key}", entry[key])
        for where, family, entry in holders
        for key in paths_among(family, entry)
    ]
    for family in ("segmenters", "models"):
        for name, entry in study[family].items():
            if (path := entry.get("weights", {}).get("path")) is not None:
                found.append((f"{family}.{name}.weights.path", path))
    return found


def plugin_settings(study: dict[str, Any], family: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Kind and settings of an entry's plug-in: no keys of the workflow's own, paths written out."""
    reserved = RESERVED.get(family, set()) - {"kind"}
    settings = {key: value for key, value in entry.items() if key not in reserved}
    for key in paths_among(family, settings):
        settings[key] = expand_folders(settings[key], study["folders"])
    return settings


def paths_among(family: str, entry: dict[str, Any]) -> list[str]:
    """Settings of an entry's plug-in that name a file or folder."""
    known = settings_of(family, entry["kind"])
    return [key for key in known if known[key].type == "FilePath" and entry.get(key) is not None]


def expand_folders(path: str, folders: dict[str, Any]) -> str:
    """A path with `{name}` replaced by the folder of that name, and $VARIABLES by theirs."""
    for name, folder in folders.items():
        place = folder if isinstance(folder, str) else f"{download_folder(folder)}/content"
        path = path.replace(f"{{{name}}}", place)
    return os.path.expanduser(os.path.expandvars(path))


def download_folder(folder: dict[str, Any]) -> str:
    """Where a downloaded image set lies, the same for every study."""
    archive = f".{folder['only'].partition('.')[0]}" if "only" in folder else ""
    return f"downloads/{folder['download']}{archive}"


def downloads_among(path: str, folders: dict[str, Any]) -> list[str]:
    """Downloads that a path names."""
    return [
        download_folder(folder)
        for name, folder in folders.items()
        if f"{{{name}}}" in path and not isinstance(folder, str)
    ]
