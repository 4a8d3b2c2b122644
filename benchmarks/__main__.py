"""Run all benchmarks, or the named ones: `python -m benchmarks [NAME ...] [--photos FOLDER]`."""

import argparse
import importlib
import os
import sys
from pathlib import Path

# Set before NumPy is imported, so that all times are of one core.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["MAGICK_THREAD_LIMIT"] = "1"

from benchmarks import harness  # noqa: E402
from benchmarks.photos import photo_files  # noqa: E402
from shapebias.errors import ShapebiasError, UnknownName  # noqa: E402

HELPERS = ("devices", "harness", "photos", "published_corruptions")


def main(arguments: list[str]) -> int:
    """Run the benchmarks; return 0 if all could be measured, whether fast enough or not."""
    options = parse(arguments)
    # Also read by the processes that benchmarks start.
    for variable, value in (("PHOTOS", options.photos), ("DEVICE", options.device)):
        if value is not None:
            os.environ[f"SHAPEBIAS_{variable}"] = value
    harness.on_one_core()
    failed = False
    for name in options.names or names():
        try:
            if name not in names():
                raise UnknownName("benchmark", name, names())
            benchmark = importlib.import_module(f"benchmarks.{name}")
            if hasattr(benchmark, "cases"):
                cases = benchmark.cases(photo_files(options.photos))
                harness.run(name, cases, packages=benchmark.PACKAGES)
            else:
                # A benchmark without cases prints and writes its own results.
                benchmark.run(name)
        except ShapebiasError as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
    return int(failed)


def names() -> list[str]:
    """Return the names of the benchmarks in this folder."""
    files = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted(name for name in files if name[0] != "_" and name not in HELPERS)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="one of: " + ", ".join(names()))
    parser.add_argument(
        "--photos",
        default=os.environ.get("SHAPEBIAS_PHOTOS"),
        metavar="FOLDER",
        help="photos in class folders; by default $SHAPEBIAS_PHOTOS, else the photo in matplotlib",
    )
    parser.add_argument(
        "--device",
        choices=["cpu", "cuda"],
        help="measure only on the CPU or only on a GPU; by default on all there are",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
