"""A real Slurm cluster for the tests of this folder, and the project's files to run on it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, Workflow

SCRIPT = ROOT / "tests/cluster/slurm"
# Shorter waits than the profile sets for a real cluster.
SHORT_WAITS = (
    *("--seconds-between-status-checks", "3", "--slurm-init-seconds-before-status-checks", "3"),
    *("--latency-wait", "20"),
)


class Cluster:
    """A running cluster, with ways to list its jobs and to kill its nodes.

    Parameters
    ----------
    folder
        Empty folder for its configuration and state.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.controllers: list[subprocess.Popen] = []
        # Five ports that no other cluster on this machine uses.
        environment = {**os.environ, "SLURM_TEST_PORT": str(20_000 + os.getpid() % 2_000 * 5)}
        result = subprocess.run(
            [SCRIPT, "start", folder], env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        conf, path = re.search(r"SLURM_CONF='(.*?)' PATH='(.*?)'", result.stdout).groups()
        self.environment = {**os.environ, "SLURM_CONF": conf, "OMP_NUM_THREADS": "1"}
        self.environment["PATH"] = f"{path}:{os.environ['PATH']}"

    def stop(self) -> None:
        for controller in self.controllers:
            controller.kill()
        subprocess.run([SCRIPT, "stop", self.folder], check=True)

    def output_of(self, *command: str) -> str:
        """Return the output of one of Slurm's commands."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def jobs(self, rule: str = "", folder: Path | None = None) -> list[dict[str, str]]:
        """Return `scontrol`'s fields of all jobs of a rule or group, in the order of submission."""
        jobs = []
        for line in self.output_of("scontrol", "show", "job", "--oneliner").splitlines():
            job = dict(word.split("=", 1) for word in line.split() if "=" in word)
            in_folder = folder is None or Path(job.get("WorkDir", "")) == folder
            if in_folder and job.get("Comment", "").startswith(f"rule_{rule}"):
                jobs.append(job)
        return sorted(jobs, key=lambda job: int(job["JobId"]))

    def wait_for(self, rule: str, folder: Path, state: str = "RUNNING") -> dict[str, str]:
        """Wait until a job of a rule has a state; return the job."""
        end = time.monotonic() + 240
        while time.monotonic() < end:
            for job in self.jobs(rule, folder):
                if job["JobState"] == state:
                    return job
            time.sleep(0.2)
        raise AssertionError(f"no job of {rule} became {state} within 240 s")

    def kill_node(self, node: str) -> None:
        """Kill a node's daemon and all processes of its jobs."""
        daemon = int((self.folder / f"run/slurmd-{node}.pid").read_text())
        on_node = {job["JobId"] for job in self.jobs() if job.get("NodeList") == node}
        processes = [psutil.Process(daemon)]
        for process in psutil.process_iter(["cmdline"]):
            # A step's process calls itself `slurmstepd: [12.batch]`.
            step = re.match(r"slurmstepd: \[(\d+)\.", " ".join(process.info["cmdline"] or []))
            if step and step[1] in on_node:
                processes += [process, *process.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def revive(self, node: str) -> None:
        subprocess.run([SCRIPT, "revive", self.folder, node], check=True)


class OnCluster(Workflow):
    """A copy of the project that is run on the cluster."""

    def __init__(self, folder: Path, cluster: Cluster, study: str = "tests/cluster/study.yaml"):
        super().__init__(folder, study)
        shutil.copytree(ROOT / "tests/cluster", folder / "tests/cluster")
        self.cluster = cluster

    def start(self, *arguments: str, module: str = "snakemake") -> subprocess.Popen:
        """Start Snakemake, or a module that takes its arguments, with its output in `log`."""
        command = [
            sys.executable,
            "-m",
            module,
            *arguments,
            "--profile",
            "profiles/slurm",
            *SHORT_WAITS,
        ]
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                [*command, "--configfile", self.study],
                cwd=self.folder,
                env={**self.cluster.environment, "PYTHONPATH": str(self.folder)},
                stdout=log,
                stderr=log,
            )
        self.cluster.controllers.append(process)
        return process

    def finish(self, *arguments: str, module: str = "snakemake") -> str:
        """Run to the end; return the output."""
        code = self.start(*arguments, module=module).wait(timeout=900)
        log = (self.folder / "log").read_text()
        assert code == 0, log
        return log

    def files(self, folder: str) -> dict[str, bytes]:
        """Return the content of every file below a folder, by its path."""
        top = self.folder / folder
        return {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}


@pytest.fixture(scope="session")
def cluster():
    if not shutil.which("slurmctld") or os.getuid() != 0:
        pytest.skip("no Slurm, or not root: run `make test-cluster` as root")
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        # munge rejects a socket in a folder that not everyone can enter.
        Path(folder).chmod(0o755)
        cluster = Cluster(Path(folder))
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    """The small study, run on this machine."""
    workflow = Workflow(tmp_path_factory.mktemp("local"), "tests/cluster/study.yaml")
    shutil.copytree(ROOT / "tests/cluster", workflow.folder / "tests/cluster")
    result = workflow.run()
    assert result.returncode == 0, result.stdout + result.stderr
    return workflow
