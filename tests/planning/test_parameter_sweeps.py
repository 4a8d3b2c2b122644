"""Image sets whose transforms differ in one number form a family of levels."""

from planning.jobs.parameter_sweeps import parameter_sweeps

IMAGES = {
    "clean": {"kind": "cifar10"},
    **{
        f"saturated_{level}": {"from": "clean", "transform": {"kind": "saturate", "level": level}}
        for level in (8, 0.5, float("inf"))
    },
    # Two levels are too few.
    **{
        f"scrambled_{n}": {"from": "clean", "transform": {"kind": "scramble", "patches": n}}
        for n in (2, 4)
    },
    # Derived from another set.
    "scrambled_8": {"from": "saturated_8", "transform": {"kind": "scramble", "patches": 8}},
    **{
        f"{kind}_{n}": {
            "from": "clean",
            "transform": {"kind": "corrupt", "corruption": {"kind": kind, "severity": n}},
        }
        for kind in ("fog", "snow")
        for n in (1, 2, 3)
    },
    "adversarial": {"from": "clean", "attack": "linf"},
}


def test_sets_of_one_transform_and_one_source_are_a_family_in_the_order_of_their_levels():
    saturated, fog, snow = parameter_sweeps(IMAGES, list(IMAGES))
    assert saturated["title"] == "saturate" and saturated["setting"] == "level"
    assert list(saturated["levels"]) == ["saturated_0.5", "saturated_8", "saturated_inf"]
    assert fog["title"] == "corrupt fog" and fog["setting"] == "severity"
    assert snow["levels"] == {"snow_1": 1, "snow_2": 2, "snow_3": 3}


def test_only_the_named_sets_are_grouped():
    assert parameter_sweeps(IMAGES, ["clean", "fog_1", "fog_2"]) == []
