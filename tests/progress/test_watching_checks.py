"""What a check does is shown once it takes longer than a second, in terminals and notebooks, and nowhere else."""

import contextlib
import io
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types

import numpy as np
import pytest

from fastcheck import check
from fastcheck.progress import watching_checks as module
from fastcheck.progress.displays import display_for
from fastcheck.progress.events import listening
from fastcheck.progress.saying import hearing, say
from fastcheck.progress.watching_checks import (
    THREAD_NAME,
    Watched,
    entering,
    python_threads,
    tracked,
    watching,
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Notebook(types.ModuleType):
    """What there is of IPython where a notebook runs."""

    def __init__(self, kernel=True):
        super().__init__("IPython")
        self.shown = []
        self.get_ipython = lambda: types.SimpleNamespace(kernel=object() if kernel else None)
        self.display = types.SimpleNamespace(display=self._display)

    def _display(self, data, raw, display_id=None):
        assert raw
        self.shown.append(data["text/html"])
        return types.SimpleNamespace(update=lambda data, raw: self.shown.append(data["text/html"]))


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(module, "SHOWN_AFTER", 0.0)
    monkeypatch.setattr(module, "RENEWED_AFTER", 0.001)


def on_terminal(monkeypatch):
    """Put a terminal in the place of stderr; pytest puts its own there when a test begins."""
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    return stream


def waited_for(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def nobody_shows():
    return not any(thread.name == THREAD_NAME for thread in threading.enumerate())


@pytest.mark.usefixtures("at_once")
def test_a_terminal_shows_phases_and_coordinates_and_nothing_stays(monkeypatch):
    stderr = on_terminal(monkeypatch)
    with watching(None):
        entering("recording the cost")
        waited_for(lambda: "recording the cost, 1 s so far" in stderr.getvalue())
        entering("evaluating the cost")
        with tracked(2_000) as advance:
            advance(500)
            waited_for(
                lambda: "evaluating the cost: 500 of 2,000 coordinates, 1 s so far" in stderr.getvalue()
            )
            advance(500)
            waited_for(lambda: "1,000 of 2,000 coordinates, about 1 s left" in stderr.getvalue())
    assert stderr.getvalue().endswith(" \r")
    waited_for(nobody_shows)


@pytest.mark.usefixtures("at_once")
def test_lines_are_cut_to_the_terminal(monkeypatch):
    stderr = on_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "30")
    with watching(True):
        entering("a phase with a very long name that would wrap")
        waited_for(lambda: "a very" in stderr.getvalue())
    assert all(len(line) <= 29 for line in stderr.getvalue().split("\r"))


@pytest.mark.parametrize(
    ("wanted", "stream", "shown"),
    [(None, Terminal, True), (None, io.StringIO, False), (True, io.StringIO, True), (False, Terminal, False)],
)
def test_nothing_is_shown_in_a_pipe_unless_it_is_wanted(monkeypatch, wanted, stream, shown):
    monkeypatch.setattr(sys, "stderr", stream())
    assert (display_for(wanted) is not None) is shown


@pytest.mark.usefixtures("at_once")
def test_a_notebook_shows_a_line_that_goes_away_and_needs_no_widgets(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", notebook := Notebook())
    with watching(None):
        entering("certifying <slopes>")
        waited_for(lambda: any("certifying &lt;slopes&gt;" in text for text in notebook.shown))
    assert notebook.shown[-1] == ""


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setitem(sys.modules, "IPython", Notebook(kernel=False))
    assert display_for(None) is None
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    assert display_for(None) is None


def test_what_is_quick_shows_nothing(monkeypatch):
    stderr = on_terminal(monkeypatch)
    with watching(True):
        entering("recording the cost")
    assert stderr.getvalue() == ""


def test_what_is_quick_starts_no_thread_that_anybody_waits_for(monkeypatch):
    on_terminal(monkeypatch)
    started = []
    monkeypatch.setattr(threading.Thread, "start", lambda self: started.append(self.name))
    before = threading.enumerate()
    with watching(True):
        entering("recording the cost")
        assert threading.enumerate() == before
    assert started == []


def test_a_machine_without_threads_shows_nothing_and_checks(monkeypatch):
    stderr = on_terminal(monkeypatch)

    def fail(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module._thread, "start_new_thread", fail)
    assert check(lambda w: np.sum(w**2), np.ones(3), 2 * np.ones(3), progress=True).passed
    assert stderr.getvalue() == ""


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("pause", [0.0, 1e-5, 1e-4, 1e-3])
def test_whenever_a_check_ends_nothing_is_shown_afterwards(monkeypatch, pause):
    stderr = on_terminal(monkeypatch)
    for _ in range(30):
        with watching(True):
            time.sleep(pause)
        shown = stderr.getvalue()
        assert shown == "" or shown.endswith(" \r")
    waited_for(nobody_shows)
    assert stderr.getvalue() == shown


@pytest.mark.usefixtures("at_once")
def test_a_check_inside_of_a_check_is_not_shown_besides(monkeypatch):
    stderr = on_terminal(monkeypatch)
    with watching(True), tracked(10) as advance:
        waited_for(stderr.getvalue)
        with watching(True), tracked(5):
            assert sum(thread.name == THREAD_NAME for thread in threading.enumerate()) == 1
        advance(4)
        waited_for(lambda: "4 of 10 coordinates" in stderr.getvalue())


@pytest.mark.usefixtures("at_once")
def test_a_display_that_breaks_does_not_end_the_check(monkeypatch):
    class Broken(Terminal):
        def write(self, text):
            raise RuntimeError("closed")

    monkeypatch.setattr(sys, "stderr", Broken())
    assert check(lambda w: np.sum(w**2), np.ones(3), 2 * np.ones(3), progress=True).passed
    waited_for(nobody_shows)


@pytest.mark.usefixtures("at_once")
def test_random_numbers_are_kept_as_without_progress(monkeypatch):
    on_terminal(monkeypatch)
    before = python_threads()

    def cost(w):
        assert python_threads() == before
        return np.sum(w**2) + 0 * np.random.rand()  # noqa: NPY002

    np.random.seed(0)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    check(cost, np.ones(3), 2 * np.ones(3), progress=True)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_without_somebody_who_watches_nothing_happens():
    entering("anything")
    with tracked(3) as advance:
        advance(2)
    assert module._watched.get() is None


def test_the_phases_of_a_check_are_told(monkeypatch):
    phases = []
    monkeypatch.setattr(Watched, "enter", lambda self, phase: phases.append(phase))
    monkeypatch.setattr(sys, "stderr", Terminal())
    check(lambda w: np.sum(w**2), np.ones(3), 2 * np.ones(3), progress=True)
    assert phases[0] == "recording the cost"
    assert {"certifying the slopes", "asking the cost itself", "judging the claims"} <= set(phases)
    phases.clear()
    check(lambda w: np.sum(w**2), np.ones(3), np.arange(3.0), method="plain", progress=True)
    assert phases == [
        "measuring the noise of the cost",
        "evaluating the cost",
        "judging the claims",
        "looking for blind spots",
        "searching for the cause",
        *phases[5:],
    ]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="pseudo-terminals are of Unix")
def test_ctrl_c_leaves_the_terminal_clean():
    """The line is overwritten with spaces, and no sequence has changed the terminal."""
    program = """
        import time
        import numpy as np
        from fastcheck import check

        def cost(w):
            time.sleep(0.05)
            return float(f"{np.sum(w ** 2):.17g}")

        w = np.arange(1.0, 301.0)
        check(cost, w, 2 * w, method="plain")
    """
    reading, writing = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stderr=writing,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs of a shell may ignore it
    )
    os.close(writing)
    shown, is_interrupted = b"", False
    with contextlib.suppress(OSError):  # the other end is closed
        while select.select([reading], [], [], 60)[0] and (more := os.read(reading, 4096)):
            shown += more
            if b"left" in shown and not is_interrupted:
                is_interrupted = True  # a second one would meet the interpreter as it ends
                process.send_signal(signal.SIGINT)
    process.wait(60)
    os.close(reading)
    text = shown.decode()
    assert "evaluating the cost: " in text
    assert "\x1b[?25l" not in text
    last_line, traceback = text.split("Traceback")[0], text.split("Traceback")[1]
    assert last_line.endswith(" \r")
    assert "KeyboardInterrupt" in traceback


