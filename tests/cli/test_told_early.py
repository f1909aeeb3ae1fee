"""A run of hours says at once that it does without workers, or what it found."""

import json
import sys

from files import write
from test_interrupted_runs import lines_of

from fastcheck.cli import main

LOCKED = """
import threading
import time

import numpy as np

w = np.arange(1.0, 31.0)

class Cost:
    lock = None

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, w):
        time.sleep(0.03)
        print("evaluated", flush=True)
        return float(f"{np.sum(w ** 2):.17g}")

cost = Cost()

def problem():
    return {"cost": cost, "parameters": w, "gradients": 2 * w, "method": "plain"}
"""


class Streams:
    """Takes the place of both streams, and keeps what was written in order."""

    encoding = "utf-8"

    def __init__(self):
        self.written = ""

    def write(self, text):
        self.written += text

    def flush(self):
        pass

    def isatty(self):
        return False


def test_workers_that_are_not_used_are_told_of_before_the_evaluations_and_below_what_is_right(
    tmp_path, monkeypatch
):
    path, log = write(tmp_path, "file.py", LOCKED), tmp_path / "run.jsonl"
    monkeypatch.setattr(sys, "stdout", streams := Streams())
    monkeypatch.setattr(sys, "stderr", streams)
    assert main(["check", str(path), "--jobs", "2", "--backend", "processes", "--log", str(log)]) == 0
    before, sentence, after = streams.written.partition(
        "fastcheck: n_jobs=2 was not used: the cost cannot be sent"
    )
    assert sentence
    assert 2 * before.count("evaluated") < after.count("evaluated")
    shown = after.partition("PASS")[2]
    assert "n_jobs=2 was not used: the cost cannot be sent" in " ".join(shown.split())
    assert max(map(len, shown.splitlines()[1:])) <= 80
    (note,) = (line for line in lines_of(log) if line["event"] == "note")
    assert note["text"].startswith("n_jobs=2 was not used")


def test_what_a_checkpoint_held_is_told_of_before_the_evaluations(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, "file.py", LOCKED.replace("0.03", "0"))
    arguments = ["check", path.name, "--checkpoint", "run.fastcheck"]
    assert main(arguments) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "found there" not in out
    assert main(arguments) == 0
    out, err = capfd.readouterr()
    made = json.loads(err.partition("run.fastcheck: ")[2].split()[0])
    assert made >= 2 * 30
    assert err == f"fastcheck: checkpoint run.fastcheck: {made} evaluations were found there.\n"
    assert f"checkpoint run.fastcheck: {made} evaluations were found there." in out
