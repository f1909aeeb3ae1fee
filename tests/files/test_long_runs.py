import io
import time

import pytest

from fastcheck.files import long_runs
from fastcheck.files.long_runs import said_if_long


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(long_runs, "SHOWN_AFTER", 0.0)


def wait_for(stream):
    while not stream.getvalue():
        time.sleep(0.001)


def test_on_a_terminal_a_line_says_what_takes_long(at_once, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with said_if_long("the file runs"):
        wait_for(stream)
    assert stream.getvalue() == "the file runs\n"


def test_what_is_quick_and_what_is_piped_says_nothing(monkeypatch):
    quick, piped = Terminal(), io.StringIO()
    monkeypatch.setattr("sys.stderr", quick)
    with said_if_long("the file runs"):
        pass
    monkeypatch.setattr(long_runs, "SHOWN_AFTER", 0.0)
    monkeypatch.setattr("sys.stderr", piped)
    with said_if_long("the file runs"):
        time.sleep(0.01)
    assert quick.getvalue() == piped.getvalue() == ""