def test_claims_that_differ_are_told_as_slopes_come_and_parts_count_as_parts(monkeypatch):
    told = []
    monkeypatch.setattr(module, "TOLD_AFTER", 0.0)
    w = np.linspace(1.0, 2.0, 150)
    claim = 2 * w
    claim[[3, 77]] *= 1.01, 3.0

    class Ear:
        def hear(self, kind, fields):
            if kind == "progress":
                told.append(fields)

    def cost(w):
        return float(f"{np.sum(w**2):.17g}")

    for method, options in [("plain", {}), ("reference", {}), ("plain", {"max_forward_passes": 1500})]:
        told.clear()
        with listening(Ear()):
            assert not check(cost, w, claim, method=method, **options).passed
        evaluating = [fields for fields in told if "differ" in fields]
        assert evaluating[-1]["done"] == 150
        assert [fields["done"] for fields in evaluating] == sorted(fields["done"] for fields in evaluating)
        assert evaluating[-1]["differ"] == 2
        assert evaluating[-1]["worst"]["coordinate"] == "theta[77]"
        assert evaluating[-1]["worst"]["slope"] == pytest.approx(2 * w[77])
        told.clear()
        with listening(Ear()):
            assert check(cost, w, 2 * w, method=method, **options).passed
        assert {fields["differ"] for fields in told if "differ" in fields} == {0}


