import json
from collections import Counter

import pytest

from shapebias.errors import UnknownName
from shapebias.stimuli.entry_level_classes import (
    entry_level_of,
    imagenet_16,
    imagenet_classes,
    names,
)


def test_a_thousand_classes_in_the_order_of_their_ids():
    classes = imagenet_classes()
    assert len(set(classes)) == 1000
    assert classes == tuple(sorted(classes))
    assert (classes[0], classes[999]) == ("n01440764", "n15075141")


def test_the_entry_levels():
    table = imagenet_16()
    assert set(table) <= set(imagenet_classes())
    counts = Counter(table.values())
    assert (len(table), len(counts)) == (207, 16)
    assert (counts["dog"], counts["bird"], counts["airplane"]) == (109, 49, 1)
    assert table["n02690373"] == "airplane"
    assert table["n02132136"] == "bear"


def test_names_for_people():
    assert names()["n01440764"] == "tench"
    assert len(names()) == 1000
    assert all(name.strip() for name in names().values())


def test_a_study_chooses_its_table():
    assert entry_level_of("none") is None
    assert entry_level_of("imagenet_16") == imagenet_16()
    with pytest.raises(UnknownName, match="did you mean 'imagenet_16'"):
        entry_level_of("imagenet16")


def test_the_table_is_the_published_one(shared_data):
    published = json.loads((shared_data / "map16" / "map16.json").read_text())
    classes = imagenet_classes()
    expected = {classes[i]: name for name, indices in published.items() for i in indices}
    assert imagenet_16() == expected
