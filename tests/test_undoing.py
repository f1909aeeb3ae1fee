"""Ctrl-C at any point leaves nothing behind: no instrumented code, no recorded arrays, no changed settings."""

import contextlib
import functools
import random
import sys
import threading
import types

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from fastcheck import check, numerical_gradient, screen
from fastcheck.engines.graph.recording import session
from fastcheck.engines.graph.tracing import tracing_error
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.undoing import Undoable, UndoGuard
from fastcheck.workers.library_threads import one_blas_thread

W = np.random.default_rng(0).standard_normal(5)
SEEN = []
MODULE_LAST = None


class Network:
    last = None

    def __init__(self):
        self.cache = {}
        self.buffer = np.zeros(5)

    def cost(self, w):
        global MODULE_LAST
        out = np.zeros(2)
        out[0] = w[0] * w[1]
        out[1] = np.sum(w[2:] ** 2)
        MODULE_LAST = self.cache["w"] = Network.last = w
        SEEN.append(out)
        return np.sum(out**2) + np.random.rand() * 0 + random.random() * 0  # noqa: NPY002 — what people write


def storing(network, w):
    """A cost that is recorded at the second attempt."""
    network.buffer[:] = w * 2
    network.cache["w"] = network.buffer
    return np.sum(network.buffer**2)


def blas_threads():
    return [(p["filepath"], p["num_threads"]) for p in threadpool_info() if p["user_api"] == "blas"]


class Interruption:
    """Raises KeyboardInterrupt at the k-th line or call in the files in which something is begun or ended."""

    FILES = (
        "undoing.py", "session.py", "instrumenting.py", "reaching.py", "restoring.py", "execution.py", "generators.py",
        "contextlib.py", "tracing_error.py", "_ufunc_config.py", "automatic.py", "record.py", "runs.py", "engine.py",
        "check.py", "interrupting.py", "library_threads.py", "test_undoing.py",
    )  # fmt: skip

    def __init__(self, at=None):
        self.at, self.count = at, 0

    def called(self, frame, event, argument):
        return self.line if frame.f_code.co_filename.endswith(self.FILES) else None

    def line(self, frame, event, argument):
        self.count += 1
        if self.count == self.at:
            raise KeyboardInterrupt
        return self.line


def perturbed(network):
    return [x for x in (Network.last, MODULE_LAST, network.cache.get("w"), *SEEN) if type(x) is Recorded]


def interrupted(judge, at):
    """Interrupt a check, and assert that everything is as it was; return how many points there were."""
    network = Network()
    for _ in range(2):
        network.cost(W)
    buffer, code_of_storing = network.buffer, storing.__code__
    code, threads, errors = Network.cost.__code__, blas_threads(), np.geterr()
    states = random.getstate(), np.random.get_state()[1:]  # noqa: NPY002
    points = Interruption(at)
    try:
        sys.settrace(points.called)
        judge(network.cost, W)
    except KeyboardInterrupt:
        assert at is not None
    finally:
        sys.settrace(None)
    assert Network.cost.__code__ is code
    assert storing.__code__ is code_of_storing
    assert network.buffer is buffer
    assert type(network.cache["w"]) is np.ndarray
    assert not perturbed(network)
    assert blas_threads() == threads
    assert np.geterr() == errors
    assert random.getstate() == states[0]
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state()[1:], states[1], strict=True))  # noqa: NPY002
    assert not tracing_error._running.stack
    assert not session._open.sessions
    return points.count


JUDGES = {
    "check": lambda cost, w: check(cost, w, np.ones(5)),
    "screen": lambda cost, w: screen(cost, w, np.ones(5)),
    "stores": lambda cost, w: check(functools.partial(storing, cost.__self__), w, 8 * w),
    "numerical_gradient": lambda cost, w: numerical_gradient(cost, w, method="difference"),
}


pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning")
"""Ctrl-C while a generator is freed is swallowed by Python."""


@pytest.fixture(autouse=True)
def _seen(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SEEN", [])
    monkeypatch.setattr(Network, "last", None)
    tracing = sys.gettrace()
    yield
    sys.settrace(tracing)


def points_of(judge, count):
    """Return points at which to interrupt: spread over a check, and close together at its beginning and end."""
    interrupted(judge, None)
    points = interrupted(judge, None)
    assert points > 1500
    spread = np.linspace(1, points, count).astype(int)
    ends = np.arange(points - 3 * count // 2, points + 1, 3)
    return [*spread, *ends]


@pytest.mark.parametrize("judge", JUDGES)
def test_ctrl_c_leaves_everything_as_it_was(judge):
    for at in points_of(JUDGES[judge], 12):
        interrupted(JUDGES[judge], int(at))


@pytest.mark.slow
@pytest.mark.parametrize("judge", JUDGES)
def test_ctrl_c_at_a_thousand_points_leaves_everything_as_it_was(judge):
    for at in points_of(JUDGES[judge], 1000):
        interrupted(JUDGES[judge], int(at))


def test_what_an_interrupted_exit_leaves_is_undone_by_the_guard():
    class Interrupted(Undoable):
        def __init__(self, at):
            self.at, self.done, self.calls = at, 0, 0

        def do(self):
            self.done += 1
            self.point("do")

        def undo(self):
            self.point("before")
            self.done = 0
            self.point("after")

        def point(self, name):
            if name == self.at and self.calls == 0:
                self.calls += 1
                raise KeyboardInterrupt

    for at in ("do", "before", "after", None):
        inner, outer = Interrupted(at), Interrupted(None)
        with contextlib.suppress(KeyboardInterrupt), UndoGuard(), outer, inner:
            assert (outer.done, inner.done) == (1, 1)
        assert (outer.done, inner.done) == (0, 0)


def test_an_entered_block_that_was_never_left_is_undone_by_those_around_it():
    things = []
    thing = types.SimpleNamespace(open=False)

    class Opening(Undoable):
        def do(self):
            thing.open = True

        def undo(self):
            thing.open = False
            things.append("undone")

    with UndoGuard():
        Opening().__enter__()
        assert thing.open
    assert (thing.open, things) == (False, ["undone"])


def test_a_lock_that_ctrl_c_left_behind_does_not_block_the_next_check():
    """As if Ctrl-C had come behind the last statement under the lock, and before it was released."""
    lock = one_blas_thread.asked.lock
    lock.acquire()
    rng = np.random.default_rng(0)
    W = rng.standard_normal((30, 20))
    assert check(lambda p: np.sum(np.tanh(p["W"])), {"W": W}, {"W": 1 - np.tanh(W) ** 2}).passed
    free = []
    thread = threading.Thread(target=lambda: free.append(lock.acquire(timeout=5) and not lock.release()))
    thread.start()
    thread.join()
    assert free == [True]
