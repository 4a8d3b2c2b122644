"""What happens around a run: checks before the first job, a summary of failures after the last."""

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
from planning.runs.trusted_results import READ_ONLY, unwritable_folder, verify_results
from planning.study.errors import StudyError
from planning.study.paths import check_files
from planning.study.read import read_study
from planning.study.values import check_values


def study_of(config: dict, configfiles: Iterable[str], *, main: bool) -> Study:
    """Read and check the study; end with one line if it has an error.

    Parameters
    ----------
    config
        Snakemake's configuration; it becomes that of the study.
    configfiles
        Files that it was read from.
    main
        Whether this is the process that plans the run, not a job.
    """
    files = [Path(file) for file in configfiles]
    try:
        study = read_study(config, whole=bool(files))
        # Emptied first: its keys would otherwise keep the order of the file.
        config.clear()
        config.update(study)
        check_files(config)
        if main:
            check_values(config, files)
    except StudyError as error:
        sys.exit(f"error in the study: {error}")
    return Study(config)


def versions_of(study: Study, *, main: bool) -> Mapping[str, str]:
    """Package versions recorded for the study; the main process also checks its results."""
    if main:
        if os.environ.get("SHAPEBIAS_RENEW"):
            record_versions(study.name, anew=True)
        for line in verify_results(study.name) + version_changes(study.name):
            print(f"note: {line}", file=sys.stderr)
        # Snakemake's own message names only the first file that it cannot write.
        if folder := unwritable_folder(study.name):
            print(f"note: {READ_ONLY.format(folder)}", file=sys.stderr)
    return recorded_versions(study.name)


def start(study: Study) -> None:
    """Stop a run that cannot write; record the package versions of the first run."""
    if folder := unwritable_folder(study.name):
        sys.exit(f"error: {READ_ONLY.format(folder)}")
    record_versions(study.name)
