"""Files that cannot be used, or no longer: the check goes on without, and says so."""

import errno
import functools
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastcheck
from fastcheck.checkpoints import appending
from fastcheck.checkpoints.appending import THREAD_NAME, CheckpointFile
from fastcheck.checkpoints.records import HEADER, encoded_value
from fastcheck.errors import CheckpointWarning, InvalidProblemError

check = functools.partial(fastcheck.check, method="plain")

THETA = np.array([0.3, -1.2, 0.5, 2.0])


def cost(w):
    return float(np.sum(np.sin(w)))


def wrong(w):
    return np.cos(w) * np.array([1, 1, 1.01, 1])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.fastcheck"


def told(report):
    fields = report.to_dict()
    del fields["seconds"]
    return fields | {"notes": [note for note in fields["notes"] if not note.startswith("checkpoint ")]}


def notes_on(report):
    return [note for note in report.notes if note.startswith("checkpoint ")]


def expect_without(path, reason):
    """Check with a file that cannot be used: right claims pass, wrong ones fail, as without it."""
    for claim in (np.cos, wrong):
        with pytest.warns(CheckpointWarning, match=reason) as warned:
            report = check(cost, THETA, claim, checkpoint=path)
        assert warned[0].filename == __file__
        assert told(report) == told(check(cost, THETA, claim))
        (note,) = notes_on(report)
        assert reason in note
        assert note.endswith("The check goes on without: evaluations are not kept.")


def test_a_folder_is_no_file(tmp_path):
    expect_without(tmp_path, "it is a folder")


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    expect_without(tmp_path / "none" / "run.fastcheck", "No such file or directory")
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_device_is_no_file():
    expect_without("/dev/full", "it is no file that can be kept")


def test_a_pipe_is_no_file_and_nobody_waits_for_its_other_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    expect_without(tmp_path / "pipe", "it is no file that can be kept")


def test_a_folder_that_cannot_be_written_is_no_place(path, monkeypatch):
    refuse_writing(monkeypatch, errno.EACCES)
    expect_without(path, "Permission denied")


def refuse_writing(monkeypatch, error):
    opened = os.open

    def refusing(name, flags, *mode, **more):
        if flags & os.O_RDWR:
            raise OSError(error, os.strerror(error), str(name))
        return opened(name, flags, *mode, **more)

    monkeypatch.setattr(appending.os, "open", refusing)


def test_a_file_that_can_only_be_read_is_read(path, monkeypatch):
    first = check(cost, THETA, np.cos, checkpoint=path)
    before = path.read_bytes()
    refuse_writing(monkeypatch, errno.EROFS)
    with pytest.warns(CheckpointWarning, match="it can only be read"):
        again = check(cost, THETA, np.cos, checkpoint=path)
    assert told(again) == told(first)
    counts, trouble = notes_on(again)
    assert counts.endswith(" 0 were made now.")
    assert "it can only be read (Read-only file system). Evaluations are not kept." in trouble
    with pytest.warns(CheckpointWarning, match="it can only be read"):
        assert not check(cost, THETA, wrong, checkpoint=path).passed
    assert path.read_bytes() == before


class FullDisk:
    """Writes as many bytes as there is room for, as a file system does."""

    def __init__(self, room):
        self.room, self.write = room, os.write

    def __call__(self, descriptor, data):
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data = bytes(data)[: self.room]
        self.room -= len(data)
        return self.write(descriptor, data)


@pytest.mark.parametrize("room", [0, 5, len(HEADER), 100])
def test_a_disk_that_is_full_at_first_is_named(path, monkeypatch, room):
    monkeypatch.setattr(appending.os, "write", FullDisk(room))
    with pytest.warns(CheckpointWarning, match="No space left on device"):
        report = check(cost, THETA, wrong, checkpoint=path)
    monkeypatch.undo()
    assert told(report) == told(check(cost, THETA, wrong))
    assert check(cost, THETA, np.cos, checkpoint=path).passed
    assert notes_on(check(cost, THETA, np.cos, checkpoint=path))[0].endswith(" 0 were made now.")


