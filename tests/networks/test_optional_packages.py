"""Optional packages and the files that they ship."""

import pytest

from shapebias.errors import ShapebiasError
from shapebias.networks.optional_packages import file_in_package


def test_files_in_packages(tmp_path, monkeypatch):
    (tmp_path / "shipped" / "models").mkdir(parents=True)
    (tmp_path / "shipped" / "__init__.py").touch()
    (tmp_path / "shipped" / "models" / "a.pth").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert file_in_package("shipped", "*.pth").name == "a.pth"
    assert file_in_package("shipped", "models/a.pth").name == "a.pth"
    with pytest.raises(ShapebiasError, match=r"one file 'b\.pth'; found: none"):
        file_in_package("shipped", "b.pth")
    (tmp_path / "shipped" / "models" / "b.pth").touch()
    with pytest.raises(ShapebiasError, match=r"found: models/a\.pth, models/b\.pth"):
        file_in_package("shipped", "*.pth")
    with pytest.raises(ShapebiasError, match="not installed: pip install no_such_package"):
        file_in_package("no_such_package", "*.pth")


def test_an_error_inside_a_package_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "faulty").mkdir()
    (tmp_path / "faulty" / "__init__.py").write_text("import no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        file_in_package("faulty", "*")
