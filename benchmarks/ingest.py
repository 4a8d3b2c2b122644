"""Memory of ingest by number of images, which must hardly grow.

Sets of 20,000 and 200,000 small images, as files in class folders and as Parquet shards, are each
ingested in a process of its own, whose peak memory is measured.
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
# Most memory of a job, and most growth of it from the smaller to the larger set.
MAX_MEBIBYTES = 1000
MAX_GROWTH = 1.25


def run(name: str) -> None:
    """Print and write images per second, peak memory and its growth of each case."""
    rows = []
    for kind in KINDS:
        first = None
        for count in COUNTS:
            case = measure(kind, count)
            first = first or case["mebibytes"]
            growth = case["mebibytes"] / first
            ok = case["mebibytes"] < MAX_MEBIBYTES and growth < MAX_GROWTH
            rows.append(
                {"name": name, "case": f"{kind} {count}", **case, "growth": growth, "ok": ok}
            )
            print(
                f"{name}  {kind} of {count}  {case['rate']:.0f} images/s  "
                f"peak {case['mebibytes']:.0f} MiB  x{growth:.2f}  "
                f"bar <{MAX_MEBIBYTES} MiB and <x{MAX_GROWTH}  {'ok' if ok else 'too much'}",
                flush=True,
            )
    harness.write(name, rows)


def measure(kind: str, count: int) -> dict[str, float]:
    """Return images per second and peak memory of a process that ingests `count` images."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "source"
        MAKERS[kind](folder, count)
        command = [sys.executable, __file__, kind, str(folder), f"{name}/set.parquet"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        process = subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        )
        case = json.loads(process.stdout.splitlines()[-1])
    if case["stored"] != count:
        raise SystemExit(f"{kind}: {case['stored']} of {count} images were stored")
    return case


def ingest(kind: str, folder: str, file: str) -> dict[str, float]:
    """Ingest a set as one part in this process."""
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
    """Return up to 1000 different small PNG files, which are repeated in a set."""
    from shapebias.io.image_codec import encode_png

    pixels = np.random.default_rng(0).integers(0, 256, (min(count, 1000), 16, 16, 3), np.uint8)
    return [encode_png(image) for image in pixels]


def make_folders(folder: Path, count: int) -> None:
    """Write files in class folders, with names as long as ImageNet's."""
    images = small_images(count)
    for label in range(CLASSES):
        (folder / f"n{label:08d}").mkdir(parents=True)
    for number in range(count):
        synset = f"n{number % CLASSES:08d}"
        path = folder / synset / f"{synset}_{number:08d}.JPEG"
        path.write_bytes(images[number % len(images)])


def make_shards(folder: Path, count: int) -> None:
    """Write Parquet shards of 10,000 images."""
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
    print(json.dumps(ingest(*sys.argv[1:])))
