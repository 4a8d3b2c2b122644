"""Time of a dry run: a study with all jobs to do, with none to do, and with 30,000 jobs.

The study is `studies/imagenet.yaml`, with empty files and folders in place of its data, since a dry
run does not read them. It is completed by small files in place of its outputs, which Snakemake's
`--touch` then records as up to date. There is no baseline; the bars are seconds of CPU time.
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
# Most seconds of a dry run, by case.
BARS = {"all to do": 20.0, "nothing to do": 15.0, "30,000 jobs": 180.0}
FILES = ("Snakefile", "config.yaml", "config.schema.yaml", "pyproject.toml")
FOLDERS = ("rules", "planning", "scripts", "shapebias", "report", "profiles", "envs", "studies")


def run(name: str) -> None:
    """Print and write the result of each case."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        rows.append(measure(name, project, "all to do", STUDY))
        print("writing the files of a completed study ...", flush=True)
        project.complete(STUDY)
        rows.append(measure(name, project, "nothing to do", STUDY))
        rows.append(measure(name, project, "30,000 jobs", project.large_study()))
    harness.write(name, rows)


def measure(name: str, project: "Project", case: str, study: str) -> dict[str, object]:
    """Return the median times of a case, after a first run that fills the system's caches."""
    rounds = ROUNDS if case != "30,000 jobs" else 1
    project.plan(study)
    results = [project.plan(study) for _ in range(rounds)]
    wall, seconds, jobs = map(median, zip(*results, strict=True))
    row = {"name": name, "case": case, "jobs": jobs, "seconds": seconds, "bar": BARS[case]}
    row |= {"wall": wall, "ok": seconds < BARS[case]}
    print(
        f"{name}  {case}  {jobs:.0f} jobs  {seconds:.1f} s of CPU time  {wall:.1f} s in all  "
        f"bar {BARS[case]:g} s  {'ok' if row['ok'] else 'too slow'}",
        flush=True,
    )
    return row


class Project:
    """A copy of the project, with empty files and folders in place of the study's data.

    Parameters
    ----------
    folder
        Empty folder for the copy and the data.
    """

    def __init__(self, folder: Path):
        self.folder = folder / "project"
        self.folder.mkdir()
        for file in FILES:
            shutil.copy(ROOT / file, self.folder / file)
        ignored = shutil.ignore_patterns("__pycache__")
        for name in FOLDERS:
            shutil.copytree(ROOT / name, self.folder / name, ignore=ignored)
        text = (ROOT / STUDY).read_text(encoding="utf-8")
        self.environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        for variable in re.findall(r"\$(SHAPEBIAS_\w+)", text):
            data = folder / variable.lower()
            data.mkdir()
            self.environment[variable] = str(data)
        for weights in re.findall(r'"\{weights\}/([^"]+)"', text):
            Path(self.environment["SHAPEBIAS_WEIGHTS"], weights).write_text("placeholder")

    def plan(self, study: str) -> tuple[float, float, int]:
        """Return wall and CPU seconds of a dry run, and the number of jobs that would run."""
        start, before = time.perf_counter(), _cpu_seconds()
        output = self.snakemake(study, "--dry-run", "--quiet", "rules")
        seconds = time.perf_counter() - start, _cpu_seconds() - before
        total = re.search(r"^total\s+(\d+)", output, re.MULTILINE)
        if not total and "Nothing to be done" not in output:
            raise SystemExit(f"the dry run of {study} prints no number of jobs: {output}")
        return *seconds, int(total[1]) if total else 0

    def complete(self, study: str) -> None:
        """Write small files in place of all outputs of a study, and record them as up to date."""
        table = self.snakemake(study, "--summary", "--quiet").splitlines()
        outputs = [line.split("\t")[0] for line in table if line.count("\t") > 3][1:]
        for output in outputs:
            path = self.folder / output
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("placeholder")
            if record := checksum_path(output):
                (self.folder / record).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / record).write_text(f"{sha256_of(path)}  {output}\n")
        self.snakemake(study, "--touch", "--quiet", "all")

    def large_study(self) -> str:
        """Write a study of about 30,000 jobs, by many parts of the ablation; return its file."""
        study = yaml.safe_load((self.folder / STUDY).read_text(encoding="utf-8"))
        study["name"] = "large"
        study["measurements"]["ablation"]["parts"] = 3600
        (self.folder / "large.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
        return "large.yaml"

    def snakemake(self, study: str, *arguments: str) -> str:
        """Run Snakemake; return its output."""
        command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "2"]
        result = subprocess.run(
            [*command, "--configfile", study],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise SystemExit(f"snakemake {' '.join(arguments)}: {result.stdout + result.stderr}")
        return result.stdout + result.stderr


def _cpu_seconds() -> float:
    """Return the CPU seconds of the processes that were started by this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
