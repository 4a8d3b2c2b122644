"""Entries with a `grid` become one entry for every combination."""

import pytest

from planning.study.errors import StudyError
from planning.study.expand import expand_grids

FOG = {
    "images": {
        "photos": {"kind": "imagefolder"},
        "{corruption}_{severity}": {
            "grid": {"corruption": ["fog", "snow"], "severity": [1, 3]},
            "from": "photos",
            "transform": {
                "kind": "corrupt",
                "of": ["{severity}"],
                "note": "{corruption} at {severity}",
            },
        },
    },
    "measurements": {
        "accuracy": {"clean": "photos", "image_sets": ["photos", "{corruption}_{severity}", "x"]}
    },
}


def test_every_combination_is_an_entry_and_lists_contain_all_of_them():
    study = expand_grids(FOG)
    names = ["fog_1", "fog_3", "snow_1", "snow_3"]
    assert list(study["images"]) == ["photos", *names]
    assert study["images"]["snow_3"] == {
        "from": "photos",
        "transform": {"kind": "corrupt", "of": [3], "note": "snow at 3"},
    }
    assert study["measurements"]["accuracy"]["image_sets"] == ["photos", *names, "x"]
    assert study["measurements"]["accuracy"]["clean"] == "photos"


def test_entries_without_a_grid_stay_as_they_are():
    study = {"images": {"a": {"path": "{photos}"}}, "models": None, "seed": 3}
    assert expand_grids(study) == study


@pytest.mark.parametrize(
    ("name", "grid", "message"),
    [
        ("{a}", {"a": [1], "b": [2]}, "must contain {b}"),
        ("{a}", {"a": 1}, "to a list of values"),
        ("{a}", {"a": []}, "to a list of values"),
        ("{a}", ["a"], "to a list of values"),
        ("{a}", {"a": [1, "1"]}, "a second entry is named '1'"),
        (1, {"a": [1]}, "must contain {a}"),
    ],
)
def test_an_invalid_grid_is_refused(name, grid, message):
    with pytest.raises(StudyError) as caught:
        expand_grids({"images": {name: {"grid": grid}}})
    assert str(caught.value).startswith(f"images.{name}")
    assert message in str(caught.value)
