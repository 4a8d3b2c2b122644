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
# What the profile leaves to the patience of a real cluster.
HASTE = (
    *("--seconds-between-status-checks", "3", "--slurm-init-seconds-before-status-checks", "3"),
    *("--latency-wait", "20"),
)


class Cluster:
    """A running cluster: what it knows of its jobs, and what may happen to them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.controllers: list[subprocess.Popen] = []
        # Five ports of its own, so that two clusters can be on one machine.
        ports = {**os.environ, "SLURM_TEST_PORT": str(20_000 + os.getpid() % 2_000 * 5)}
        started = subprocess.run(
            [SCRIPT, "start", folder], env=ports, capture_output=True, text=True, check=False
        )
        assert started.returncode == 0, started.stderr
        conf, path = re.search(r"SLURM_CONF='(.*?)' PATH='(.*?)'", started.stdout).groups()
        self.environment = {**os.environ, "SLURM_CONF": conf, "OMP_NUM_THREADS": "1"}
        self.environment["PATH"] = f"{path}:{os.environ['PATH']}"

    def stop(self) -> None:
        for controller in self.controllers:
            controller.kill()
        subprocess.run([SCRIPT, "stop", self.folder], check=True)

    def ask(self, *command: str) -> str:
        """Output of one of Slurm's commands."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def jobs(self, rule: str = "", folder: Path | None = None) -> list[dict[str, str]]:
        """All jobs of a rule, or group, in the order of submission, as `scontrol` shows them."""
        found = []
        for line in self.ask("scontrol", "show", "job", "--oneliner").splitlines():
            job = dict(word.split("=", 1) for word in line.split() if "=" in word)
            mine = folder is None or Path(job.get("WorkDir", "")) == folder
            if mine and job.get("Comment", "").startswith(f"rule_{rule}"):
                found.append(job)
        return sorted(found, key=lambda job: int(job["JobId"]))

    def wait_for(self, rule: str, folder: Path, state: str = "RUNNING") -> dict[str, str]:
        """A job of a rule, once it has a state."""
        end = time.monotonic() + 240
        while time.monotonic() < end:
            for job in self.jobs(rule, folder):
                if job["JobState"] == state:
                    return job
            time.sleep(0.2)
        raise AssertionError(f"no job of {rule} was ever {state}")

    def kill_node(self, node: str) -> None:
        """End a node's daemon and all that ran on it, at once and without a word."""
        daemon = int((self.folder / f"run/slurmd-{node}.pid").read_text())
        on_node = {job["JobId"] for job in self.jobs() if job.get("NodeList") == node}
        doomed = [psutil.Process(daemon)]
        for process in psutil.process_iter(["cmdline"]):
            # A step's process calls itself `slurmstepd: [12.batch]`.
            step = re.match(r"slurmstepd: \[(\d+)\.", " ".join(process.info["cmdline"] or []))
            if step and step[1] in on_node:
                doomed += [process, *process.children(recursive=True)]
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def revive(self, node: str) -> None:
        subprocess.run([SCRIPT, "revive", self.folder, node], check=True)


class OnCluster(Workflow):
    """The project's files, with a way to run them on the cluster."""

    def __init__(self, folder: Path, cluster: Cluster, study: str = "tests/cluster/study.yaml"):
        super().__init__(folder, study)
        shutil.copytree(ROOT / "tests/cluster", folder / "tests/cluster")
        self.cluster = cluster

    def begin(self, *arguments: str, module: str = "snakemake") -> subprocess.Popen:
        """Start Snakemake, or what takes its arguments, with its messages in `log`."""
        command = [sys.executable, "-m", module, *arguments, "--profile", "profiles/slurm", *HASTE]
        with (self.folder / "log").open("w") as log:
            begun = subprocess.Popen(
                [*command, "--configfile", self.study],
                cwd=self.folder,
                env={**self.cluster.environment, "PYTHONPATH": str(self.folder)},
                stdout=log,
                stderr=log,
            )
        self.cluster.controllers.append(begun)
        return begun

    def finish(self, *arguments: str, module: str = "snakemake") -> str:
        """Run it to its end; returns its messages."""
        code = self.begin(*arguments, module=module).wait(timeout=900)
        log = (self.folder / "log").read_text()
        assert code == 0, log
        return log

    def files(self, folder: str) -> dict[str, bytes]:
        """Content of every file below a folder, by its path."""
        top = self.folder / folder
        return {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}


@pytest.fixture(scope="session")
def cluster():
    if not shutil.which("slurmctld") or os.getuid() != 0:
        pytest.skip("no Slurm, or not root: `make test-cluster` installs it where it may")
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        # munge refuses a socket that not everyone can reach.
        Path(folder).chmod(0o755)
        cluster = Cluster(Path(folder))
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    """The shrunk study, run on this machine."""
    workflow = Workflow(tmp_path_factory.mktemp("local"), "tests/cluster/study.yaml")
    shutil.copytree(ROOT / "tests/cluster", workflow.folder / "tests/cluster")
    result = workflow.run()
    assert result.returncode == 0, result.stdout + result.stderr
    return workflow