def test_a_function_of_the_users_is_told_besides_those_who_listen(tmp_path):
    w, told = np.linspace(1.0, 2.0, 20), []
    check(
        lambda w: float(f"{np.sum(w**2):.17g}"),
        w,
        2 * w,
        method="plain",
        progress=lambda done, total: told.append((done, total)),
        log=tmp_path / "run.jsonl",
    )
    assert told[-1] == (20, 20)
    assert '"done": 20, "total": 20' in (tmp_path / "run.jsonl").read_text()


def test_progress_that_is_not_shown_is_logged(tmp_path, monkeypatch):
    stderr = on_terminal(monkeypatch)
    w = np.linspace(1.0, 2.0, 20)
    check(lambda w: float(f"{np.sum(w**2):.17g}"), w, 2 * w, progress=False, log=tmp_path / "run.jsonl")
    assert '"done": 20, "total": 20' in (tmp_path / "run.jsonl").read_text()
    assert stderr.getvalue() == ""


@pytest.mark.usefixtures("at_once")
def test_what_is_said_stays_above_the_line_on_a_terminal_as_wide_as_that(monkeypatch):
    stderr = on_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "60")
    sentence = "n_jobs=2 was not used: the cost cannot be sent to other processes (it holds a lock)."
    with watching(None):
        entering("evaluating the cost")
        say(sentence)
        waited_for(lambda: "processes" in stderr.getvalue())
        entering("judging")
        waited_for(lambda: "judging" in stderr.getvalue())
    kept = [line.rpartition("\r")[2].rstrip() for line in stderr.getvalue().split("\n")]
    assert " ".join(kept[:2]) == f"fastcheck: {sentence}"
    assert all(len(line) < 60 for line in kept)
    assert kept[-1] == ""


@pytest.mark.usefixtures("at_once")
def test_what_is_said_stays_below_the_cell_of_a_notebook(monkeypatch):
    notebook = Notebook()
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    with watching(None):
        say("checkpoint <run>: 7 evaluations were found there.")
        waited_for(lambda: len(notebook.shown) > 1)
    assert (
        notebook.shown[0] == "<pre>fastcheck: checkpoint &lt;run&gt;: 7 evaluations were found there.</pre>"
    )
    assert notebook.shown[-1] == ""


def test_whoever_listens_is_told_what_is_said_and_who_hears_it_until_the_end_of_the_block():
    heard, told = [], []
    listener = types.SimpleNamespace(hear=lambda kind, fields: told.append((kind, fields)))
    with listening(listener), hearing(heard.append):
        say("something")
    say("something else")
    assert heard == ["something"]
    assert told == [("note", {"text": "something"})]
