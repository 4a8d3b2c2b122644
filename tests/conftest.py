"""Fixtures of all tests: real data, and the tiny study run through the real rules."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

import tests.helpers.typechecker  # noqa: F401

ROOT = Path(__file__).parent.parent
# What the workflow needs of the project.
FILES = ["Snakefile", "config.yaml", "config.schema.yaml", "pyproject.toml"]
FOLDERS = ["rules", "planning", "scripts", "shapebias", "report", "profiles", "envs", "studies"]
sys.path.insert(0, str(ROOT))
# Check the annotated shapes and types of every call of the library.
install_import_hook("shapebias", "tests.helpers.typechecker.typechecked")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real test data beside the checkout; the test is skipped without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data beside the checkout (../shared/data)")
    return folder


class Workflow:
    """A copy of the project in a folder, in which Snakemake can be run.

    Parameters
    ----------
    folder
        Existing folder that the project is copied to.
    study
        File of the study, relative to the project.
    """

    def __init__(self, folder: Path, study: str = "tests/tiny.yaml"):
        self.folder, self.study = folder, study
        for name in FILES:
            shutil.copy(ROOT / name, folder / name)
        ignored = shutil.ignore_patterns("__pycache__")
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        (folder / "tests").mkdir()
        shutil.copy(ROOT / "tests/tiny.yaml", folder / "tests/tiny.yaml")

    def run(self, *arguments: str, cores: int = 2) -> subprocess.CompletedProcess:
        """Run Snakemake on the study."""
        command = [sys.executable, "-m", "snakemake", *arguments, "--cores", str(cores)]
        command += ["--configfile", self.study]
        # The scripts import this copy of the library, not the installed one.
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def planned(self, *arguments: str) -> set[str]:
        """Return the jobs that a run would start, each as ``rule wildcard=value, ...``."""
        result = self.run("--dry-run", *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        jobs, rule, wildcards = set(), None, ""
        for line in [*(result.stdout + result.stderr).splitlines(), "rule end:"]:
            if line.startswith(("rule ", "localrule ")):
                jobs.add(f"{rule} {wildcards}".strip())
                rule, wildcards = line.split()[1].rstrip(":"), ""
            elif line.strip().startswith("wildcards:"):
                wildcards = line.split(":", 1)[1].strip()
        return jobs - {"all", "None"}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The tiny study, run once through the real rules; tests undo their changes."""
    workflow = Workflow(tmp_path_factory.mktemp("workflow"))
    workflow.result = workflow.run()
    assert workflow.result.returncode == 0, workflow.result.stdout + workflow.result.stderr
    return workflow
