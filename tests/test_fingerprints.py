import textwrap

import pytest

from rules import fingerprints


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A house with one script, a library of three modules and two plug-ins."""
    files = {
        "scripts/measure.py": "from shapebias.core import f\n\nprint(f())\n",
        "shapebias/__init__.py": "",
        "shapebias/core.py": '"""Doc."""\nfrom shapebias import deep\n\n'
        'def f():\n    """Doc."""\n    return deep.g()\n',
        "shapebias/deep.py": "def g():\n    return 1\n",
        "shapebias/other.py": "x = 1\n",
        "shapebias/transforms/__init__.py": "",
        "shapebias/transforms/blur.py": "def build(): ...\n",
        "shapebias/transforms/noise.py": "def build(): ...\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(fingerprints, "ROOT", tmp_path)

    def of(*plugins):
        forget()
        return fingerprints.fingerprint("measure", plugins)

    yield tmp_path, of
    forget()


def forget():
    for function in ("fingerprint", "packages", "_reached", "_read"):
        getattr(fingerprints, function).cache_clear()


def test_comments_docstrings_and_layout_change_nothing(house):
    root, of = house
    before = of()
    (root / "shapebias/core.py").write_text(
        textwrap.dedent('''
            """Another."""
            # A comment.
            from shapebias import deep


            def f():
                """Another."""

                return (
                    deep.g()
                )
            ''')
    )
    assert of() == before


def test_an_edit_reached_through_two_imports_is_seen(house):
    root, of = house
    before = of()
    (root / "shapebias/deep.py").write_text("def g():\n    return 2\n")
    assert of() != before


def test_an_edit_of_what_is_not_imported_is_not_seen(house):
    root, of = house
    before = of()
    (root / "shapebias/other.py").write_text("x = 2\n")
    assert of() == before


def test_only_the_named_plugin_counts(house):
    root, of = house
    blur = of(("transforms", "blur"))
    assert blur != of()
    (root / "shapebias/transforms/noise.py").write_text("def build(): return 1\n")
    assert of(("transforms", "blur")) == blur
    (root / "shapebias/transforms/blur.py").write_text("def build(): return 1\n")
    assert of(("transforms", "blur")) != blur


def test_packages_are_those_that_the_code_imports(house):
    root, of = house
    assert fingerprints.packages("measure") == ()
    (root / "shapebias/deep.py").write_text("import torch.nn, json\n\ndef g():\n    return 1\n")
    (root / "shapebias/transforms/blur.py").write_text(
        "from PIL import Image\nfrom shapebias.packages import import_package\n\n"
        'def build(): return import_package("timm")\n'
    )
    of()
    assert fingerprints.packages("measure") == ("torch",)
    assert fingerprints.packages("measure", (("transforms", "blur"),)) == ("PIL", "timm", "torch")
