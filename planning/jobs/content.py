"""Digests of the folders and files of the user that a job reads."""

from typing import Any

from planning.fingerprints.files import folder_digest
from planning.jobs.image_files import source_settings
from planning.jobs.study import Entry, Study
from planning.study.paths import downloads_among, paths_among
from shapebias.io.checksums import checksum_path


def folder_content(study: Study, entry: Entry) -> list[Any]:
    """Return digests of the folders that a source reads, without downloaded folders."""
    settings = source_settings(study, entry)
    return [
        folder_digest(settings[key])
        for key in paths_among("datasets", settings)
        if not downloads_among(entry[key], study.config["folders"])
    ]


def file_content(paths: str | list[str]) -> list[Any]:
    """Return digests of the user's files: Snakemake misses changed content with an older time."""
    paths = [paths] if isinstance(paths, str) else paths
    return [folder_digest(path) for path in paths if checksum_path(path) is None]
