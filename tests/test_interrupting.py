"""SIGTERM acts as Ctrl-C does for the time of a block, and only where nobody else decides what it does."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from fastcheck import check
from fastcheck.interrupting import interruptible, interruptions_are_kept, keeping_interruptions, reason_of


def handler():
    return signal.getsignal(signal.SIGTERM)


def test_a_signal_raises_says_which_one_it_was_and_is_handled_as_before_afterwards():
    before = handler(), signal.getsignal(signal.SIGINT)
    for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")):
        with interruptible(signal.SIGINT, signal.SIGTERM) as signals:
            with pytest.raises(KeyboardInterrupt) as caught:
                signal.raise_signal(number)
            assert signals.came == [name]
            assert caught.value.args == (name,)
        assert (handler(), signal.getsignal(signal.SIGINT)) == before
    assert before[0] is signal.SIG_DFL


def test_reasons_name_sigterm_alone():
    assert reason_of(KeyboardInterrupt()) == reason_of(KeyboardInterrupt("Ctrl-C")) == "it was interrupted"
    assert reason_of(KeyboardInterrupt("SIGTERM")) == "it was interrupted by SIGTERM"


def test_a_handler_of_somebody_else_stays():
    came = []
    signal.signal(signal.SIGTERM, lambda *_: came.append("theirs"))
    try:
        with interruptible():
            signal.raise_signal(signal.SIGTERM)
        assert came == ["theirs"]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with interruptible():
            assert handler() is signal.SIG_IGN
        assert handler() is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_a_handler_that_is_set_meanwhile_stays():
    def theirs(*_):
        """Nothing."""

    try:
        with interruptible():
            signal.signal(signal.SIGTERM, theirs)
        assert handler() is theirs
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_blocks_inside_of_each_other_are_one():
    with interruptible() as outer:
        with interruptible(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert outer.came == ["SIGTERM", "SIGTERM"]
    assert handler() is signal.SIG_DFL


def test_other_threads_change_nothing():
    handlers = []

    def check_there():
        with interruptible():
            handlers.append(handler())
        handlers.append(check(lambda w: w**2, 3.0, 6.0).passed)

    thread = threading.Thread(target=check_there)
    thread.start()
    thread.join()
    assert handlers == [signal.SIG_DFL, True]


def test_interruptions_are_kept_only_inside():
    with keeping_interruptions():
        assert interruptions_are_kept()
    assert not interruptions_are_kept()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of Unix")
def test_a_process_that_is_forked_meanwhile_ends_at_once():
    """A pool may end its processes so, in the middle of an evaluation in C."""
    program = """
        import os, signal
        from fastcheck.interrupting import interruptible

        with interruptible():
            child = os.fork()
            if not child:
                os._exit(7 if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL else 8)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_a_check_that_keeps_nothing_raises_as_after_ctrl_c_and_leaves_the_handler():
    calls = []

    def cost(w):
        calls.append(1)
        if len(calls) == 20:
            signal.raise_signal(signal.SIGTERM)
        return float(f"{w @ w:.17g}")

    with pytest.raises(KeyboardInterrupt):
        check(cost, np.ones(30), 2 * np.ones(30), method="plain")
    assert handler() is signal.SIG_DFL
    assert len(calls) == 20
