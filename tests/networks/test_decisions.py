import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shapebias.errors import UnknownName
from shapebias.networks.decisions import EntryLevel


def test_entry_level_classes_are_alphabetical_and_average_their_members():
    level = EntryLevel("abcd", {"d": "y", "a": "z", "c": "z"})
    scores = torch.tensor([[0.0, 5.0, 1.0, 2.0]])
    a, _, c, d = scores.softmax(dim=1).double()[0]
    assert level.classes == ["y", "z"]
    assert level.probabilities(scores).tolist() == [[d, (a + c) / 2]]
    assert level.decide(scores).tolist() == [0]


def test_the_network_decides_without_a_table():
    level, scores = EntryLevel("ba"), torch.tensor([[0.0, 300.0], [1.0, 1.0]])
    assert level.classes == ["b", "a"] and level.is_identity
    assert torch.equal(level.probabilities(scores), scores.softmax(dim=1).double())
    assert level.decide(scores).tolist() == [1, 0]


@given(
    score=st.floats(-5, 5),
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=6),
    others=st.lists(st.floats(-5, -4), max_size=5),
)
def test_members_with_equal_scores_tie_exactly_whatever_their_number(score, sizes, others):
    members = [(entry, number) for entry, size in enumerate(sizes) for number in range(size)]
    classes = [f"{entry}-{number}" for entry, number in sorted(members, key=lambda pair: pair[1])]
    level = EntryLevel(
        [*classes, *(f"other {number}" for number in range(len(others)))],
        {name: f"entry {name[0]}" for name in classes},
    )
    scores = torch.tensor([[score] * len(classes) + others]).repeat(3, 1)
    assert level.probabilities(scores).unique().numel() == 1
    assert level.decide(scores).tolist() == [0, 0, 0]


@given(
    pool=st.lists(st.floats(-10, 10), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
    batch=st.integers(1, 9),
)
def test_entry_level_classes_with_equal_members_tie_exactly(pool, order, batch):
    # Two entry-level classes with equal scores in equal order, dispersed among the classes.
    places = sorted(range(2 * len(pool)), key=lambda _: order.random())
    first, second = sorted(places[: len(pool)]), sorted(places[len(pool) :])
    row = torch.zeros(2 * len(pool))
    for numbers in (first, second):
        row[numbers] = torch.tensor(pool)
    names = [str(number) for number in range(len(row))]
    level = EntryLevel(names, {name: "a" if int(name) in second else "b" for name in names})
    scores = torch.cat([row[None], torch.randn(batch, len(row))])
    a, b = level.probabilities(scores)[0]
    assert a == b
    assert level.decide(scores)[0] == 0


def test_the_mean_does_not_depend_on_the_batch():
    names = [str(number) for number in range(1000)]
    level = EntryLevel(names, {name: f"entry {int(name) % 17}" for name in names})
    scores = torch.randn(130, 1000, generator=torch.Generator().manual_seed(0))
    singly = torch.cat([level.probabilities(row[None]) for row in scores])
    assert torch.equal(level.probabilities(scores), singly)


def test_a_fine_class_that_the_network_lacks_is_an_error():
    with pytest.raises(UnknownName, match="cat"):
        EntryLevel("ab", {"cat": "pet"})
