import textwrap

import pytest

from planning.fingerprints import code
from shapebias.errors import ShapebiasError


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
        "shapebias/stimuli/transforms/__init__.py": "",
        "shapebias/stimuli/transforms/blur.py": "def build(): ...\n",
        "shapebias/stimuli/transforms/noise.py": "def build(): ...\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(code, "ROOT", tmp_path)

    def of(*plugins):
        forget()
        return code.fingerprint("measure", plugins)

    yield tmp_path, of
    forget()


def forget():
    for function in ("fingerprint", "packages", "_module"):
        getattr(code, function).cache_clear()


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
    (root / "shapebias/stimuli/transforms/noise.py").write_text("def build(): return 1\n")
    assert of(("transforms", "blur")) == blur
    (root / "shapebias/stimuli/transforms/blur.py").write_text("def build(): return 1\n")
    assert of(("transforms", "blur")) != blur


def test_packages_are_those_that_the_code_imports(house):
    root, of = house
    assert code.packages("measure") == ()
    (root / "shapebias/deep.py").write_text("import torch.nn, json\n\ndef g():\n    return 1\n")
    (root / "shapebias/stimuli/transforms/blur.py").write_text(
        "from PIL import Image\nfrom shapebias.networks.optional_packages import import_package\n\n"
        'def build(): return import_package("timm")\n'
    )
    of()
    assert code.packages("measure") == ("torch",)
    assert code.packages("measure", (("transforms", "blur"),)) == ("PIL", "timm", "torch")


def test_a_moved_or_renamed_module_changes_nothing(house):
    root, of = house
    before = of(("transforms", "blur"))
    (root / "shapebias/rooms").mkdir()
    (root / "shapebias/rooms/__init__.py").write_text("")
    (root / "shapebias/deep.py").rename(root / "shapebias/rooms/deeper.py")
    (root / "shapebias/core.py").unlink()
    (root / "shapebias/rooms/centre.py").write_text(
        "from shapebias.rooms import deeper\n\ndef f():\n    return deeper.g()\n"
    )
    (root / "scripts/measure.py").write_text("from shapebias.rooms.centre import f\n\nprint(f())\n")
    assert of(("transforms", "blur")) == before
    (root / "shapebias/rooms/deeper.py").write_text("def g():\n    return 2\n")
    assert of(("transforms", "blur")) != before


def test_two_modules_with_a_function_of_one_name_are_told_apart(house):
    root, of = house
    (root / "shapebias/deep.py").write_text("def f():\n    return 1\n")
    (root / "shapebias/other.py").write_text("def f():\n    return 2\n")
    script = "from shapebias.{} import f\n\nprint(f())\n"
    (root / "scripts/measure.py").write_text(script.format("deep"))
    first = of()
    (root / "scripts/measure.py").write_text(script.format("other"))
    assert of() != first


def test_modules_that_import_each_other_are_refused(house):
    root, of = house
    (root / "shapebias/deep.py").write_text("from shapebias import core\n\ndef g(): ...\n")
    with pytest.raises(ShapebiasError, match=r"core\.py imports deep\.py imports core\.py"):
        of()
