"""The line of a check that runs: as much as fits, what is longest shortened first."""

import numpy as np
import pytest

from fastcheck.progress.differing import Differing
from fastcheck.progress.live_line import Moment, live_line


def differing(number, name="W1[3, 0]", compared=1240):
    claims = Differing(lambda _: name)
    claimed = np.zeros(compared)
    claimed[:number] = 1.0
    claims.compare(np.arange(compared), claimed, np.zeros(compared), np.full(compared, 0.1))
    return claims


def moment(claims=None, *, done=1240, total=2000, left=43.0):
    return Moment(
        phase="evaluating the cost", seconds=70.0, done=done, total=total, left=left, differing=claims
    )


LONG = "encoder.layers[11].attention.output.weight[1023, 511]"


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (moment(), "evaluating the cost: 1,240 of 2,000 coordinates, about 45 s left"),
        (moment(left=None), "evaluating the cost: 1,240 of 2,000 coordinates, 1 min so far"),
        (moment(differing(0)), "1,240 of 2,000 coordinates, none differ so far, about 45 s left"),
        (
            moment(differing(3)),
            "1,240 of 2,000 coordinates, 3 differ so far (worst W1[3, 0]), about 45 s left",
        ),
        (
            moment(differing(3, LONG)),
            "1,240 of 2,000, 3 differ so far (worst encoder.…ht[1023, 511]), about 45 s left",
        ),
        (
            moment(differing(1203, LONG, 9999), done=124_000, total=200_000),
            "124,000 of 200,000, 1,203 differ so far (worst encod…23, 511]), about 45 s left",
        ),
        (Moment(phase="recording the cost", seconds=3.0), "recording the cost, 3 s so far"),
    ],
)
def test_eighty_columns(shown, line):
    assert live_line(shown, 79) == line


def test_a_wide_place_shows_all_of_it():
    line = live_line(moment(differing(3)), 100)
    assert line == (
        "evaluating the cost: 1,240 of 2,000 coordinates, 3 differ so far (worst W1[3, 0]), about 45 s left"
    )


@pytest.mark.parametrize("name", ["b", LONG])
def test_lines_are_never_wider_than_their_place_and_always_tell_how_many_differ(name):
    for width in range(30, 140):
        line = live_line(moment(differing(3, name)), width)
        assert "3 differ so far" in line
        assert len(line) <= max(width, len("1,240 of 2,000, 3 differ so far"))