@pytest.mark.parametrize("beyond", [0, 1, 39, 40, 333])
def test_a_disk_that_gets_full_keeps_whole_records_and_the_check_goes_on(path, monkeypatch, beyond):
    check(cost, THETA, np.cos, checkpoint=path)
    begun = begin_of_values(path)
    path.unlink()
    monkeypatch.setattr(appending.os, "write", FullDisk(begun + beyond))
    with pytest.warns(CheckpointWarning, match=r"cannot be written any more \(No space left on device\)"):
        full = check(cost, THETA, wrong, checkpoint=path)
    monkeypatch.undo()
    assert "Later evaluations are not kept." in notes_on(full)[1]
    assert path.stat().st_size == begun + beyond // 40 * 40
    again = check(cost, THETA, wrong, checkpoint=path)
    assert notes_on(again)[0].split(": ")[1].startswith(f"{beyond // 40:,} evaluation")
    assert told(full) == told(again) == told(check(cost, THETA, wrong))


def begin_of_values(path):
    """Return where the records of evaluations begin."""
    data = path.read_bytes()
    value = encoded_value(0, bytes(16), 0.0)
    return data.index(value[8:16]) - 8


@pytest.mark.parametrize(
    ("name", "goes_on"), [("run.fastcheck", "call goes on"), ("", "call with checkpoint= goes on")]
)
def test_an_interrupted_check_says_that_it_goes_on_where_it_does(tmp_path, name, goes_on):
    class Interrupted:
        calls = 0

        def __call__(self, w):
            self.calls += 1
            if self.calls == 6:
                raise KeyboardInterrupt
            return cost(w)

    with warnings.catch_warnings(record=True, action="always") as warned:
        report = check(Interrupted(), THETA, np.cos, checkpoint=tmp_path / name)
    assert len(warned) == (name == "")
    assert any(goes_on in note for note in report.notes), report.notes


def test_where_warnings_are_errors_a_full_disk_does_not_end_the_check(path, monkeypatch):
    check(cost, THETA, np.cos, checkpoint=path)
    begun = begin_of_values(path)
    path.unlink()
    monkeypatch.setattr(appending.os, "write", FullDisk(begun + 100))
    report = check(cost, THETA, np.cos, checkpoint=path)  # warnings are errors in these tests
    assert report.passed
    assert len(notes_on(report)) == 2


@pytest.mark.skipif(os.name == "nt", reason="files have no limits there")
def test_a_limit_on_the_size_of_files_ends_no_check(path):
    script = (
        "import resource, sys, numpy as np, fastcheck\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        "theta = np.arange(40.0)\n"
        "report = fastcheck.check(lambda w: float(np.sum(w**2)), theta, 2 * theta, method='plain',\n"
        "                         checkpoint=sys.argv[1])\n"
        "print(report.passed, report.notes)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(fastcheck.__file__).parents[1])},
    )
    assert done.stdout.startswith("True"), done.stderr
    assert "File too large" in done.stdout
    assert "CheckpointWarning" in done.stderr


@pytest.mark.parametrize(
    "content", [b"import numpy as np\n", b"fastcheck", bytes(100), b"\x93NUMPY", HEADER[:-3] + b"x"]
)
def test_a_file_that_is_something_else_is_left_as_it_is(path, content):
    path.write_bytes(content)
    if HEADER.startswith(content):
        assert check(
            cost, THETA, np.cos, checkpoint=path
        ).passed  # a run that was killed at its very beginning
        return
    with pytest.raises(InvalidProblemError, match=r"got .*, which is something else and is left as it is"):
        check(cost, THETA, np.cos, checkpoint=path)
    assert path.read_bytes() == content


