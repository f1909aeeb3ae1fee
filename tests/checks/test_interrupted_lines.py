"""A check that keeps what is known, interrupted at any line of fastcheck: no wrong verdict, and nothing left behind."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import fastcheck
from fastcheck import Verdict, check
from fastcheck.interrupting import _installed
from fastcheck.progress import events, watching_checks

HOME = str(Path(fastcheck.__file__).parent)
W = np.linspace(1.0, 2.0, 24).reshape(6, 4)
CLAIMS = {"right": 2 * W, "wrong": 2 * W * np.where(np.arange(24).reshape(6, 4) == 5, 1.01, 1.0)}


class Interruption:
    """Raises what SIGTERM does at the k-th line of fastcheck that runs."""

    def __init__(self, at=None):
        self.at, self.count = at, 0

    def called(self, frame, event, argument):
        return self.line if frame.f_code.co_filename.startswith(HOME) else None

    def line(self, frame, event, argument):
        self.count += 1
        if self.count == self.at:
            raise KeyboardInterrupt("SIGTERM")
        return self.line


def cost(w):
    return float(f"{np.sum(w**2):.17g}")


def interrupted(name, path, at=None):
    """Return the report, None if there is none, and how many lines ran."""
    lines, report, tracing = Interruption(at), None, sys.gettrace()
    sys.settrace(lines.called)
    try:
        report = check(cost, W, CLAIMS[name], method="plain", log=path)
    except KeyboardInterrupt:
        assert at is not None
    finally:
        sys.settrace(tracing)
    return report, lines.count


def descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("points", [25, pytest.param(1500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CLAIMS)
def test_no_line_is_a_bad_one_to_be_interrupted_at(name, points, tmp_path):
    path = tmp_path / "run.jsonl"
    interrupted(name, path)
    whole, lines = interrupted(name, path)
    unwanted = Verdict.FAIL if name == "right" else Verdict.PASS
    assert whole.verdict is not unwanted
    before, seen = descriptors(), set()
    for at in np.random.default_rng(points).integers(1, lines, points).tolist():
        report, _ = interrupted(name, path, at)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert (events._listeners.get(), watching_checks._watched.get(), _installed) == ((), None, [])
        assert descriptors() <= before
        if report is not None:
            seen.add(report.verdict)
            assert report.verdict is not unwanted
            assert report.checked == report.size or report.verdict is Verdict.INCONCLUSIVE
    assert Verdict.INCONCLUSIVE in seen
    for line in path.read_text(encoding="utf-8").splitlines():
        json.loads(line)
