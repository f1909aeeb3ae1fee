"""Workers that die, raise what cannot be pickled, or would wait for an import that waits for them."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from fastcheck import EvaluationError, InvalidProblemError, Verdict, check

IMPORTED = """
import time
import numpy as np
from fastcheck import check, execution
from fastcheck.engines.plain import batches
batches.LEAST_SECONDS_OF_TASK = 0.0
execution.WORKERS_PAY_AFTER = {"processes": 0.0, "threads": 0.0}
W = np.linspace(0.1, 1.0, 40)
def cost(w):
    time.sleep(0.002)
    return float(np.sum(np.sin(w)))
report = check(cost, W, np.cos(W), method="plain", n_jobs=2)
print(report.verdict.name, *report.notes)
"""


@pytest.mark.parametrize(
    "way", ["import checked_on_import", "import runpy; runpy.run_module('checked_on_import')"]
)
def test_a_check_in_the_middle_of_an_import_does_not_wait_for_itself(tmp_path, way):
    """Other processes import the module of the cost, which waits for the check; a script is no module."""
    (tmp_path / "checked_on_import.py").write_text(IMPORTED)
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", way],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": paths},
    )
    said = (
        "n_jobs=2 was not used: other processes would wait for the import of checked_on_import" in done.stdout
    )
    assert done.stdout.startswith("PASS")
    assert said == way.startswith("import checked")


HERE = os.getpid()


class LockedError(Exception):
    """Holds what no other process can have."""

    def __init__(self, what, why):
        super().__init__(f"{what}, as {why}")
        self.lock, self.why = threading.Lock(), why


def raise_locked():
    raise LockedError("it failed", "it is locked")


def raise_local():
    class OddError(ValueError):
        def __init__(self, what, *, code):
            super().__init__(f"{what} {code}")
            self.code = code

    raise OddError("it failed with", code=7)


def raise_unspeakable():
    class UnspeakableError(Exception):
        lock = threading.Lock()

    raise UnspeakableError("nothing of it can be sent")


def checked_with(action, coordinates=(63,), seconds=0.0, **options):
    """Check a cost that does something in a worker where one of these coordinates is moved, alone."""
    theta = np.linspace(0.1, 1.0, 128)

    def cost(w):
        time.sleep(seconds)
        moved = np.flatnonzero(w != theta)
        if os.getpid() != HERE and moved.size == 1 and moved[0] in coordinates:
            action()
        return float(np.sum(np.sin(w)))

    return check(cost, theta, np.cos(theta), method="plain", n_jobs=2, **{"backend": "processes", **options})


@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize(
    "ending",
    [lambda: os.kill(os.getpid(), signal.SIGKILL), pytest.param(lambda: os._exit(3), marks=pytest.mark.slow)],
)
def test_a_worker_that_dies_costs_its_coordinate_and_no_other(ending):
    report = checked_with(ending)
    assert report.verdict is Verdict.INCONCLUSIVE
    block = report.blocks["theta"]
    assert (block.wrong, block.undecided) == (0, 1)
    said = report.to_text()
    assert "lost evaluations" in said
    assert re.search(r"theta\[63\]: no worker came back with it, in 3 tries", said)
    assert re.search(r"EXIT\(3\)|SIGKILL\(-9\)", said)


def crash():
    ctypes.string_at(0)


LINE_OF_CRASH = crash.__code__.co_firstlineno + 1


@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize("backend", ["multiprocessing", pytest.param("processes", marks=pytest.mark.slow)])
def test_a_crash_in_c_is_named_with_the_line_of_the_user_and_the_terminal_stays_calm(backend, capfd):
    report = checked_with(crash, backend=backend)
    assert report.blocks["theta"].undecided == 1
    said = " ".join(report.to_text().split())
    assert re.search(rf"its process ended.* at {re.escape(__file__)}, line {LINE_OF_CRASH} in crash\.", said)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.usefixtures("eager_workers")
def test_all_that_python_says_of_a_crash_is_shown_to_whoever_asks_for_it(capfd, monkeypatch):
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    assert checked_with(crash).blocks["theta"].undecided == 1
    assert "Fatal Python error: Segmentation fault" in capfd.readouterr().err


@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize(
    ("action", "name", "text"),
    [
        (raise_locked, "LockedError", "it failed, as it is locked"),
        pytest.param(raise_local, "OddError", "it failed with 7", marks=pytest.mark.slow),
        pytest.param(
            raise_unspeakable, "UnspeakableError", "nothing of it can be sent", marks=pytest.mark.slow
        ),
        pytest.param(lambda: {}["key"], "KeyError", "'key'", marks=pytest.mark.slow),
    ],
)
def test_what_a_cost_raises_in_workers_alone_is_told_with_type_and_text(action, name, text):
    report = checked_with(action, range(32, 96), seconds=0.002)
    block = report.blocks["theta"]
    assert (report.verdict, block.wrong, block.undecided) == (Verdict.INCONCLUSIVE, 0, 64)
    said = " ".join(report.to_text().split())
    assert "lost evaluations" in said
    assert re.search(rf"theta\[32\]: the cost raised \S*{name}.*: {re.escape(text)}, in 3 tries", said)
    assert "called by itself, in this process, it is defined" in said
    assert any("theta[33], theta[34]" in note for note in report.notes)


@pytest.mark.usefixtures("eager_workers")
def test_what_a_cost_raises_once_in_a_worker_is_redone(tmp_path):
    happened = tmp_path / "happened"

    def raise_once():
        if not happened.exists():
            happened.touch()
            raise OSError("the licence server did not answer")

    report = checked_with(raise_once)
    assert (report.verdict, report.blocks["theta"].undecided) == (Verdict.PASS, 0)


def hang_in_c():
    pow(10, 10**9)


@pytest.mark.usefixtures("eager_workers")
def test_an_evaluation_that_hangs_in_c_is_ended_and_its_line_named():
    report = checked_with(hang_in_c, timeout=2.0)
    assert (report.verdict, report.blocks["theta"].undecided) == (Verdict.INCONCLUSIVE, 1)
    said = " ".join(report.to_text().split())
    assert "theta[63]: the evaluation took longer than its timeout, in 2 tries: it was still at" in said
    assert "in hang_in_c" in said


def test_a_cost_that_hangs_with_the_given_parameters_is_an_error():
    here = os.getpid()

    def cost(w):
        if os.getpid() != here:
            time.sleep(1000)
        return float(np.sum(w**2))

    with pytest.raises(
        EvaluationError, match=r"with the parameters that were given, .* longer than its timeout"
    ):
        check(cost, np.ones(3), 2 * np.ones(3), method="plain", timeout=0.5)


def test_a_cost_that_no_process_can_get_has_no_timeout():
    lock = threading.Lock()

    def cost(w):
        with lock:
            return float(np.sum(w**2))

    with pytest.raises(InvalidProblemError, match="timeout: the cost cannot be sent to another process"):
        check(cost, np.ones(3), 2 * np.ones(3), method="plain", timeout=5.0)


def test_a_cost_that_ends_the_program_near_theta_is_at_a_border():
    def cost(w):
        if w[1] > 1:
            sys.exit(4)
        return float(np.sum(w**2))

    claim = np.array([2.0, 2.0, 2.02])
    report = check(cost, np.ones(3), claim, method="plain")
    assert (report.verdict, report.blocks["theta"].wrong) == (Verdict.FAIL, 1)


@pytest.mark.slow
@pytest.mark.usefixtures("eager_workers")
def test_where_every_evaluation_ends_its_worker_the_check_ends_soon():
    report = checked_with(lambda: os._exit(3), range(128))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.blocks["theta"].undecided > 100  # a few were evaluated here, to see whether workers pay
    assert any("not evaluated any more, as this happened too often" in note for note in report.notes)
