"""The examples in the docstrings of functions for notebooks."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "behaviour.accuracy",
        "behaviour.predict",
        "behaviour.shape_bias",
        "smoothness.kernels",
        "smoothness.total_variation",
        "training.schedules",
    ],
)
def test_examples_are_true(module):
    result = doctest.testmod(importlib.import_module(f"shapebias.{module}"))
    assert result.attempted > 0 and result.failed == 0
