"""Workers that die, raise what cannot be pickled, or would wait for an import that waits for them."""

import os
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from fastcheck import EvaluationError, check

IMPORTED = """
import numpy as np
from fastcheck import check, execution
execution.WORKERS_PAY_AFTER = {"processes": 0.0, "threads": 0.0}
W = np.linspace(0.1, 1.0, 40)
def cost(w):
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


def checked_with(action, coordinate=63):
    """Check a cost that does something in a worker where this coordinate is moved."""
    theta = np.linspace(0.1, 1.0, 128)

    def cost(w):
        if os.getpid() != HERE and w[coordinate] != theta[coordinate]:
            action()
        return float(np.sum(np.sin(w)))

    return check(cost, theta, np.cos(theta), method="plain", n_jobs=2, backend="processes")


@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize("ending", [lambda: os._exit(3), lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_a_worker_that_dies_names_the_coordinates_it_had(ending):
    with pytest.raises(
        EvaluationError, match=r"a worker process ended \((EXIT\(3|SIGKILL\(-9)\)\)"
    ) as caught:
        checked_with(ending)
    assert "theta[62] to theta[63]" in str(caught.value)
    assert "n_jobs=1" in str(caught.value)
    assert checked_with(lambda: None).passed  # with new workers


@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize(
    ("action", "name", "text"),
    [
        (raise_locked, "LockedError", "it failed, as it is locked"),
        (raise_local, "OddError", "it failed with 7"),
        (raise_unspeakable, "UnspeakableError", "nothing of it can be sent"),
        (lambda: {}["key"], "KeyError", "'key'"),
    ],
)
def test_exceptions_arrive_with_type_and_text_also_if_they_cannot_be_pickled(action, name, text):
    with pytest.raises(Exception, match=re.escape(text)) as caught:
        checked_with(action)
    error = caught.value
    assert name in type(error).__name__ or f"{name} in a worker process" in str(error)
    assert any("theta[63]" in note for note in error.__notes__)
    if name == "OddError":
        assert (type(error).__mro__[1], error.code) == (ValueError, 7)
    if name == "LockedError":
        assert (type(error), error.why) == (LockedError, "it is locked")
