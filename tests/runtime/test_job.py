import multiprocessing

import pytest

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.io.atomic import atomic_write
from shapebias.plugins import build
from shapebias.progress import ProgressCounter, progress
from shapebias.runtime.job import job
from shapebias.seeds import generator_of, seed_of

CODE = {"study": "tiny", "seed": 1, "fingerprint": "abc"}


def test_an_input_error_is_one_line_and_exit_status_1(tmp_path, capfd):
    with pytest.raises(SystemExit) as caught, job(tmp_path / "log", CODE, [], threads=1):
        raise ShapebiasError("folder photos is missing")
    assert caught.value.code == 1
    assert capfd.readouterr().err == "error: folder photos is missing\n"
    log = (tmp_path / "log").read_text().splitlines()
    assert log[0] == "error: folder photos is missing"
    assert "took" in log[-1] and "MiB" in log[-1]


def test_a_defect_leaves_its_traceback_in_the_log(tmp_path, capfd):
    with pytest.raises(SystemExit) as caught, job(tmp_path / "log", CODE, [], threads=1):
        raise ZeroDivisionError("oh")
    assert caught.value.code == 2
    assert capfd.readouterr().err.count("\n") == 1
    assert "Traceback" in (tmp_path / "log").read_text()


def test_progress_prints_plain_lines_to_the_log(tmp_path):
    with job(tmp_path / "log", CODE, [], threads=1):
        assert list(progress(range(5), what="counting")) == list(range(5))
    assert "counting: 5 of 5" in (tmp_path / "log").read_text()


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with atomic_write(path) as temporary:
        temporary.write_text("after")
    assert path.read_text() == "after"


def test_copies_of_a_job_on_two_nodes_use_different_temporary_files(tmp_path, monkeypatch):
    # Processes of two nodes can have the same id.
    names = set()
    for node in ("c1", "c2"):
        monkeypatch.setattr("socket.gethostname", lambda node=node: node)
        with atomic_write(tmp_path / "file") as temporary:
            names.add(temporary)
            temporary.write_text(node)
    assert len(names) == 2


def write_repeatedly(path, text):
    for _ in range(40):
        with atomic_write(path) as temporary:
            for part in text:
                with temporary.open("a") as file:
                    file.write(part)


def test_copies_of_a_job_at_the_same_time_leave_a_whole_file(tmp_path):
    path, texts = tmp_path / "file", ["a" * 40, "b" * 40]
    copies = [
        multiprocessing.get_context("fork").Process(target=write_repeatedly, args=(path, text))
        for text in texts
    ]
    for copy in copies:
        copy.start()
    contents = set()
    while any(copy.is_alive() for copy in copies):
        if path.exists():
            contents.add(path.read_text())
    assert [copy.exitcode for copy in copies] == [0, 0]
    assert contents <= set(texts)
    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_seeds_depend_on_names_only():
    assert seed_of(0, "a", 1) == seed_of(0, "a", 1)
    assert (
        len({seed_of(0, "a", 1), seed_of(0, "a1"), seed_of(0, "a", "11"), seed_of(1, "a", 1)}) == 4
    )
    assert generator_of(0, "x").random() == generator_of(0, "x").random()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "nois"}, "did you mean 'noise'"),
        ({"kind": "noise", "std": 0.1}, "did you mean 'sd'"),
        ({"kind": "noise"}, "needs the setting 'sd'"),
    ],
)
def test_wrong_settings_of_plugins_are_one_line(settings, message):
    with pytest.raises(ShapebiasError, match=message) as caught:
        build("transforms", **settings)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_known_ones():
    assert str(UnknownName("layer", "conv6", ["conv1", "conv5"])) == (
        "unknown layer: 'conv6'; did you mean 'conv5'? (known: conv1, conv5)"
    )


def test_a_progress_counter_prints_a_last_line(tmp_path):
    with job(tmp_path / "log", CODE, [], threads=1):
        count = ProgressCounter("ablating", 6)
        for done in (1, 2, 3):
            count(done)
    assert "ablating: 6 of 6" in (tmp_path / "log").read_text()
