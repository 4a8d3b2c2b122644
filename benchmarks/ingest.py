"""Memory of ingest against the number of images: it must not grow with it.

Small images are made, 20,000 and 200,000 of them, as files in class folders and as Parquet shards;
each set is ingested in a process of its own, whose peak memory is what counts.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import harness

COUNTS = (20_000, 200_000)
KINDS = ("imagefolder", "hf_parquet")
CLASSES = 100
# What a job may take at any size, and what ten times as many names may add to it.
MOST_MEBIBYTES = 1000
MOST_GROWTH = 1.25


def run(name: str) -> None:
    """Print one line a case: images a second, peak memory, and its growth; write them as well."""
    rows = []
    for kind in KINDS:
        first = None
        for count in COUNTS:
            case = measured(kind, count)
            first = first or case["mebibytes"]
            growth = case["mebibytes"] / first
            ok = case["mebibytes"] < MOST_MEBIBYTES and growth < MOST_GROWTH
            rows.append(
                {"name": name, "case": f"{kind} {count}", **case, "growth": growth, "ok": ok}
            )
            print(
                f"{name}  {kind} of {count}  {case['rate']:.0f} images/s  "
                f"peak {case['mebibytes']:.0f} MiB  x{growth:.2f}  "
                f"bar <{MOST_MEBIBYTES} MiB and <x{MOST_GROWTH}  {'ok' if ok else 'short'}",
                flush=True,
            )
    harness.write(name, rows)


def measured(kind: str, count: int) -> dict[str, float]:
    """Images a second and peak memory of a process that ingests so many images."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "source"
        MAKERS[kind](folder, count)
        command = [sys.executable, __file__, kind, str(folder), f"{name}/set.parquet"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        case = json.loads(done.stdout.splitlines()[-1])
    if case["stored"] != count:
        raise SystemExit(f"{kind}: {case['stored']} of {count} images were stored")
    return case


def ingested(kind: str, folder: str, file: str) -> dict[str, float]:
    """Ingest a set, as one part, in this process."""
    from shapebias.io.image_sets import ResizeCrop
    from shapebias.plugins import build
    from shapebias.stimuli.ingest import ingest_images

    source = build("datasets", kind=kind, path=folder)
    start = time.perf_counter()
    stored, _ = ingest_images(source, file, part=0, parts=1, sizing=ResizeCrop())
    seconds = time.perf_counter() - start
    # ASSUME Linux, where the peak is given in KiB.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"stored": stored, "rate": stored / seconds, "mebibytes": peak}


def small_images(count: int) -> list[bytes]:
    """A few different small PNG files, from which a set of any size is made."""
    from shapebias.io.image_codec import encode_png

    pixels = np.random.default_rng(0).integers(0, 256, (min(count, 1000), 16, 16, 3), np.uint8)
    return [encode_png(one) for one in pixels]


def make_folders(folder: Path, count: int) -> None:
    """Files in class folders, their names as long as ImageNet's."""
    images = small_images(count)
    for label in range(CLASSES):
        (folder / f"n{label:08d}").mkdir(parents=True)
    for number in range(count):
        synset = f"n{number % CLASSES:08d}"
        path = folder / synset / f"{synset}_{number:08d}.JPEG"
        path.write_bytes(images[number % len(images)])


def make_shards(folder: Path, count: int) -> None:
    """Parquet shards of 10,000 images."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    images = small_images(count)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for shard in range(0, count, 10_000):
        numbers = range(shard, min(shard + 10_000, count))
        rows = [{"bytes": images[n % len(images)], "path": None} for n in numbers]
        table = pa.table({"image": pa.array(rows, kind), "label": [n % CLASSES for n in numbers]})
        pq.write_table(table, folder / f"train-{shard:08d}.parquet")


MAKERS = {"imagefolder": make_folders, "hf_parquet": make_shards}

if __name__ == "__main__":
    print(json.dumps(ingested(*sys.argv[1:])))
