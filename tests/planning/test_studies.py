"""Every study in `studies/` can be planned with empty files and folders in place of its data."""

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

STUDIES = sorted((ROOT / "studies").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_plans_without_its_data(path, tmp_path):
    text = path.read_text()
    environment = dict(os.environ)
    for name in re.findall(r"\$(SHAPEBIAS_\w+)", text):
        environment[name] = str(tmp_path)
    for name in re.findall(r"{weights}/([\w.-]+)", text):
        (tmp_path / name).touch()
    for name in re.findall(r"{cifar10}/(\w+)", text):
        (tmp_path / name).mkdir(exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", "--nolock"]
    command += ["--cores", "1", "--configfile", str(path)]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^write_report +1$", result.stdout + result.stderr, re.MULTILINE)
