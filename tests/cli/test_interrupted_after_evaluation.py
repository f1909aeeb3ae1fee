"""Ctrl-C that comes when all was evaluated loses nothing: the run tells what is known."""

import json
import signal
import sys
import textwrap
from pathlib import Path

import pytest
from files import write

import fastcheck
from fastcheck.cli import main
from fastcheck.interrupting import _waiting

HOME = str(Path(fastcheck.__file__).parent)

TEXT = """
import time

import numpy as np

w = np.arange(1.0, 25.0)

def cost(w):
    time.sleep(SECONDS)
    return float(f"{np.sum(w ** 2):.17g}")

def problem_a():
    return {"cost": cost, "parameters": w, "gradients": 2 * w, "method": "plain"}

def problem_b():
    return {"cost": cost, "parameters": w, "gradients": 2 * w * (1 + (w == 5.0)), "method": "plain"}
"""

PLACES = [
    "engine_findings",
    "assemble",
    "blind_spots",
    "finished",
    "_tell_report",
    "end",
    "close",
    "measured",
    "_told",
]
"""Functions that run when all is evaluated: what is known is put together, workers are ended, it is shown."""


class Signals:
    """Raises signals once a function of fastcheck is called, after an engine's run."""

    def __init__(self, place, name="SIGINT", times=1):
        self.place, self.number, self.times = place, signal.Signals[name], times
        self.is_evaluated = False

    def called(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(HOME):
            return
        name = frame.f_code.co_name
        self.is_evaluated |= name == "engine_findings"
        if self.is_evaluated and name == self.place:
            self.place = None
            for _ in range(self.times):
                signal.raise_signal(self.number)


def run(arguments, signals):
    tracing = sys.gettrace()
    sys.settrace(signals.called)
    try:
        return main(arguments)
    finally:
        sys.settrace(tracing)


def expect_told(tmp_path, capsys, arguments, signals, status):
    before, log = (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)), tmp_path / "run.jsonl"
    log.unlink(missing_ok=True)
    assert run([*arguments, "--log", str(log)], signals) == status
    said = " ".join(capsys.readouterr().out.split())
    assert "not checked" not in said
    assert ("theta[4]" in said) if arguments[1].endswith("_b") else (f"PASS {arguments[1]}" in said)
    last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    assert last["event"] == "end"
    assert last["verdict"] == ("fail" if arguments[1].endswith("_b") else "pass")

    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), _waiting.get()) == (
        *before,
        None,
    )


@pytest.mark.parametrize(
    ("seconds", "options"),
    [(0.0, []), (0.001, ["--backend", "threads", "--jobs", "2"])],
    ids=["alone", "threads"],
)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_known_is_told_wherever_it_comes(tmp_path, capsys, seconds, options, place):
    path = write(tmp_path, "file.py", TEXT.replace("SECONDS", str(seconds)))
    signals = Signals(place, name="SIGINT" if options else "SIGTERM")
    is_there = bool(options) or place != "close"
    expect_told(
        tmp_path,
        capsys,
        ["check", f"{path}::problem_a", *options],
        signals,
        (130 if options else 143) * is_there,
    )


@pytest.mark.parametrize("place", [*PLACES[:4], "find_causes", "guarded", "_tell_report", "to_text"])
def test_so_is_a_mistake(tmp_path, capsys, place):
    path = write(tmp_path, "file.py", TEXT.replace("SECONDS", "0"))
    expect_told(tmp_path, capsys, ["check", f"{path}::problem_b"], Signals(place), 130)


def test_processes_are_ended_undisturbed(tmp_path, capsys):
    path = write(tmp_path, "file.py", TEXT.replace("SECONDS", "0.02"))
    options = ["--backend", "processes", "--jobs", "2"]
    expect_told(tmp_path, capsys, ["check", f"{path}::problem_a", *options], Signals("close"), 130)


def test_the_report_is_kept_while_other_conventions_are_tried(tmp_path, capsys):
    text = """
        import numpy as np

        z = np.array([1.0 + 2.0j, 3.0 - 1.0j])

        def problem_b():
            return {"cost": lambda z: np.sum(np.abs(z) ** 2), "parameters": z, "gradients": z}
    """
    path = write(tmp_path, "file.py", textwrap.dedent(text))
    assert main(["check", str(path)]) == 1
    assert "the claim passes so" in " ".join(capsys.readouterr().out.split())
    for place in ["_with_conventions", "with_leaves"]:
        assert run(["check", str(path)], Signals(place)) == 130
        said = " ".join(capsys.readouterr().out.split())
        assert "FAIL" in said
        assert "not checked" not in said


def test_the_second_one_ends_the_run_at_once_there_too(tmp_path, capsys):
    path = write(tmp_path, "file.py", TEXT.replace("SECONDS", "0"))
    assert run(["check", f"{path}::problem_a"], Signals("engine_findings", times=2)) == 130
    assert capsys.readouterr().err == "fastcheck: interrupted\n"
