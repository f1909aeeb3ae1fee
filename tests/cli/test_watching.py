"""``--watch``: what counts as a change, and the whole loop in a process."""

import itertools
import os
import queue
import signal
import subprocess
import sys
import threading

import pytest

from fastcheck.cli import main, watching
from tests.cli.files import RIGHT, WRONG, write

MOST_SECONDS = 60
"""What a busy machine may take for a line that is certain to come."""


@pytest.fixture
def looks(monkeypatch):
    """Do something at each look instead of waiting: a list of functions, one per look."""
    actions = []
    counter = itertools.count()

    def look(seconds):
        number = next(counter)
        assert number < 20, "no change was seen"
        if number < len(actions):
            actions[number]()

    monkeypatch.setattr(watching.time, "sleep", look)
    return actions


def nothing():
    pass


def test_a_file_that_is_saved_counts_once_it_stays_the_same(tmp_path, looks):
    path = write(tmp_path, "file.py", "x = 1")
    known = watching.stamps([str(path)])
    halves = iter(["x = ", "x = 12", "x = 123"])

    def save_more():
        path.write_text(next(halves))

    looks += [nothing, save_more, save_more, save_more, nothing]
    changed, now = watching._next_change(known)
    assert changed == str(path)
    assert path.read_text() == "x = 123"
    assert now == watching.stamps([str(path)])


def test_a_file_that_is_removed_counts_when_it_is_there_again(tmp_path, looks):
    path, other = write(tmp_path, "file.py", "x = 1"), write(tmp_path, "other.py", "")
    known = watching.stamps([str(path), str(other)])
    looks += [path.unlink, nothing, nothing, lambda: path.write_text("x = 22"), nothing]
    changed, now = watching._next_change(known)
    assert changed == str(path)
    assert None not in now.values()


def test_a_change_during_the_check_is_not_missed(tmp_path, looks):
    path = write(tmp_path, "file.py", "x = 1")
    known = watching.stamps([str(path)])
    path.write_text("x = 22")
    assert watching._next_change(known)[0] == str(path)


def test_files_that_were_read_are_handed_over(tmp_path):
    path, listed = write(tmp_path, "file.py", "x = 1"), tmp_path / "listed"
    files = [str(path), str(tmp_path / "missing.py")]
    watching.write_stamps(files, listed)
    assert watching.read_stamps(listed) == watching.stamps(files)
    assert watching.read_stamps(tmp_path / "nothing") == {}


def test_what_was_written_of_files_is_data(tmp_path):
    listed = tmp_path / "listed"
    for content in ("[]", '{"a.py": 7}', '{"a.py": [1, 2, 3]}', '{"a.py": ["1", "2"]}', "{" * 100_000, "NaN"):
        listed.write_text(content)
        assert watching.read_stamps(listed) == {}
    assert watching.stamps(["null\0character"]) == {"null\0character": None}


def test_names_of_files_reach_the_terminal_as_text(capsys):
    name = "/home/me/\x1b[2J.py"
    watching._say(f"waiting for changes in {watching._named([name])}")
    assert capsys.readouterr().out == "fastcheck: waiting for changes in \\x1b[2J.py\n"


def test_modules_of_the_folder_are_watched_too(tmp_path):
    write(tmp_path, "of_this_folder.py", "THREE = 3")
    path = write(tmp_path, "file.py", "import of_this_folder, json\n" + RIGHT)
    listed = tmp_path / "listed"
    assert main(["check", str(path), "--files-read", str(listed)]) == 0
    assert {os.path.basename(file) for file in watching.read_stamps(listed)} == {
        "file.py",
        "of_this_folder.py",
    }


@pytest.mark.parametrize(("by", "status"), [((), 130), (("Ctrl-C",), 130), (("SIGTERM",), 143)])
def test_the_loop_checks_waits_and_checks_again(tmp_path, monkeypatch, capsys, by, status):
    path = write(tmp_path, "file.py", RIGHT)
    steps = []

    def check_once(command, known, listed):
        assert command[2:] == ["fastcheck", "check", str(path), "--only-wrong", "--files-read", str(listed)]
        steps.append("check")
        return known

    def next_change(known):
        if len(steps) == 2:
            raise KeyboardInterrupt(*by)
        return str(path), known

    monkeypatch.setattr(watching, "_check_once", check_once)
    monkeypatch.setattr(watching, "_next_change", next_change)
    assert main(["check", str(path), "--watch", "--only-wrong"]) == status
    lines = capsys.readouterr().out.splitlines()
    assert steps == ["check", "check"]
    assert lines[0] == "fastcheck: waiting for changes in file.py; Ctrl-C ends it"
    assert lines[1].startswith("fastcheck: file.py was saved at ")
    assert lines[-1] == "fastcheck: ended"


@pytest.mark.slow
def test_the_loop_checks_again_ends_a_check_that_hangs_and_ends_at_ctrl_c(tmp_path):
    path = write(tmp_path, "file.py", RIGHT)
    command = [sys.executable, "-m", "fastcheck", "check", str(path), "--watch"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = queue.Queue()
    reader = threading.Thread(target=lambda: [lines.put(line) for line in run.stdout], daemon=True)
    reader.start()

    def wait_for(text):
        while text not in (line := lines.get(timeout=MOST_SECONDS)):
            assert "\033" not in line  # nothing is cleared in a pipe

    try:
        wait_for("waiting for changes in file.py")
        path.write_text("print('hanging', flush=True)\nwhile True:\n    pass\n")
        wait_for("hanging")
        path.write_text(WRONG)
        wait_for("FAIL")
        wait_for("waiting for changes in file.py")
        run.send_signal(signal.SIGINT)
        assert run.wait(MOST_SECONDS) == 130
    finally:
        run.kill()
        run.wait()
        reader.join(MOST_SECONDS)
        run.stdout.close()
