"""A report on a terminal and in a pipe: its colours and its width."""

import dataclasses
import io
import re
import sys

import numpy as np
import pytest
from rich.console import Console

from fastcheck import Stage, StagesReport, Verdict, check
from fastcheck.report.console import make_console
from fastcheck.report.text import rich_report
from fastcheck.report.view import WIDTH

THETA = {"W1": np.linspace(0.1, 1.9, 12).reshape(4, 3), "b1": np.linspace(-1, 1, 4), "gamma": 0.7}


def cost(p):
    return np.sum(np.sin(p["W1"])) + np.sum(p["b1"] ** 2) + p["gamma"] ** 3


def report(**changes):
    right = {"W1": np.cos(THETA["W1"]), "b1": 2 * THETA["b1"], "gamma": 3 * 0.7**2}
    return check(cost, THETA, right | changes, method="plain")


def words(text):
    return " ".join(text.split())


# --- colours ------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "no_color", "coloured"),
    [(Terminal, None, True), (Terminal, "1", False), (io.StringIO, None, False), (io.StringIO, "1", False)],
)
def test_colours_on_terminals_only(monkeypatch, stream, no_color, coloured):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    out = stream()
    monkeypatch.setattr(sys, "stdout", out)
    make_console().print(rich_report(report(gamma=5.0)))
    text = out.getvalue()
    assert "the gradient is wrong in gamma" in text
    assert any(f"\033[{code}" in text for code in ("31m", "1;31m")) is coloured


def test_the_same_words_with_and_without_colours(monkeypatch):
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    shown = report(gamma=5.0)
    make_console().print(rich_report(shown))
    assert words(out.getvalue()) == words(str(shown))
    coloured = shown.to_text(colour=True)
    assert "\033[" in coloured
    assert words(re.sub(r"\033\[[\d;]*m", "", coloured)) == words(str(shown))


# --- width ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "width"), [("50", 60), ("72", 72), ("100", 100), ("250", 120)])
def test_a_report_is_as_wide_as_the_terminal_within_bounds(monkeypatch, columns, width):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    assert make_console().width == width
    noted = dataclasses.replace(report(), notes=("word " * 60,))
    longest = max(map(len, str(noted).splitlines()))
    assert width - 5 <= longest <= width
    assert str(noted) == noted.to_text(width=int(columns))


def test_in_a_pipe_it_has_80_columns(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert make_console().width == WIDTH


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_line_is_too_wide_and_no_figure_is_cut(width, verbose):
    shown = report(gamma=5.0, W1=2 * np.cos(THETA["W1"]))
    lines = shown.to_text(width=width, verbose=verbose).splitlines()
    assert max(map(len, lines)) <= width
    text = words("\n".join(lines))
    for block in shown.blocks.values():
        if verbose or block.verdict is Verdict.FAIL:
            assert f"{block.difference:.2e}" in text
    assert f"{shown.blocks['W1'].worst[0].claimed:.8g}" in text


# --- show -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "variables", "coloured"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (io.StringIO, {}, False),
        (io.StringIO, {"FORCE_COLOR": "1"}, True),
        (io.StringIO, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_show_has_colours_where_they_are_wanted_and_str_never(monkeypatch, stream, variables, coloured):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", out := stream())
    shown = report(gamma=5.0)
    shown.show()
    assert any(f"\033[{code}" in out.getvalue() for code in ("31m", "1;31m")) is coloured
    assert "\033" not in str(shown)
    before = out.getvalue()
    shown.show(verbose=True)
    in_full = out.getvalue().removeprefix(before)
    assert "all 17 parameters checked" in in_full
    assert "b1" in in_full


def test_stages_are_shown_in_the_same_way(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    stages = StagesReport(stages=(Stage(step=3, report=report(gamma=5.0), seconds=0.1),))
    stages.show()
    assert "\033[1;31mFAIL" in out.getvalue()
    assert words(re.sub(r"\033\[[\d;]*m", "", out.getvalue())) == words(str(stages))
    assert "Worst coordinates" in stages.to_text(verbose=True)
    assert "\033" in stages.to_text(colour=True)


def test_a_console_of_the_user_s_prints_it_too():
    file = io.StringIO()
    Console(file=file, width=80).print(report(gamma=5.0))
    assert file.getvalue().startswith("FAIL  ")
    Console(file=file, width=80).print(StagesReport(stages=()))
    assert "INCONCLUSIVE  nothing was checked" in file.getvalue()
