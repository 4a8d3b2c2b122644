"""Small ResNets and their weights, for tests of files of weights."""

import torch

from shapebias.plugins import build

CLASSES = ["circle", "square", "star"]

SMALL = {"kind": "resnet", "depth": 18, "width": 0.125, "stem": "small"}

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]

STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def network(seed=0, **settings):
    torch.manual_seed(seed)
    return build("architectures", classes=CLASSES, input_size=32, **{**SMALL, **settings}).eval()


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def same(first, second):
    state = second.state_dict()
    return all(torch.equal(value, state[key]) for key, value in first.state_dict().items())


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}
