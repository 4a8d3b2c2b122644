"""Checks before a run, warnings while planning it, and records at its start."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from planning.fingerprints.package_versions import (
    record_versions,
    recorded_versions,
    version_changes,
)
from planning.jobs.study import Study
from planning.runs.trusted_results import (
    READ_ONLY,
    record_run,
    replaced_results,
    unwritable_folder,
)
from planning.study.errors import StudyError
from planning.study.paths import check_files
from planning.study.read import read_study
from planning.study.values import check_values


def study_of(config: dict, configfiles: Iterable[str], *, main: bool) -> Study:
    """Read and check the study; exit with a one-line error if it is invalid.

    Parameters
    ----------
    config
        Snakemake's configuration; it is replaced by the completed study.
    configfiles
        Files that it was read from.
    main
        Whether this is the process that plans the run, not a job.
    """
    files = [Path(file) for file in configfiles]
    try:
        study = read_study(config, whole=bool(files))
        # Cleared first, since existing keys would keep the order of the file.
        config.clear()
        config.update(study)
        check_files(config)
        if main:
            check_values(config, files)
    except StudyError as error:
        sys.exit(f"error in the study: {error}")
    return Study(config)


def versions_of(study: Study, *, main: bool) -> Mapping[str, str]:
    """Return the package versions recorded for the study; the main process prints warnings."""
    if main:
        if os.environ.get("SHAPEBIAS_RENEW"):
            record_versions(study.name, renew=True)
        warnings = replaced_results(study.name) + version_changes(study.name)
        # Snakemake's own message names only the first file that it cannot write.
        if folder := unwritable_folder(study.name):
            warnings.append(READ_ONLY.format(folder))
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
    return recorded_versions(study.name)


def start(study: Study) -> None:
    """Exit if the results cannot be written; else record the run and its package versions."""
    if folder := unwritable_folder(study.name):
        sys.exit(f"error: {READ_ONLY.format(folder)}")
    record_versions(study.name)
    record_run(study.name)
