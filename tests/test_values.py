"""Values that only the library can judge, told before anything runs."""

import copy

import pytest
import yaml

from rules.mistakes import StudyError
from rules.paths import check_files
from rules.study import read_study
from rules.values import check_values
from tests.conftest import ROOT

TINY = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text())


def study_with(transform=None, **changes):
    study = copy.deepcopy(TINY) | copy.deepcopy(changes)
    if transform:
        study["images"]["odd"] = {"from": "validation", "transform": transform}
    return read_study(study, whole=True)


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        ({"kind": "noise", "sd": -1}, "-1"),
        ({"kind": "noise", "sd": float("nan")}, "nan"),
        ({"kind": "median", "size": 4}, "4"),
        ({"kind": "fourier"}, ""),
        ({"kind": "scramble", "patches": 1}, "1"),
        ({"kind": "corrupt", "corruption": {"kind": "fog", "severity": 6}}, "6"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_values_that_a_transform_refuses_are_told_with_their_place(transform, said):
    with pytest.raises(StudyError, match=r"^images\.odd\.transform: ") as caught:
        check_values(study_with(transform), [])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_needs_files_or_images_waits_for_its_job():
    frost = {"kind": "corrupt", "corruption": {"kind": "frost", "severity": 1, "pictures": "/no"}}
    check_values(study_with(frost), [])


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ({"download": "cifar"}, "did you mean 'cifar10'"),
        ({"download": "imagenet"}, "https://image-net.org"),
        ({"download": "../../x"}, "unknown image set to download"),
        ({"download": "imagenet_c", "only": "nois.tar"}, "did you mean 'noise.tar'"),
    ],
    ids=lambda value: str(value),
)
def test_downloads_that_cannot_be_are_told(folder, said):
    images = TINY["images"] | {"photos": {"kind": "imagefolder", "path": "{here}"}}
    study = study_with(folders={"here": folder}, images=images)
    with pytest.raises(StudyError, match=r"^folders\.here: ") as caught:
        check_values(study, [])
    assert said in str(caught.value)


def test_a_missing_set_is_asked_for_with_its_address():
    entry = {"kind": "imagenet", "path": "/nowhere", "split": "val"}
    study = study_with(images=TINY["images"] | {"photos": entry})
    with pytest.raises(StudyError, match=r"/nowhere does not exist.*https://image-net.org"):
        check_files(study)


def test_a_key_that_stands_twice_is_told_with_its_line(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("a: &one {b: 1}\nc:\n  <<: *one\n  <<: *one\n  d: 1\n  d: 2\n")
    with pytest.raises(StudyError, match=r"line 6: the key 'd' stands twice"):
        check_values(study_with(), [path])
    path.write_text("a: {b: 1}\nc: {b: 1}\n")
    check_values(study_with(), [path])
