"""Errors in the YAML of a study, reported in one line."""

import pytest

from planning.study.errors import StudyError
from planning.study.yaml_check import check_file, main

ERRORS = {
    "a: [b\n c: d\n": "expected ',' or ']', but got ':' in \"study.yaml\", line 2, column 3",
    "name: a\n\tseed: 1\n": "found character '\\t' that cannot start any token in",
    "a: *there\n": "study.yaml is not valid YAML: found undefined alias 'there'",
    "a: \0": "is not valid YAML: ",
    "a: 2026-13-01\n": "is not valid YAML: month must be in 1..12",
    "only text\n": "has no keys",
    "- a\n- list\n": "has no keys",
    "": "has no keys",
    "models: &m {a: *m}\n": "line 1: a YAML alias (`*name`) refers to a value that contains it",
    "models:\n  a: &m [b, *m]\n": "line 2: a YAML alias (`*name`) refers to a value",
    "? [a, b]\n: 1\n": 'found unhashable key in "study.yaml", line 1, column 3',
    "a: &m {b: 1, <<: *m}\n": "line 1: a YAML alias (`*name`) refers to a value that contains it",
    "a: &m {b: 1}\nc:\n  <<: *m\n  <<: *m\n  d: 1\n  d: 2\n": "line 6: duplicate key 'd'",
}


@pytest.mark.parametrize(("text", "message"), ERRORS.items())
def test_a_file_that_is_not_a_study_is_refused_in_one_line(text, message, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(StudyError) as caught:
        check_file(file)
    assert message in str(caught.value).replace(f"{tmp_path}/", "")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bytes.yaml", r"bytes\.yaml is not valid YAML: .* in .*bytes\.yaml"),
        ("none.yaml", r"none\.yaml cannot be read: No such file"),
        ("", "Is a directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name, message, tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(StudyError, match=message):
        check_file(tmp_path / name)


def test_a_value_may_be_used_by_several_aliases(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("a: &m {b: [1]}\nc: {d: *m, e: *m}\n")
    check_file(file)


def test_the_exit_status_is_1_for_a_file_with_an_error(tmp_path, capsys):
    (tmp_path / "my study.yaml").write_text("name: a\n")
    assert main(str(tmp_path / "my study.yaml")) == 0
    assert main(str(tmp_path / "none.yaml")) == 1
    assert capsys.readouterr().err.startswith("error in the study: ")
