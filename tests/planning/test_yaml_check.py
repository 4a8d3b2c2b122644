import pytest

from planning.study.yaml_check import main, unreadable

MISTAKES = {
    "a: [b\n c: d\n": "study.yaml, line 2, column 3, is no YAML: expected ',' or ']', but got ':'",
    "name: a\n\tseed: 1\n": "line 2, column 1, is no YAML: found character '\\t'",
    "a: *there\n": "line 1, column 4, is no YAML: found undefined alias 'there'",
    "a: \0": "is no YAML: ",
    "only text\n": "holds no keys",
    "- a\n- list\n": "holds no keys",
    "": "holds no keys",
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.items())
def test_what_is_no_study_is_told_in_one_line(text, said, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(text)
    assert said in unreadable(file)
    assert "\n" not in unreadable(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"name: caf\xe9\n")
    assert "no text in UTF-8 (byte 10)" in unreadable(tmp_path / "bytes.yaml")
    assert "there is no file" in unreadable(tmp_path / "none.yaml")
    assert "Is a directory" in unreadable(tmp_path)


def test_the_exit_status_tells_a_study_from_none(tmp_path, capsys):
    (tmp_path / "my study.yaml").write_text("name: a\n")
    assert main(str(tmp_path / "my study.yaml")) == 0
    assert main(str(tmp_path / "none.yaml")) == 1
    assert capsys.readouterr().err.startswith("error in the study: there is no file")
