"""Families of entries, written once."""

import pytest

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


def test_every_combination_is_an_entry_and_lists_name_them_all():
    study = expand_grids(FOG)
    names = ["fog_1", "fog_3", "snow_1", "snow_3"]
    assert list(study["images"]) == ["photos", *names]
    assert study["images"]["snow_3"] == {
        "from": "photos",
        "transform": {"kind": "corrupt", "of": [3], "note": "snow at 3"},
    }
    assert study["measurements"]["accuracy"]["image_sets"] == ["photos", *names, "x"]
    assert study["measurements"]["accuracy"]["clean"] == "photos"


def test_what_has_no_each_is_left_as_it_is():
    study = {"images": {"a": {"path": "{photos}"}}, "models": None, "seed": 3}
    assert expand_grids(study) == study


@pytest.mark.parametrize(
    ("name", "grid", "said"),
    [
        ("{a}", {"a": [1], "b": [2]}, "must hold {b}"),
        ("{a}", {"a": 1}, "a list of values"),
        ("{a}", {"a": []}, "a list of values"),
        ("{a}", ["a"], "a list of values"),
    ],
)
def test_wrong_families_are_named(name, grid, said):
    with pytest.raises(ValueError, match=rf"images\.\{{a\}}.*{said}"):
        expand_grids({"images": {name: {"grid": grid}}})
