"""The cluster's profile says what the rules need, for every rule."""

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
    """As the engine hands them to its plug-in for Slurm."""

    __getattr__ = dict.__getitem__


def stated(rule, resource):
    """Number of a resource that a rule states, or None."""
    found = re.search(rf"\b{resource}=([\d_]+)", RULES[rule])
    return int(found[1]) if found else None


def asked(rule, resource, attempt):
    """Number of a resource that the profile asks for at an attempt."""
    settings = {**SLURM["default-resources"], **SLURM["set-resources"].get(rule, {})}
    return eval(settings[resource], {"attempt": attempt, "min": min})


def set_by_the_study(rule):
    """Whether a rule takes its memory from the study, by attempt."""
    return bool(re.search(r"\bmem_mb=[a-z]", RULES[rule]))


def test_the_profile_names_rules_that_exist():
    assert {*SLURM["set-resources"], *SLURM["groups"]} <= RULES.keys()
    assert set(SLURM["group-components"]) == set(SLURM["groups"].values())


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_gets_its_memory_and_more_at_the_next_attempt(rule):
    assert asked(rule, "mem_mb", 1) >= (stated(rule, "mem_mb") or 0), (
        "state it in profiles/slurm/config.yaml"
    )
    assert asked(rule, "mem_mb", 2) > asked(rule, "mem_mb", 1)
    assert asked(rule, "runtime", 2) > asked(rule, "runtime", 1)
    said = SLURM["set-resources"].get(rule, {}).keys()
    if set_by_the_study(rule):
        # The profile's would count in its place.
        assert "runtime" in said and "mem_mb" not in said
    elif stated(rule, "mem_mb") or stated(rule, "runtime"):
        # What a rule states is not overridden by the profile's defaults, which know the attempt.
        assert {"mem_mb", "runtime"} <= said


def test_memory_is_the_study_s_and_more_at_the_next_attempt():
    study = Study(
        {
            "models": {"net": {"training": {"memory": 20, "devices": 2}}},
            "measurements": {"ablation": {"memory": 2.5}},
        }
    )
    ablation = measurement_memory(study, "ablation")
    assert [ablation(None, attempt) for attempt in (1, 2)] == [2_500, 5_000]
    assert [training_memory(study, "net", attempt) for attempt in (1, 2)] == [43_000, 86_000]
    assert {rule for rule in RULES if set_by_the_study(rule)} == {
        "train_network", "dissect_channels", "dissect_randomised_networks", "ablate_channels",
        "ablate_concepts",
    }  # fmt: skip


def test_a_training_gets_all_its_cards_on_one_node():
    assert "networks.training_devices(study, wildcards.model)" in RULES["train_network"]
    said = Resources(SLURM["set-resources"]["train_network"], gpu=4, runtime=60)
    job = SimpleNamespace(resources=said, threads=4)
    names = ("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir")
    asked = get_submit_command(job, dict.fromkeys(names, "x")) + set_gres_string(job)
    assert {"--nodes=1", "--gpus=4", "--cpus-per-task=4"} <= set(asked.split())


@pytest.mark.parametrize("group", SLURM["group-components"])
def test_the_jobs_of_a_group_need_one_kind_of_node(group):
    members = [rule for rule, name in SLURM["groups"].items() if name == group]
    assert len({stated(rule, "gpu") for rule in members}) == 1


@pytest.mark.parametrize("rule", RULES)
def test_every_job_and_group_fits_a_partition(rule):
    number = SLURM["group-components"].get(SLURM["groups"].get(rule), 1)
    attempts = 1 + SLURM["retries"]
    needed = number * asked(rule, "runtime", attempts)
    gpus = stated(rule, "gpu") or 0
    assert any(
        needed <= limits["max_runtime"] and gpus <= limits.get("max_gpu", 0)
        for limits in PARTITIONS.values()
    )