def test_a_file_of_another_format_is_left_as_it_is(path):
    content = HEADER.replace(b"1", b"27") + b"whatever"
    path.write_bytes(content)
    with pytest.raises(
        InvalidProblemError, match="is of format 27, which this version of fastcheck cannot read"
    ):
        check(cost, THETA, np.cos, checkpoint=path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("given", [3, b"run", "", "a\0b", ["run"]])
def test_what_is_no_path_is_named(given):
    with pytest.raises(InvalidProblemError, match="checkpoint: expected the path of a file"):
        check(cost, THETA, np.cos, checkpoint=given)


def test_damage_in_the_middle_is_named_and_what_it_held_is_evaluated_again(path):
    first = check(cost, THETA, wrong, checkpoint=path)
    data = bytearray(path.read_bytes())
    place = begin_of_values(path) + 2 * 40 + 20
    data[place] ^= 1
    path.write_bytes(data)
    again = check(cost, THETA, wrong, checkpoint=path)
    assert told(again) == told(first)
    counts, damage = notes_on(again)
    assert counts.endswith("1 was made now.")
    assert f"it is damaged: 40 bytes from byte {place - 20:,} on belong to no record" in damage
    third = check(cost, THETA, wrong, checkpoint=path)
    assert notes_on(third)[0].endswith("0 were made now.")


def test_a_tail_that_was_torn_off_is_named_and_cut_off(path):
    first = check(cost, THETA, wrong, checkpoint=path)
    whole = path.stat().st_size
    os.truncate(path, whole - 7)
    again = check(cost, THETA, wrong, checkpoint=path)
    assert told(again) == told(first)
    counts, torn = notes_on(again)
    assert counts.endswith("1 was made now.")
    assert "its last 33 bytes are no whole record" in torn
    assert path.stat().st_size == whole
    assert len(notes_on(check(cost, THETA, wrong, checkpoint=path))) == 1


def test_values_that_were_found_are_those_that_count(path):
    """A file with another value in it, of which the checksum is right, gives another result."""
    first = check(cost, THETA, np.cos, checkpoint=path)
    data, place = path.read_bytes(), path.stat().st_size - 40
    key = data[place + 16 : place + 32]
    path.write_bytes(data[:place] + encoded_value(0, key, 17.0))
    assert told(check(cost, THETA, np.cos, checkpoint=path)) != told(first)


def test_another_process_that_uses_the_file_keeps_it(path):
    script = (
        "import sys\nfrom fastcheck.checkpoints.appending import CheckpointFile\n"
        "file = CheckpointFile(sys.argv[1])\nprint('open', flush=True)\nsys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(fastcheck.__file__).parents[1])},
    )
    try:
        assert other.stdout.readline() == "open\n"
        expect_without(path, "another process is using it")
        other.kill()
        other.wait()
        assert check(cost, THETA, np.cos, checkpoint=path).passed
        (note,) = notes_on(check(cost, THETA, np.cos, checkpoint=path))
        assert note.endswith("0 were made now.")
    finally:
        other.kill()
        other.wait()
        other.stdin.close()
        other.stdout.close()


def test_nothing_is_left_open_whatever_happens(path):
    def raising(w):
        raise KeyboardInterrupt

    def count():
        return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0

    before = count()
    check(cost, THETA, np.cos, checkpoint=path)
    with pytest.raises(InvalidProblemError):
        check(cost, THETA + 1, np.cos, checkpoint=path)
    with pytest.raises(KeyboardInterrupt):
        check(cost, THETA, raising, checkpoint=path)
    assert count() == before
    assert THREAD_NAME not in {thread.name for thread in threading.enumerate()}
    assert not appending._open_files


def test_what_was_written_is_put_on_the_disk_within_a_second(path, monkeypatch):
    synced = threading.Event()
    monkeypatch.setattr(appending, "SYNC_SECONDS", 0.01)
    monkeypatch.setattr(appending.os, "fsync", lambda _descriptor: synced.set())
    file = CheckpointFile(str(path))
    try:
        file.append(encoded_value(0, bytes(16), 1.0))
        assert synced.wait(30)
    finally:
        file.close()
