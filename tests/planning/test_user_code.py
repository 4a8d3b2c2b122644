"""A user's own network: its code is watched where it lies, and nothing else of theirs."""

import pytest

from planning.fingerprints.user_code import digest_of_module
from planning.networks.factory_function import function_error
from planning.networks.starts import plugins_of_network, start_error, starts_of, whole_architecture


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a user's, whose module `nets` uses `parts` and `helpers.deep`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "theirs"
    (folder / "helpers").mkdir(parents=True)
    files = {
        "__init__": "",
        "nets": "import torch\nfrom . import parts\nfrom .helpers.deep import wide\n",
        "parts": '"""Parts."""\nimport theirs.more\n',
        "more": "N = 3\n",
        "unused": "N = 1\n",
        "helpers/__init__": "",
        "helpers/deep": "from ..more import N\ndef wide():\n    return N\n",
    }
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def digest():
    digest_of_module.cache_clear()
    return digest_of_module("theirs.nets")


@pytest.mark.parametrize("name", ["nets", "parts", "more", "helpers/deep", "helpers/__init__"])
def test_an_edit_of_what_it_uses_is_seen(package, name):
    before = digest()
    path = package / f"{name}.py"
    text = path.read_text()
    path.write_text(text + "\n\n# A comment.\n")
    assert digest() == before
    path.write_text(text + "\nM = 1\n")
    assert digest() != before


def test_other_modules_do_not_count(package):
    before = digest()
    (package / "unused.py").write_text("N = 2\n")
    assert digest() == before
    digest_of_module.cache_clear()
    assert digest_of_module("no_such_package.nets") == "absent"


NETWORKS = {
    "a": {"architecture": {"kind": "factory", "function": "theirs.nets:make"}, "training": {}},
    "b": {"architecture": {"kind": "resnet", "depth": 18}, "training": {"init_from": "a"}},
    "both": {"architecture": {"kind": "ensemble", "members": ["a", "b"]}, "training": {}},
}


def test_an_ensemble_counts_its_members():
    assert starts_of(NETWORKS, "both") == ["a", "b"]
    assert starts_of(NETWORKS, "b") == ["a"]
    architecture = whole_architecture(NETWORKS, "both")
    assert architecture["members"] == [NETWORKS[name]["architecture"] for name in "ab"]
    assert plugins_of_network(NETWORKS, "both") == [
        ("architectures", "ensemble"),
        ("architectures", "factory"),
        ("own", "theirs.nets"),
        ("architectures", "resnet"),
    ]
    assert start_error(NETWORKS) is None


def test_a_start_of_another_size_is_told():
    networks = {
        "a": {"architecture": {"kind": "resnet", "depth": 18}, "training": {}},
        "b": {"architecture": {"kind": "resnet", "depth": 34}, "training": {"init_from": "a"}},
    }
    wrong = ("models.b.training.init_from", "a has `depth: 18`, and b `depth: 34`")
    assert start_error(networks) == wrong
    # What is not said has a default, and other kinds may have the same weights.
    for architecture in ({"kind": "resnet"}, {"kind": "torchvision", "name": "resnet34"}):
        networks["a"]["architecture"] = architecture
        assert start_error(networks) is None


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("networks:make", None),
        ("networks:Made", None),
        ("networks:alias", None),
        ("networks:mak", "unknown function of networks: 'mak'; did you mean 'make'"),
        ("networks", "'networks' names no function: write package.module:function"),
        ("networks:", "names no function"),
        ("nowhere_at_all:make", "there is no module 'nowhere_at_all'"),
        ("package.inner:make", None),
        ("package.other:make", "there is no module 'package.other'"),
        ("everything:whatever", None),
        ("compiled:whatever", None),
        ("spoilt:make", "spoilt.py, line 2, is no Python: invalid syntax"),
        ("above.nets:make", "wrong.py, line 1, is no Python: "),
    ],
)
def test_functions_that_are_not_there(tmp_path, monkeypatch, function, said):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "networks.py").write_text(
        "raise SystemExit('never run')\nimport os as alias\ndef make(): pass\nclass Made: pass\n"
    )
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "inner.py").write_text("make = print\n")
    (tmp_path / "everything.py").write_text("from os import *\n")
    (tmp_path / "spoilt.py").write_text("import os\ndef make(:\n")
    (tmp_path / "above").mkdir()
    (tmp_path / "above" / "nets.py").write_text("from above.wrong import make\n")
    (tmp_path / "above" / "wrong.py").write_text("make = = 1\n")
    (tmp_path / "compiled.cpython-311.so").touch()
    found = function_error(function)
    assert found is None if said is None else said in found
