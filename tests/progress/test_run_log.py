"""The log is lines of JSON whatever happens, and what cannot be written ends no check."""

import errno
import json
import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcheck import InvalidProblemError, check
from fastcheck.errors import LogWarning
from fastcheck.progress import run_log
from fastcheck.progress.events import tell
from fastcheck.progress.run_log import RunLog, as_line

W = np.arange(1.0, 7.0)


def unrecordable(w):
    return float(f"{np.sum(w**2):.17g}")


def lines_of(path):
    text = path.read_bytes()
    assert text.endswith(b"\n")
    return [json.loads(line, parse_constant=pytest.fail) for line in text.decode().splitlines()]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from([np.float32("nan"), np.int8(3), np.array([1.0, math.inf]), {1, 2}, (), object()]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(values)
def test_any_value_is_one_line_of_valid_json(value):
    line = as_line({"event": value})
    assert line.count(b"\n") == 1
    json.loads(line, parse_constant=pytest.fail)


def test_a_check_logs_its_beginning_its_phases_its_progress_and_its_end(tmp_path):
    path = tmp_path / "run.jsonl"
    for claim in (2 * W, 2 * W + 1):
        check(unrecordable, W, claim, method="plain", log=path)
    lines = lines_of(path)
    first = lines[: 1 + next(k for k, line in enumerate(lines) if line["event"] == "end")]
    kinds = [line["event"] for line in first]
    assert kinds[:2] == ["start", "problem"]
    assert {"phase", "progress"} <= set(kinds)
    assert (first[1]["coordinates"], first[1]["blocks"]) == (6, {"theta": [6]})
    done = [line for line in first if line["event"] == "progress"][-1]
    assert (done["done"], done["total"]) == (6, 6)
    assert (first[-1]["verdict"], first[-1]["reason"]) == ("pass", "it was done")
    assert (lines[-1]["event"], lines[-1]["verdict"], lines[-1]["wrong"]) == ("end", "fail", 6)
    assert all(line["pid"] == os.getpid() for line in lines)


def test_an_error_ends_the_log_with_what_it_says(tmp_path):
    path = tmp_path / "run.jsonl"

    def broken(w):
        raise ZeroDivisionError("no way")

    with pytest.raises(ZeroDivisionError):
        check(broken, W, 2 * W, log=path)
    last = lines_of(path)[-1]
    assert (last["event"], last["verdict"], last["reason"]) == ("end", None, "ZeroDivisionError: no way")


def test_conventions_that_are_tried_besides_are_no_checks_of_their_own(tmp_path):
    path = tmp_path / "run.jsonl"
    z = np.array([1 + 2j, 3 - 1j])
    report = check(lambda z: np.sum(np.abs(z) ** 2), z, np.conj(2 * z), log=str(path))
    assert not report.passed
    assert [line["event"] for line in lines_of(path)].count("end") == 1


@pytest.mark.parametrize("path", ["no/such/folder/run.jsonl", ".", "", "nul\0byte"])
def test_a_path_that_cannot_be_written_warns_and_is_a_note(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(LogWarning, match="the check goes on without it") as warned:
        report = check(unrecordable, W, 2 * W, log=path)
    assert [warning.filename for warning in warned] == [__file__]
    assert report.passed
    assert report.notes[-1].startswith("log: ")
    assert report.notes[-1].endswith("the check goes on without it.")


def test_what_is_no_path_is_an_error_that_names_the_argument():
    with pytest.raises(InvalidProblemError, match="log: expected the path of a file"):
        check(unrecordable, W, 2 * W, log=3)


def test_a_disk_that_is_full_leaves_whole_lines_and_a_note(tmp_path, monkeypatch):
    path, written = tmp_path / "run.jsonl", 0
    write = os.write

    def almost_full(file, data):
        nonlocal written
        written += 1
        return write(file, data if written < 3 else data[:10])

    monkeypatch.setattr(run_log.os, "write", almost_full)
    report = check(unrecordable, W, 2 * W, log=path)
    assert report.passed
    assert "only a part of a line could be written" in report.notes[-1]
    assert len(lines_of(path)) == 2

    def full(file, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_log.os, "write", full)
    report = check(unrecordable, W, 2 * W, log=path)
    assert report.passed
    assert "No space left on device" in report.notes[-1]
    assert len(lines_of(path)) == 2


def test_a_line_that_was_cut_off_is_ended_first(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(b'{"event": "pro')
    with RunLog(path):
        tell("phase", phase="a phase")
    cut_off, ours = path.read_bytes().splitlines()
    assert cut_off == b'{"event": "pro'
    assert json.loads(ours)["phase"] == "a phase"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_a_pipe_that_nobody_reads_does_not_hold_up_a_check(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.warns(LogWarning):
        report = check(unrecordable, W, 2 * W, log=tmp_path / "pipe")
    assert report.passed
    assert "the check goes on without it" in report.notes[-1]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted on Linux")
def test_no_file_stays_open_whatever_ends_the_check(tmp_path):
    def interrupted(w):
        raise KeyboardInterrupt

    before = os.listdir("/proc/self/fd")
    check(unrecordable, W, 2 * W, log=tmp_path / "run.jsonl")
    with pytest.raises(KeyboardInterrupt):
        check(interrupted, W, 2 * W, log=tmp_path / "run.jsonl")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_process_that_was_forked_writes_nothing(tmp_path):
    path = tmp_path / "run.jsonl"
    with RunLog(path) as log:
        log.process = -1  # as a child sees it
        tell("phase", phase="in a child")
    assert path.read_bytes() == b""
