"""Benchmarks' common part: a baseline and ours in alternation, one line a case, JSON beside it."""

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
# Seconds that one measurement lasts at least; what is faster is repeated.
LEAST = 0.05
HEADER = ("name", "case", "baseline", "ours", "ratio (median, min-max)", "bar", "")
LINE = "{:<12} {:<34} {:>11} {:>11}  {:<24} {:<16} {}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is compared, and what counts as fast enough.

    Parameters
    ----------
    case
        What the line is called.
    baseline, ours
        Functions without arguments that do the same work, `items` times.
    bar
        Least ratio of the baseline's time to ours.
    per_second
        Where given, so many items a second of ours are enough too.
    items
        Images, or whatever is worked on, in one call.
    """

    case: str
    baseline: Callable[[], object]
    ours: Callable[[], object]
    bar: float
    per_second: float | None = None
    items: int = 1


@dataclass(frozen=True, kw_only=True)
class Result:
    """Medians over the rounds; times in milliseconds an item."""

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
        Packages whose versions matter, besides the usual ones.
    """
    print(LINE.format(*HEADER), flush=True)
    results = []
    for case in cases:
        results.append(measured(name, case))
        print(as_line(results[-1]), flush=True)
    write(name, map(asdict, results), packages=packages)
    return results


def write(name: str, rows: Iterable[dict], *, packages: Iterable[str] = ()) -> None:
    """Write what was measured to `results/NAME.jsonl`, with the machine and the versions."""
    RESULTS.mkdir(exist_ok=True)
    machine = {**described_machine(), "versions": dict(_versions([*PACKAGES, *packages]))}
    lines = [json.dumps({**row, **machine}) + "\n" for row in rows]
    (RESULTS / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def measured(name: str, case: Case, rounds: int = ROUNDS) -> Result:
    """Times of a case: the two sides in alternation, so that both see the same machine."""
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
    """Result as a line of the table."""
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
        "ok" if result.ok else "short",
    )


def on_one_core() -> None:
    """Keep this process, and those that it starts, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def described_machine() -> dict[str, object]:
    """Processor, cores, system, Python and the time of the measurement."""
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
    """How often work is done in one measurement; the first call, which may warm up, is apart."""
    work()
    return max(1, round(LEAST / _seconds(work, 1)))


def _seconds(work: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls
