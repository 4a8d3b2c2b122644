"""Fingerprints of code, on a small project that is edited in every way."""

import textwrap

import pytest

from planning.fingerprints import code
from shapebias.errors import ShapebiasError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one script, a library of three modules and two plug-ins."""
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

    def fingerprint(*plugins):
        clear_caches()
        return code.fingerprint("measure", plugins)

    yield tmp_path, fingerprint
    clear_caches()


def clear_caches():
    for function in ("fingerprint", "packages", "_module"):
        getattr(code, function).cache_clear()


def test_comments_docstrings_and_layout_do_not_count(project):
    root, fingerprint = project
    before = fingerprint()
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
    assert fingerprint() == before


def test_an_edit_behind_two_imports_counts(project):
    root, fingerprint = project
    before = fingerprint()
    (root / "shapebias/deep.py").write_text("def g():\n    return 2\n")
    assert fingerprint() != before


def test_an_edit_of_an_unused_module_does_not_count(project):
    root, fingerprint = project
    before = fingerprint()
    (root / "shapebias/other.py").write_text("x = 2\n")
    assert fingerprint() == before


def test_only_the_named_plugin_counts(project):
    root, fingerprint = project
    blur = fingerprint(("transforms", "blur"))
    assert blur != fingerprint()
    (root / "shapebias/stimuli/transforms/noise.py").write_text("def build(): return 1\n")
    assert fingerprint(("transforms", "blur")) == blur
    (root / "shapebias/stimuli/transforms/blur.py").write_text("def build(): return 1\n")
    assert fingerprint(("transforms", "blur")) != blur


def test_packages_are_those_that_the_code_imports(project):
    root, fingerprint = project
    assert code.packages("measure") == ()
    (root / "shapebias/deep.py").write_text("import torch.nn, json\n\ndef g():\n    return 1\n")
    (root / "shapebias/stimuli/transforms/blur.py").write_text(
        "from PIL import Image\nfrom shapebias.networks.optional_packages import import_package\n\n"
        'def build(): return import_package("timm")\n'
    )
    fingerprint()
    assert code.packages("measure") == ("torch",)
    assert code.packages("measure", (("transforms", "blur"),)) == ("PIL", "timm", "torch")


def test_moving_or_renaming_a_module_does_not_count(project):
    root, fingerprint = project
    before = fingerprint(("transforms", "blur"))
    (root / "shapebias/moved").mkdir()
    (root / "shapebias/moved/__init__.py").write_text("")
    (root / "shapebias/deep.py").rename(root / "shapebias/moved/deeper.py")
    (root / "shapebias/core.py").unlink()
    (root / "shapebias/moved/centre.py").write_text(
        "from shapebias.moved import deeper\n\ndef f():\n    return deeper.g()\n"
    )
    (root / "scripts/measure.py").write_text("from shapebias.moved.centre import f\n\nprint(f())\n")
    assert fingerprint(("transforms", "blur")) == before
    (root / "shapebias/moved/deeper.py").write_text("def g():\n    return 2\n")
    assert fingerprint(("transforms", "blur")) != before


def test_functions_of_the_same_name_in_two_modules_differ(project):
    root, fingerprint = project
    (root / "shapebias/deep.py").write_text("def f():\n    return 1\n")
    (root / "shapebias/other.py").write_text("def f():\n    return 2\n")
    script = "from shapebias.{} import f\n\nprint(f())\n"
    (root / "scripts/measure.py").write_text(script.format("deep"))
    first = fingerprint()
    (root / "scripts/measure.py").write_text(script.format("other"))
    assert fingerprint() != first


def test_import_cycles_are_rejected(project):
    root, fingerprint = project
    (root / "shapebias/deep.py").write_text("from shapebias import core\n\ndef g(): ...\n")
    with pytest.raises(ShapebiasError, match=r"core\.py imports deep\.py imports core\.py"):
        fingerprint()
