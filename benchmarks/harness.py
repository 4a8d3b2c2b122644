"""Common part of the benchmarks: compare a baseline with ours, print the times, write JSON."""

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "scipy", "pillow", "torch")
ROUNDS = 9
# Least seconds of one measurement; shorter work is repeated.
MIN_SECONDS = 0.05
HEADER = ("name", "case", "baseline", "ours", "ratio (median, min-max)", "bar", "")
LINE = "{:<12} {:<34} {:>11} {:>11}  {:<24} {:<16} {}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two functions to compare, and the ratio that is fast enough.

    Parameters
    ----------
    case
        Name of the line.
    baseline, ours
        Functions without arguments that do the same work on `items` items.
    bar
        Least ratio of the baseline's time to ours that is fast enough.
    per_second
        Number of items a second of ours that is fast enough at any ratio; None for no such number.
    items
        Number of images, or of other items, in one call.
    """

    case: str
    baseline: Callable[[], object]
    ours: Callable[[], object]
    bar: float
    per_second: float | None = None
    items: int = 1


@dataclass(frozen=True, kw_only=True)
class Result:
    """Medians over the rounds, with times in milliseconds per item."""

    name: str
    case: str
    baseline_ms: float
    ours_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float
    bar: float
    per_second: float | None
    ok: bool


def run(name: str, cases: Iterable[Case], *, packages: Iterable[str] = ()) -> list[Result]:
    """Measure all cases, print a line for each, and write them to `results/NAME.jsonl`.

    Parameters
    ----------
    name
        The benchmark's name.
    packages
        Packages whose versions are recorded besides `PACKAGES`.
    """
    print(LINE.format(*HEADER), flush=True)
    results = []
    for case in cases:
        results.append(measure(name, case))
        print(as_line(results[-1]), flush=True)
    write(name, map(asdict, results), packages=packages)
    return results


def write(name: str, rows: Iterable[dict], *, packages: Iterable[str] = ()) -> None:
    """Write results to `results/NAME.jsonl`, with the machine and package versions."""
    RESULTS.mkdir(exist_ok=True)
    machine = {**machine_description(), "versions": dict(_versions([*PACKAGES, *packages]))}
    lines = [json.dumps({**row, **machine}) + "\n" for row in rows]
    (RESULTS / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def measure(name: str, case: Case, rounds: int = ROUNDS) -> Result:
    """Measure a case; the two sides alternate, so that the machine's load affects both alike."""
    calls = [_calls(side) for side in (case.baseline, case.ours)]
    pairs = []
    for _ in range(rounds):
        pairs.append([_seconds(case.baseline, calls[0]), _seconds(case.ours, calls[1])])
    ratios = [baseline / ours for baseline, ours in pairs]
    baseline, ours = (median(side) / case.items for side in zip(*pairs, strict=True))
    enough = case.per_second is not None and 1 / ours >= case.per_second
    return Result(
        name=name,
        case=case.case,
        baseline_ms=1e3 * baseline,
        ours_ms=1e3 * ours,
        ratio=median(ratios),
        ratio_low=min(ratios),
        ratio_high=max(ratios),
        bar=case.bar,
        per_second=case.per_second,
        ok=enough or median(ratios) >= case.bar,
    )


def as_line(result: Result) -> str:
    """Return a result as a line of the table."""
    bar = f"{result.bar:g}"
    if result.per_second is not None:
        bar += f" or {result.per_second:g}/s"
    return LINE.format(
        result.name,
        result.case,
        f"{result.baseline_ms:.2f} ms",
        f"{result.ours_ms:.2f} ms",
        f"{result.ratio:.2f} ({result.ratio_low:.2f}-{result.ratio_high:.2f})",
        bar,
        "ok" if result.ok else "too slow",
    )


def on_one_core() -> None:
    """Pin this process, and those that it starts, to one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def machine_description() -> dict[str, object]:
    """Return processor, cores, system, Python and the time of the measurement."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _versions(packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    for package in packages:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue


def _calls(work: Callable[[], object]) -> int:
    """Return the number of calls in one measurement; the first call, a warm-up, is not timed."""
    work()
    return max(1, round(MIN_SECONDS / _seconds(work, 1)))


def _seconds(work: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls
