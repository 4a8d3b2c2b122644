"""Before a run: what of the results is trusted. After it: what the next run will ask for.

The workflow engine's records on each output (settings, code, inputs) lie in `.snakemake` and are
copied to the results, so that these can be cloned or moved without running again.
"""

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from snakemake.persistence import MetadataRecord
from snakemake.persistence.file import FilePersistence

from planning.fingerprints.files import FILE_DIGESTS
from shapebias.io.checksums import FOLDER, RESULTS, recorded_checksum

# Outputs that were found damaged, a line each.
MARKED = Path(".snakemake", "damaged")
READ_ONLY = "{} is read-only for you: make it writable, or run a copy"


def verify_results(study: str) -> list[str]:
    """Bring the engine's records up to the results; returns what a person should know."""
    engine = FilePersistence(nolock=True)
    restore(study, engine)
    marked = still_damaged(engine)
    found = [
        path for path in outputs(study) if not is_incomplete(path, engine) and not is_intact(path)
    ]
    for path in found:
        # The engine then makes it anew, and what follows from it.
        engine._mark_incomplete(path, None)
    if marked or found or MARKED.exists():
        MARKED.write_text("".join(f"{path}\n" for path in marked + found), encoding="utf-8")
    FILE_DIGESTS.save()
    return [
        f"{path} is not what its job wrote (damaged, or changed by hand): it is made anew"
        for path in marked + found
        if Path(path).is_relative_to(Path(RESULTS, study))
    ]


def unwritable_folder(study: str) -> str:
    """A folder in which a run would have to write and cannot, or nothing."""
    top = Path(RESULTS, study)
    there = next(path for path in (top, *top.absolute().parents) if path.is_dir())
    below = (Path(folder) for folder, *_ in os.walk(top))
    for folder in (Path(".snakemake"), there, *below):
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            return str(folder)
    return ""


def save_metadata(study: str) -> None:
    """Copy the engine's records to the results, and remember how the outputs look now."""
    engine = FilePersistence(nolock=True)
    records = {}
    for path in outputs(study):
        record = engine._read_record(path)
        if record and not is_incomplete(path, engine) and is_intact(path):
            records[path] = [FILE_DIGESTS.of(path), dict(record.items())]
    lines = "".join(json.dumps([path, *known]) + "\n" for path, known in records.items())
    file = metadata_archive(study)
    temporary = file.with_name(f".{file.name}")
    try:
        if records:
            temporary.write_bytes(gzip.compress(lines.encode(), mtime=0))
            temporary.replace(file)
            _restored(study).write_text(FILE_DIGESTS.of(file))
        FILE_DIGESTS.save()
    except OSError as error:
        # A full disk, of which the jobs have told already.
        temporary.unlink(missing_ok=True)
        print(f"note: {file} could not be written ({error.strerror})", file=sys.stderr)


def restore(study: str, engine: FilePersistence) -> None:
    """Give the engine its records on outputs that came from elsewhere, as by `git clone`.

    Where it has records already, those may be on other outputs that stood there: the copies count
    for the content that they were noted with.
    """
    file, given = metadata_archive(study), _restored(study)
    if not file.is_file() or (given.is_file() and given.read_text() == FILE_DIGESTS.of(file)):
        return
    try:
        lines = gzip.decompress(file.read_bytes()).decode().splitlines()
        records = [(path, digest, record) for path, digest, record in map(json.loads, lines)]
    except (OSError, EOFError, ValueError):
        print(f"note: {file} is damaged and not used; the next run writes it anew", file=sys.stderr)
        return
    for path, digest, record in records:
        if Path(path).is_file() and FILE_DIGESTS.of(path) == digest:
            engine._write_record(path, MetadataRecord.model_validate(record))
    given.parent.mkdir(exist_ok=True)
    given.write_text(FILE_DIGESTS.of(file))


def _restored(study: str) -> Path:
    """File with the SHA-256 of the copies that the engine has."""
    return Path(".snakemake", f"restored-{study}")


def still_damaged(engine: FilePersistence) -> list[str]:
    """Outputs that were marked as damaged and not made anew; those put back are trusted again."""
    if not MARKED.is_file():
        return []
    marked = MARKED.read_text(encoding="utf-8").splitlines()
    left = [path for path in marked if is_incomplete(path, engine)]
    mended = [path for path in left if Path(path).is_file() and is_intact(path)]
    for path in mended:
        engine._unmark_incomplete(path)
    return [path for path in left if path not in mended]


def outputs(study: str) -> Iterator[str]:
    """Outputs of a study that are there and were recorded by their jobs."""
    top = Path(RESULTS, study, FOLDER, "sha256")
    for record in sorted(top.rglob("*.sha256")):
        path = Path(RESULTS, study, record.relative_to(top)).with_suffix("")
        if path.is_file():
            yield path.as_posix()


def is_intact(path: str) -> bool:
    """Whether an output has the content that its job recorded."""
    return FILE_DIGESTS.of(path) == recorded_checksum(path)


def is_incomplete(path: str, engine: FilePersistence) -> bool:
    """Whether a job that makes an output runs now, or was killed."""
    return Path(engine._record_path(engine._incomplete_path, path)).exists()


def metadata_archive(study: str) -> Path:
    """File with the engine's records, among the results."""
    return Path(RESULTS, study, FOLDER, "engine.jsonl.gz")
