"""Speed-up by a second core: two parts of a derived set, one after the other or in parallel.

Each job is what the workflow runs for a part, including its start and the writing of its file.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks import harness

ROUNDS, IMAGES, BAR = 3, 600, 1.7
TRANSFORMS = {
    "scramble": {"kind": "scramble", "patches": 4},
    "black_and_white": {"kind": "black_and_white"},
    "elastic_transform": {
        "kind": "corrupt",
        "corruption": {"kind": "elastic_transform", "severity": 3},
    },
}


def run(name: str) -> None:
    """Print and write the result of each transform."""
    cores = sorted(os.sched_getaffinity(os.getppid()))[:2]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        sources = [make_source(Path(folder) / f"source-{part}.parquet") for part in range(2)]
        for case, transform in TRANSFORMS.items():
            seconds = [time_both(transform, sources, cores) for _ in range(ROUNDS)]
            ratios = [one / two for one, two in seconds]
            row = {"name": name, "case": case, "ratio": median(ratios), "bar": BAR}
            row |= {"seconds": seconds, "ok": median(ratios) >= BAR}
            rows.append(row)
            one, two = (median(side) for side in zip(*seconds, strict=True))
            spread = f"{row['ratio']:.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            print(
                f"{name}  {case}  one core {one:.1f} s  two {two:.1f} s  ratio {spread}  "
                f"bar {BAR}  {'ok' if row['ok'] else 'too slow'}",
                flush=True,
            )
    harness.write(name, rows)


def time_both(transform: dict, sources: list[Path], cores: list[int]) -> tuple[float, float]:
    """Return the seconds of two jobs one after the other on one core, and in parallel on two."""
    start = time.perf_counter()
    for source in sources:
        start_job(transform, source, cores[0]).wait()
    between = time.perf_counter()
    for running in [start_job(transform, *pair) for pair in zip(sources, cores, strict=True)]:
        running.wait()
    return between - start, time.perf_counter() - between


def start_job(transform: dict, source: Path, core: int) -> subprocess.Popen:
    """Start a process that derives a part on one core."""
    command = ["taskset", "--cpu-list", str(core), sys.executable, __file__]
    root = Path(__file__).parents[1]
    return subprocess.Popen(
        [*command, str(source), repr(transform)], env={**os.environ, "PYTHONPATH": str(root)}
    )


def make_source(path: Path) -> Path:
    """Write a part of a source with images of 224 × 224; return its path."""
    from benchmarks.photos import as_jpeg, photo_files
    from shapebias.io.image_sets import ResizeCrop, write_images

    photo = as_jpeg(photo_files(os.environ.get("SHAPEBIAS_PHOTOS"))[0])
    rows = ({"image_id": str(n), "image": photo, "path": "photo.jpg"} for n in range(IMAGES))
    write_images(rows, path, sizing=ResizeCrop())
    return path


def derive_one(source: str, transform: str) -> None:
    """Derive a part in this process."""
    from ast import literal_eval

    from shapebias.io.image_sets import ResizeCrop, read_rows, write_images
    from shapebias.stimuli.derive import build_transform, derive, encode

    built = build_transform(literal_eval(transform))
    rows = derive(read_rows([source]), built, seed=0, image_set="derived")
    write_images(encode(rows), f"{source}.out", sizing=ResizeCrop())


if __name__ == "__main__":
    derive_one(*sys.argv[1:])
