"""Run all benchmarks, or those named: `python -m benchmarks [NAME ...] [--photos FOLDER]`."""

import argparse
import importlib
import os
import sys
from pathlib import Path

# Before NumPy is imported: one thread each, so that times are those of one core.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["MAGICK_THREAD_LIMIT"] = "1"

from benchmarks import harness  # noqa: E402
from benchmarks.photos import photo_files  # noqa: E402
from shapebias.errors import ShapebiasError, UnknownName  # noqa: E402

HELPERS = ("devices", "harness", "photos", "published_corruptions")


def main(arguments: list[str]) -> int:
    """Exit status: 0 where all that was asked for could be measured, fast or not."""
    asked = parsed(arguments)
    # Read by benchmarks that measure by themselves, and by the processes that they start.
    for variable, value in (("PHOTOS", asked.photos), ("DEVICE", asked.device)):
        if value is not None:
            os.environ[f"SHAPEBIAS_{variable}"] = value
    harness.on_one_core()
    failed = False
    for name in asked.names or names():
        try:
            if name not in names():
                raise UnknownName("benchmark", name, names())
            benchmark = importlib.import_module(f"benchmarks.{name}")
            if hasattr(benchmark, "cases"):
                cases = benchmark.cases(photo_files(asked.photos))
                harness.run(name, cases, packages=benchmark.PACKAGES)
            else:
                # It compares no two sides in one process, and prints and writes its own lines.
                benchmark.run(name)
        except ShapebiasError as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
    return int(failed)


def names() -> list[str]:
    """Benchmarks in this folder."""
    files = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted(name for name in files if name[0] != "_" and name not in HELPERS)


def parsed(arguments: list[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="one of: " + ", ".join(names()))
    parser.add_argument(
        "--photos",
        default=os.environ.get("SHAPEBIAS_PHOTOS"),
        metavar="FOLDER",
        help="photos in class folders; $SHAPEBIAS_PHOTOS by default, else one that ships with"
        " matplotlib",
    )
    parser.add_argument(
        "--device",
        choices=["cpu", "cuda"],
        help="measure on the processor or on a graphics card alone; on all there are by default",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
