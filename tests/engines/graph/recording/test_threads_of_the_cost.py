"""Costs that compute in threads of their own, which recording does not follow: it must notice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastcheck import check

W = np.random.default_rng(0).standard_normal((3, 4))
V = np.random.default_rng(1).standard_normal((3, 4))
HERE = np.sum(np.sin(W))


def swallowed(compute):
    """What ``compute`` of w returns in a thread; 0 if it raises there."""

    def part(w):
        out = [0.0]

        def run():
            try:
                out[0] = compute(w)
            except Exception:
                out[0] = 0.0

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return out[0]

    return part


def in_a_pool(w):
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: np.sum(np.sin(w)) - HERE)
    return 0.0 if future.exception() else future.result()


def copied(w):
    plain = np.empty((3, 4))
    plain[:] = w
    return np.sum(np.sin(plain)) - HERE


PARTS = {
    "a thread": swallowed(lambda w: np.sum(np.sin(w)) - HERE),
    "a thread that uses an operator": swallowed(lambda w: (w * w).sum() - (W * W).sum()),
    "a thread that takes an entry": swallowed(lambda w: float(w[0, 0]) - W[0, 0]),
    "a thread that copies into a plain array": swallowed(copied),
    "a thread that asks for text": swallowed(lambda w: len(str(w)) * float(w.tolist()[0][0] - W[0, 0])),
    "a pool": in_a_pool,
}
SLOPES = {
    "a thread": np.cos(W),
    "a thread that uses an operator": 2 * W,
    "a thread that takes an entry": np.eye(1, 12).reshape(3, 4),
    "a thread that copies into a plain array": np.cos(W),
    "a thread that asks for text": None,
    "a pool": np.cos(W),
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (1e3, 1e-7)])
def test_an_error_in_a_thread_ends_the_recording_though_it_is_swallowed(name, offset, scale):
    """At θ the part is 0, as it is where the error is swallowed: J(θ) does not show it."""

    def cost(w):
        return offset + scale * (np.sum(V * w) + PARTS[name](w))

    report = check(cost, W, scale * V)  # without the part
    assert report.method == "plain"
    assert "stopped at line" in report.notes[0]
    assert not report.passed
    if SLOPES[name] is not None:
        report = check(cost, W, scale * (V + SLOPES[name]))
        assert report.verdict == ("pass" if scale == 1 else "inconclusive")


def test_threads_that_leave_the_parameters_alone_do_not_matter():
    def cost(w):
        out = []
        thread = threading.Thread(target=lambda: out.append(np.sum(np.sin(V))))
        thread.start()
        thread.join()
        return np.sum(w**2) * out[0]

    report = check(cost, W, 2 * W * np.sum(np.sin(V)))
    assert (report.passed, report.method) == (True, "difference")
