"""A user's own network: its code is fingerprinted where it is, without importing it."""

from importlib.machinery import EXTENSION_SUFFIXES

import pytest

from planning.fingerprints.user_code import digest_of_module
from planning.networks.factory_function import check_function
from planning.networks.members import plugins_of_network, whole_architecture
from planning.networks.starts import check_starts, starts_of
from planning.study.errors import StudyError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a user whose module `nets` uses `parts` and `helpers.deep`."""
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
def test_the_digest_changes_with_the_code_that_a_module_imports(package, name):
    before = digest()
    path = package / f"{name}.py"
    text = path.read_text()
    path.write_text(text + "\n\n# A comment.\n")
    assert digest() == before
    path.write_text(text + "\nM = 1\n")
    assert digest() != before


def test_the_digest_does_not_depend_on_other_modules(package):
    before = digest()
    (package / "unused.py").write_text("N = 2\n")
    assert digest() == before
    digest_of_module.cache_clear()
    assert digest_of_module("no_such_package.nets") == "absent"


def test_the_digest_follows_modules_in_the_folder_of_the_module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "layers").mkdir()
    files = {
        "mynet": "import json, torch\nfrom blocks import Block\ndef make(): return Block()\n",
        "blocks": "from layers.wide import Block\n",
        "layers/wide": "from . import narrow\nclass Block: pass\n",
        "layers/narrow": "N = 1\n",
        "unused": "N = 1\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    digests = set()
    for name in ("blocks", "layers/wide", "layers/narrow", "mynet"):
        with (tmp_path / f"{name}.py").open("a") as file:
            file.write("M = 2\n")
        digest_of_module.cache_clear()
        digests.add(digest_of_module("mynet"))
    assert len(digests) == 4
    (tmp_path / "unused.py").write_text("N = 2\n")
    digest_of_module.cache_clear()
    assert digest_of_module("mynet") in digests


def test_the_digest_does_not_follow_other_installed_packages(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    (folder / "mynet.py").write_text("import installed\n")
    (folder / "installed.py").write_text("N = 1\n")
    digest_of_module.cache_clear()
    before = digest_of_module("mynet")
    (folder / "installed.py").write_text("N = 2\n")
    digest_of_module.cache_clear()
    assert digest_of_module("mynet") == before


NETWORKS = {
    "a": {"architecture": {"kind": "factory", "function": "theirs.nets:make"}, "training": {}},
    "b": {"architecture": {"kind": "resnet", "depth": 18}, "training": {"init_from": "a"}},
    "both": {"architecture": {"kind": "ensemble", "members": ["a", "b"]}, "training": {}},
}


def test_an_ensemble_starts_from_its_members_and_uses_their_plugins():
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
    check_starts(NETWORKS)


def test_a_network_cannot_start_from_one_of_another_size():
    networks = {
        "a": {"architecture": {"kind": "resnet", "depth": 18}, "training": {}},
        "b": {"architecture": {"kind": "resnet", "depth": 34}, "training": {"init_from": "a"}},
    }
    message = r"^models\.b\.training\.init_from: a has `depth: 18`, and b `depth: 34`$"
    with pytest.raises(StudyError, match=message):
        check_starts(networks)
    # Absent settings have defaults, and architectures of other kinds may have the same weights.
    for architecture in ({"kind": "resnet"}, {"kind": "torchvision", "name": "resnet34"}):
        networks["a"]["architecture"] = architecture
        check_starts(networks)


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Modules of a user, some of them with errors."""
    monkeypatch.syspath_prepend(tmp_path)
    for folder in ("package", "above", "outer/inner"):
        (tmp_path / folder).mkdir(parents=True)
    files = {
        "networks": (
            "raise SystemExit('never run')\nimport os as alias\n"
            "def make(): pass\nclass Made: pass\n"
            "try:\n    from fast import maker\nexcept ImportError:\n    maker = make\n"
        ),
        "package/inner": "make = print\n",
        "outer/inner/nets": "def make(): pass\n",
        "everything": "from os import *\n",
        "lazy": "def __getattr__(name): pass\n",
        "spoilt": "import os\ndef make(:\n",
        "above/nets": "from above.wrong import make\n",
        "above/wrong": "make = = 1\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / f"compiled{EXTENSION_SUFFIXES[0]}").touch()


@pytest.mark.parametrize(
    "function",
    [
        "networks:make",
        "networks:Made",
        "networks:alias",
        "networks:maker",
        "package.inner:make",
        "outer.inner.nets:make",
        "everything:whatever",
        "lazy:whatever",
        "compiled:whatever",
    ],
)
def test_a_function_of_a_module_is_accepted(modules, function):
    check_function("here", function)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("networks:mak", "unknown function of networks: 'mak'; did you mean 'make'"),
        ("networks", "'networks' is not of the form package.module:function"),
        ("networks:", "is not of the form package.module:function"),
        ("nowhere_at_all:make", "there is no module 'nowhere_at_all'"),
        ("package.other:make", "there is no module 'package.other'"),
        ("networks.inner:make", "there is no module 'networks.inner'"),
        ("spoilt:make", r"syntax error in .*spoilt.py, line 2: invalid syntax"),
        ("above.nets:make", r"syntax error in .*wrong.py, line 1: "),
    ],
)
def test_a_function_that_does_not_exist_is_refused(modules, function, message):
    with pytest.raises(StudyError, match=rf"^here: .*{message}"):
        check_function("here", function)
