"""Time until a study's plan is there: everything to do, nothing to do, and thirty thousand jobs.

The paper's study stands before files and folders that hold nothing, as planning does not read what
is in them. A finished one is made by small files under the names of all its outputs, which
Snakemake's own `--touch` then takes for finished. No baseline is known; the bars are seconds, and
those of the processor count where other work shares it, as planning runs on one core.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import yaml

from benchmarks import harness
from shapebias.io.checksums import checksum_path, sha256_of

ROOT = Path(__file__).parents[1]
STUDY = "studies/imagenet.yaml"
ROUNDS = 3
# Seconds that a plan may take, by what is planned.
BARS = {"all to do": 20.0, "nothing to do": 15.0, "30,000 jobs": 180.0}
COPIED = ("Snakefile", "config.yaml", "config.schema.yaml", "pyproject.toml")
FOLDERS = ("rules", "planning", "scripts", "shapebias", "report", "profiles", "envs", "studies")


def run(name: str) -> None:
    """Print a line a case, and write them as well."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        rows.append(measured(name, place, "all to do", STUDY))
        print("making what a finished study has ...", flush=True)
        place.finish(STUDY)
        rows.append(measured(name, place, "nothing to do", STUDY))
        rows.append(measured(name, place, "30,000 jobs", place.large()))
    harness.write(name, rows)


def measured(name: str, place: "Place", case: str, study: str) -> dict[str, object]:
    """Median time of a case, after one run that fills the system's caches."""
    rounds = ROUNDS if case != "30,000 jobs" else 1
    place.plan(study)
    found = [place.plan(study) for _ in range(rounds)]
    wall, seconds, jobs = map(median, zip(*found, strict=True))
    row = {"name": name, "case": case, "jobs": jobs, "seconds": seconds, "bar": BARS[case]}
    row |= {"wall": wall, "ok": seconds < BARS[case]}
    print(
        f"{name}  {case}  {jobs:.0f} jobs  {seconds:.1f} s of processor  {wall:.1f} s in all  "
        f"bar {BARS[case]:g} s  {'ok' if row['ok'] else 'short'}",
        flush=True,
    )
    return row


class Place:
    """A copy of the project, with stand-ins for what the paper's study reads."""

    def __init__(self, folder: Path):
        self.folder = folder / "project"
        self.folder.mkdir()
        for file in COPIED:
            shutil.copy(ROOT / file, self.folder / file)
        for one in FOLDERS:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / one, self.folder / one, ignore=ignored)
        text = (ROOT / STUDY).read_text(encoding="utf-8")
        self.environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        for variable in re.findall(r"\$(SHAPEBIAS_\w+)", text):
            stand_in = folder / variable.lower()
            stand_in.mkdir()
            self.environment[variable] = str(stand_in)
        for weights in re.findall(r'"\{weights\}/([^"]+)"', text):
            Path(self.environment["SHAPEBIAS_WEIGHTS"], weights).write_text("stand-in")

    def plan(self, study: str) -> tuple[float, float, int]:
        """Seconds of a dry run, by the clock and of the processor, and the jobs that would run."""
        start, before = time.perf_counter(), _processor()
        said = self.snakemake(study, "--dry-run", "--quiet", "rules")
        seconds = time.perf_counter() - start, _processor() - before
        total = re.search(r"^total\s+(\d+)", said, re.MULTILINE)
        if not total and "Nothing to be done" not in said:
            raise SystemExit(f"no plan of {study}: {said}")
        return *seconds, int(total[1]) if total else 0

    def finish(self, study: str) -> None:
        """Make small files of all that a study makes, and have them taken for finished."""
        table = self.snakemake(study, "--summary", "--quiet").splitlines()
        outputs = [line.split("\t")[0] for line in table if line.count("\t") > 3][1:]
        for output in outputs:
            path = self.folder / output
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("stand-in")
            if record := checksum_path(output):
                (self.folder / record).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / record).write_text(f"{sha256_of(path)}  {output}\n")
        self.snakemake(study, "--touch", "--quiet", "all")

    def large(self) -> str:
        """A study of about thirty thousand jobs: the paper's, ablated in many small parts."""
        study = yaml.safe_load((self.folder / STUDY).read_text(encoding="utf-8"))
        study["name"] = "large"
        study["measurements"]["ablation"]["parts"] = 3600
        (self.folder / "large.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
        return "large.yaml"

    def snakemake(self, study: str, *arguments: str) -> str:
        """Output of Snakemake."""
        command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "2"]
        done = subprocess.run(
            [*command, "--configfile", study],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"snakemake {' '.join(arguments)}: {done.stdout + done.stderr}")
        return done.stdout + done.stderr


def _processor() -> float:
    """Seconds of the processor that the processes started from here have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
