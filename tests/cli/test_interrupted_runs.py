"""A run of the command line that a batch system ends tells what it knows by then."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from files import RIGHT, write

from fastcheck.cli import main

SLOW = """
import time

import numpy as np

w = np.arange(1.0, 251.0)

def slow(w):
    time.sleep(0.004)
    return float(f"{np.sum(w ** 2):.17g}")

def problem_quick():
    return lambda w: np.sum(w**2), w, 2 * w

def problem_slow():
    return {"cost": slow, "parameters": w, "gradients": 2 * w + (w == 5.0), "method": "plain"}

def problem_that_comes_last():
    return slow, w, 2 * w
"""

SIGNALLED = """
import signal

import numpy as np

w, calls = np.arange(1.0, 31.0), []

def cost(w):
    calls.append(1)
    if len(calls) == CALL:
        signal.raise_signal(signal.NAME)
    return float(f"{np.sum(w ** 2):.17g}")

def problem_a():
    return {"cost": cost, "parameters": w, "gradients": 2 * w, "method": "plain"}

def problem_b():
    return cost, w, 2 * w
"""


def lines_of(path):
    return (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    )


def test_a_batch_system_ends_a_run_which_reports_and_logs_what_is_known(tmp_path, monkeypatch, capsys):
    path, log = write(tmp_path, "slow.py", SLOW), tmp_path / "run.jsonl"
    kept_files = ["--log", log.name, "--json", "kept.json", "--checkpoint", "run.fastcheck"]
    run = subprocess.Popen(
        [sys.executable, "-m", "fastcheck", "check", path.name, *kept_files],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
    )
    try:
        until = time.monotonic() + 60
        while not any(line["event"] == "progress" and line["total"] == 250 and 0 < line["done"] < 250
                      for line in lines_of(log)):  # fmt: skip
            assert run.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=60)
    finally:
        run.kill()
    assert (run.returncode, err) == (143, "")
    out = " ".join(out.split())
    assert "PASS slow.py::problem_quick" in out
    assert "INCONCLUSIVE could not tell for theta" in out
    assert "stopped, as it was interrupted by SIGTERM" in out
    assert "interrupted; not checked: problem_that_comes_last" in out
    assert "3 problems: 1 right, 1 inconclusive, 1 could not be checked" in out
    kept = json.loads((tmp_path / "kept.json").read_text(encoding="utf-8"))
    assert [entry.get("report", {}).get("verdict", entry.get("error")) for entry in kept] == [
        "pass",
        "inconclusive",
        "not checked, as the run was interrupted",
    ]
    ends = [
        (line["problem"], line["verdict"], line["reason"]) for line in lines_of(log) if line["event"] == "end"
    ]
    assert ends == [
        ("slow.py::problem_quick", "pass", "it was done"),
        ("slow.py::problem_slow", "inconclusive", "it was interrupted by SIGTERM"),
        ("slow.py::problem_that_comes_last", None, "not checked, as the run was interrupted"),
    ]
    assert lines_of(log)[-1]["event"] == "end"
    last_progress = [line for line in lines_of(log) if line["event"] == "progress"][-1]
    assert last_progress["differ"] == 1
    assert last_progress["worst"]["coordinate"] == "theta[4]"
    assert "the same call goes on from there" in out
    monkeypatch.chdir(tmp_path)
    assert main(["check", f"{path.name}::problem_slow", "--checkpoint", "run.fastcheck"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "theta[4]" in out
    found = int(re.search(r"([\d,]+) evaluations", out)[1].replace(",", ""))
    assert found >= 2 * last_progress["done"]


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
@pytest.mark.parametrize("call", [2, 50])
def test_the_status_names_the_signal_and_the_handlers_are_as_before(tmp_path, capsys, name, status, call):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    text = SIGNALLED.replace("CALL", str(call)).replace("NAME", name)
    path = write(tmp_path, "file.py", text)
    assert main(["check", str(path)]) == status
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    out = " ".join(capsys.readouterr().out.split())
    is_posed = call > 2
    assert ("INCONCLUSIVE" in out) is is_posed
    assert ("not checked: problem_b" if is_posed else "not checked: problem_a, problem_b") in out


def test_other_files_are_not_looked_at_any_more(tmp_path, capsys):
    text = SIGNALLED.replace("CALL", "30").replace("NAME", "SIGTERM")
    first, second = write(tmp_path, "first.py", text), write(tmp_path, "second.py", RIGHT)
    log, kept = tmp_path / "run.jsonl", tmp_path / "kept.json"
    assert main(["check", str(first), str(second), "--log", str(log), "--json", str(kept)]) == 143
    said = "".join(capsys.readouterr().out.split())  # a long path is cut where the line ends
    assert f"notchecked:problem_b,{second}" in said
    entries = json.loads(kept.read_text(encoding="utf-8"))
    assert entries[-1]["error"] == "not checked, as the run was interrupted"
    assert lines_of(log)[-1]["problem"] == str(second)


def test_a_second_interruption_ends_the_run_at_once(tmp_path, capsys):
    text = SIGNALLED.replace("len(calls) == CALL", "len(calls) in (1, 2)").replace("NAME", "SIGINT")
    assert main(["check", str(write(tmp_path, "file.py", text + "\nproblem_b = problem_a\n"))]) == 130
    again = textwrap.dedent(
        """
        import signal

        def problem():
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                signal.raise_signal(signal.SIGTERM)
        """
    )
    assert main(["check", str(write(tmp_path, "again.py", again))]) == 143
    assert capsys.readouterr().err.endswith("fastcheck: interrupted\n")


def test_code_that_swallows_ctrl_c_does_not_keep_the_run_going(tmp_path, capsys):
    text = """
        import signal
        import numpy as np

        def problem_a():
            try:
                signal.raise_signal(signal.SIGINT)
            except BaseException:
                pass
            return lambda w: np.sum(w**2), np.ones(3), 2 * np.ones(3)

        def problem_b():
            return lambda w: np.sum(w**2), np.ones(3), 2 * np.ones(3)
    """
    assert main(["check", str(write(tmp_path, "file.py", textwrap.dedent(text)))]) == 130
    assert "not checked: problem_a, problem_b" in " ".join(capsys.readouterr().out.split())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disk that is full is a device of Linux")
def test_a_log_that_cannot_be_written_is_told_of_at_once_and_changes_no_status(tmp_path, capsys):
    path = write(tmp_path, "file.py", RIGHT)
    assert main(["check", str(path), "--log", "/dev/full"]) == 0
    out, err = capsys.readouterr()
    sentence = "log: /dev/full could not be written (No space left on device); the check goes on without it."
    assert err == f"fastcheck: {sentence}\n"
    assert " ".join(out.split()).endswith(sentence)
    assert max(map(len, out.splitlines()[-2:])) <= 80


def test_problems_that_fail_before_a_check_begins_are_in_the_log(tmp_path):
    text = RIGHT + "\ndef problem_broken():\n    raise ZeroDivisionError('no way')\n"
    log = tmp_path / "run.jsonl"
    assert main(["check", str(write(tmp_path, "file.py", text)), "--log", str(log)]) == 3
    ends = {line["problem"].rpartition("::")[2]: line for line in lines_of(log) if line["event"] == "end"}
    assert ends["problem_broken"]["verdict"] is None
    assert "ZeroDivisionError: no way" in ends["problem_broken"]["reason"]
