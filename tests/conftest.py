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
sys.path.insert(0, str(ROOT))
# Every function of the library is called with arguments of the shapes and types it states.
install_import_hook("shapebias", "tests.helpers.typechecker.typechecked")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data():
    """Folder of the real test data beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data beside the checkout (../shared/data)")
    return folder


class Workflow:
    """The project's files in a folder of their own, with a way to run Snakemake there."""

    def __init__(self, folder: Path, study: str = "tests/tiny.yaml"):
        self.folder, self.study = folder, study
        for name in ("Snakefile", "config.yaml", "config.schema.yaml", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)
        for name in (
            "rules",
            "planning",
            "scripts",
            "shapebias",
            "report",
            "profiles",
            "envs",
            "studies",
        ):
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        (folder / "tests").mkdir()
        shutil.copy(ROOT / "tests/tiny.yaml", folder / "tests/tiny.yaml")

    def run(self, *arguments: str, cores: int = 2) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "snakemake", *arguments, "--cores", str(cores)]
        command += ["--configfile", self.study]
        # The scripts must import this copy of the library, not the installed one.
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def planned(self, *arguments: str) -> set[str]:
        """Names of the outputs that a run would make, each by its rule and wildcards."""
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
    """The tiny study, run once through the real rules; tests put back what they change."""
    workflow = Workflow(tmp_path_factory.mktemp("workflow"))
    workflow.result = workflow.run()
    assert workflow.result.returncode == 0, workflow.result.stdout + workflow.result.stderr
    return workflow
