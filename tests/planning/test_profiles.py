"""The Slurm profile requests what every rule needs."""

import re
from types import SimpleNamespace

import pytest
import yaml
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

from planning.jobs.network_files import measurement_memory, training_memory
from planning.jobs.study import Study
from tests.conftest import ROOT
from tests.planning.test_house import RULES

SLURM = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
PARTITIONS = yaml.safe_load((ROOT / SLURM["slurm-partition-config"]).read_text())["partitions"]


class Resources(dict):
    """Resources as Snakemake passes them to its Slurm plug-in."""

    __getattr__ = dict.__getitem__


def stated(rule, resource):
    """Return the number of a resource that a rule states, or None."""
    number = re.search(rf"\b{resource}=([\d_]+)", RULES[rule])
    return int(number[1]) if number else None


def requested(rule, resource, attempt):
    """Return the number of a resource that the profile requests at an attempt."""
    settings = {**SLURM["default-resources"], **SLURM["set-resources"].get(rule, {})}
    return eval(settings[resource], {"attempt": attempt, "min": min})


def set_by_study(rule):
    """Return whether a rule takes its memory from the study."""
    return bool(re.search(r"\bmem_mb=[a-z]", RULES[rule]))


def test_the_profile_names_existing_rules():
    assert {*SLURM["set-resources"], *SLURM["groups"]} <= RULES.keys()
    assert set(SLURM["group-components"]) == set(SLURM["groups"].values())


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_gets_its_memory_and_more_at_each_retry(rule):
    assert requested(rule, "mem_mb", 1) >= (stated(rule, "mem_mb") or 0), (
        "state it in profiles/slurm/config.yaml"
    )
    assert requested(rule, "mem_mb", 2) > requested(rule, "mem_mb", 1)
    assert requested(rule, "runtime", 2) > requested(rule, "runtime", 1)
    resources = SLURM["set-resources"].get(rule, {}).keys()
    if set_by_study(rule):
        # The profile would override it.
        assert "runtime" in resources and "mem_mb" not in resources
    elif stated(rule, "mem_mb") or stated(rule, "runtime"):
        # Defaults of the profile do not override what a rule states, and only they grow by attempt.
        assert {"mem_mb", "runtime"} <= resources


def test_memory_set_by_the_study_grows_at_each_retry():
    study = Study(
        {
            "models": {"net": {"training": {"memory": 20, "devices": 2}}},
            "measurements": {"ablation": {"memory": 2.5}},
        }
    )
    ablation = measurement_memory(study, "ablation")
    assert [ablation(None, attempt) for attempt in (1, 2)] == [2_500, 5_000]
    assert [training_memory(study, "net", attempt) for attempt in (1, 2)] == [43_000, 86_000]
    assert {rule for rule in RULES if set_by_study(rule)} == {
        "train_network", "dissect_channels", "dissect_randomised_networks", "ablate_channels",
        "ablate_concepts",
    }  # fmt: skip


def test_a_training_gets_all_its_gpus_on_one_node():
    assert "network_files.training_devices(study, wildcards.model)" in RULES["train_network"]
    resources = Resources(SLURM["set-resources"]["train_network"], gpu=4, runtime=60)
    job = SimpleNamespace(resources=resources, threads=4)
    names = ("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir")
    command = get_submit_command(job, dict.fromkeys(names, "x")) + set_gres_string(job)
    assert {"--nodes=1", "--gpus=4", "--cpus-per-task=4"} <= set(command.split())


@pytest.mark.parametrize("group", SLURM["group-components"])
def test_jobs_of_a_group_need_the_same_kind_of_node(group):
    members = [rule for rule, name in SLURM["groups"].items() if name == group]
    assert len({stated(rule, "gpu") for rule in members}) == 1


@pytest.mark.parametrize("rule", RULES)
def test_every_job_and_group_fits_a_partition(rule):
    number = SLURM["group-components"].get(SLURM["groups"].get(rule), 1)
    attempts = 1 + SLURM["retries"]
    minutes = number * requested(rule, "runtime", attempts)
    gpus = stated(rule, "gpu") or 0
    assert any(
        minutes <= limits["max_runtime"] and gpus <= limits.get("max_gpu", 0)
        for limits in PARTITIONS.values()
    )
