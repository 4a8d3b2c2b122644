# Lookups that several rooms share: the study, its fingerprints of code, and where things are.

import os
import re
import sys
from pathlib import Path

from planning.fingerprints.files import DIGESTS
from planning.runs.failures import told
from planning.fingerprints.code import fingerprint, packages
from planning.jobs.level_families import curves
from planning.fingerprints.files import listing
from planning.fingerprints.package_versions import changes, note, noted
from planning.study.plugin_settings import settings_of
from planning.fingerprints.user_code import digest_of_module
from planning.networks.starts import plugins_of_network, starts_of, whole_architecture
from planning.study.errors import StudyError
from planning.study.paths import (
    check_files,
    download_folder,
    downloads_among,
    expand_folders,
    paths_among,
    plugin_settings,
)
from planning.study.read import read_study
from planning.runs.trusted_results import READ_ONLY, closed, finish, prepare
from planning.study.values import check_values
from shapebias.plugins import NESTED
from shapebias.io.checksums import record_path, recorded
from shapebias.weights.torchvision_names import LISTED

try:
    study = read_study(config, whole=bool(workflow.configfiles))
    # Emptied first: its keys would else keep the order of the file.
    config.clear()
    config.update(study)
    check_files(config)
    if workflow.is_main_process:
        check_values(config, list(map(Path, workflow.configfiles)))
except StudyError as error:
    sys.exit(f"error in the study: {error}")

# Jobs parse this as well, and find what the main process has prepared.
if workflow.is_main_process:
    if os.environ.get("SHAPEBIAS_RENEW"):
        note(config["name"], anew=True)
    for said in prepare(config["name"]) + changes(config["name"]):
        print(f"note: {said}", file=sys.stderr)
    # The engine's own words, where a file is to be made anew, name that file alone.
    if folder := closed(config["name"]):
        print(f"note: {READ_ONLY.format(folder)}", file=sys.stderr)
VERSIONS = noted(config["name"])


onstart:
    if folder := closed(config["name"]):
        sys.exit(f"error: {READ_ONLY.format(folder)}")
    note(config["name"])


onsuccess:
    finish(config["name"])


onerror:
    print(told(log), file=sys.stderr)
    finish(config["name"])


IMAGES = config["images"]
MODELS = list(config["models"])
PAIRS = config["pairs"]
MEASURED = config["measurements"]
SOURCES = [name for name, entry in IMAGES.items() if "kind" in entry]
ADVERSARIAL = [name for name, entry in IMAGES.items() if "attack" in entry]
UNSTORED = [
    name
    for name, entry in IMAGES.items()
    if "from" in entry and not entry["materialize"]
]
STORED = [name for name in IMAGES if name not in [*SOURCES, *ADVERSARIAL, *UNSTORED]]


def one_of(names):
    """Wildcard constraint: one of these names, or nothing at all where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def code_of(script, *plugins):
    """Fingerprint of what a job runs, with the study and seed that its outputs record.

    With it go the versions of the packages that it imports, as they are noted for the study.

    Each of `plugins` is a function of the wildcards that gives pairs of family and kind; the
    family `own` is that of a user's modules.
    """

    def code(wildcards):
        pairs = [pair for pairs in plugins for pair in pairs(wildcards)]
        own = [digest_of_module(kind) for family, kind in pairs if family == "own"]
        named = tuple(pair for pair in pairs if pair[0] != "own")
        return {
            "study": config["name"],
            "seed": config["seed"],
            "fingerprint": fingerprint(script, named),
            "packages": {
                name: VERSIONS.get(name, "absent") for name in packages(script, named)
            },
            **({"own_code": own} if own else {}),
        }

    return code


def entry(path, *, optional=False):
    """Function of the wildcards that gives one entry of the study; None where it may be absent.

    Snakemake's own `lookup` goes through the whole study each time.
    """

    def found(wildcards):
        place = config
        for step in path.format_map(dict(wildcards.items())).split("/"):
            place = place.get(step) if optional and place is not None else place[step]
        return place

    return found
