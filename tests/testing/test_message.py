"""The message of a failing test: its lines, their width, names that hold anything."""

import dataclasses

import numpy as np
import pytest

import fastcheck
from fastcheck.testing.message import VIEW, failure_message, headline

w = np.array([1.0, -2.0, 3.0, 0.5])


def squares(p):
    return sum(np.sum(value**2) for value in p.values())


def wrong_report(name="W", factor=1.0):
    return fastcheck.check(squares, {name: w}, {name: factor * w})


def test_a_long_sentence_stays_in_the_first_line():
    report = wrong_report()
    sentence = "the backward pass leaves out " + "what is very long " * 20
    cause = dataclasses.replace(report.causes[0], sentence=sentence, lines=(), certain=True)
    report = dataclasses.replace(report, causes=(cause,))
    assert headline(report) == f"FAIL  {sentence}"
    assert failure_message(report).startswith(f"FAIL  {sentence}\n")


def test_names_hold_anything_and_break_no_line():
    name = "<script>\x1b[31m\n" + "x" * 200
    lines = failure_message(wrong_report(name)).split("\n")
    assert "\x1b" not in "".join(lines)
    assert all(not line or line.isprintable() for line in lines)
    assert lines[-1].endswith("]")  # the index is never lost


@pytest.mark.parametrize("factor", [1.0, 4.0, -2.0])
def test_worst_coordinates_stand_in_columns(factor):
    lines = failure_message(wrong_report(factor=factor)).split("\n")
    title = next(line for line in lines if line.split()[:1] == ["claimed"])
    rows = lines[lines.index(title) + 1 :]
    assert [row.split()[-1] for row in rows] == ["W[2]", "W[1]", "W[0]"]
    claimed, numerical = (float(number) for number in rows[0].split()[:2])
    assert (claimed, numerical) == (3 * factor, 6.0)
    assert {row.index("W") for row in rows} == {title.index("coordinate")}


def test_why_nothing_is_known_is_said_in_narrow_lines():
    def single(w):
        return float(np.float32(np.sum(np.sin(w) ** 2)))

    report = fastcheck.check(single, w, np.sin(2 * w))
    lines = failure_message(report).split("\n")
    assert max(map(len, lines)) <= VIEW.width
    assert "tolerance" in " ".join(lines)


def test_a_cost_that_stands_still_is_said_first():
    report = fastcheck.check(lambda w: 1.0 + 0 * np.sum(w), w, w)
    assert headline(report).endswith("  the cost does not change with any of its parameters")


def test_right_coordinates_are_not_listed_beside_wrong_ones():
    w = np.exp(-np.arange(40.0))
    claim = 2 * w
    claim[1] *= 1.01
    report = fastcheck.check(lambda w: float(np.sum(w**2)), w, claim, method="plain")
    assert sum(coordinate.relative_error > report.tolerance for coordinate in report.worst) > 1
    after_title = failure_message(report).split("  coordinate\n")[1]
    assert [line.split()[-1] for line in after_title.splitlines()] == ["theta[1]"]
