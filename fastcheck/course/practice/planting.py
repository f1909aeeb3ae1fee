"""A mistake that is planted in a right network, and the question which it is."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fastcheck.course.practice.exercises import Mistake, planted, read
from fastcheck.course.practice.report_of_file import report_of
from fastcheck.errors import InvalidProblemError
from fastcheck.report.result import Report

CHOICES = 4
"""Answers to choose from."""

DATA_BLOCKS = ("W1", "b1", "W2", "b2", "W3", "b3")

PLANTED = (
    Mistake(
        right="dW2 = np.dot(dZ2, A1.T) / m + LAMBD / m * W2",
        wrong="dW2 = 2 * (np.dot(dZ2, A1.T) / m + LAMBD / m * W2)",
        blocks=("W2",),
        kind="dW2 is doubled",
    ),
    Mistake(
        right="db1 = np.sum(dZ1, axis=1, keepdims=True) / m",
        wrong="db1 = 4 / m * np.sum(dZ1, axis=1, keepdims=True)",
        blocks=("b1",),
        kind="db1 has the coefficient 4/m, not 1/m",
    ),
    Mistake(
        right="dW1 = np.dot(dZ1, X.T) / m + LAMBD / m * W1",
        wrong="dW1 = np.dot(dZ1, X.T) / m",
        blocks=("W1",),
        kind="dW1 lacks the term of the L2 penalty",
    ),
    Mistake(
        right="dW2 = np.dot(dZ2, A1.T) / m + LAMBD / m * W2",
        wrong="dW2 = np.dot(dZ2, A1.T) / m + LAMBD / (2 * m) * W2",
        blocks=("W2",),
        kind="the term of the L2 penalty in dW2 is halved",
    ),
    Mistake(
        right="dW3 = np.dot(dZ3, A2.T) / m + LAMBD / m * W3",
        wrong="dW3 = np.dot(dZ3, A2.T) / m - LAMBD / m * W3",
        blocks=("W3",),
        kind="the term of the L2 penalty in dW3 has the wrong sign",
    ),
    Mistake(
        right="dZ2 = dA2 * (Z2 > 0)",
        wrong="dZ2 = dA2",
        blocks=("W1", "b1", "W2", "b2"),
        kind="the derivative of the ReLU of layer 2 is left out",
    ),
    Mistake(
        right="dZ1 = dA1 * (Z1 > 0)",
        wrong="dZ1 = dA1",
        blocks=("W1", "b1"),
        kind="the derivative of the ReLU of layer 1 is left out",
    ),
    Mistake(
        right="dZ3 = A3 - Y",
        wrong="dZ3 = Y - A3",
        blocks=DATA_BLOCKS,
        kind="dZ3 has the wrong sign: Y − A3",
    ),
    Mistake(
        right="dZ3 = A3 - Y",
        wrong="dZ3 = (A3 - Y) * A3 * (1 - A3)",
        blocks=DATA_BLOCKS,
        kind="dZ3 has the derivative of the sigmoid once too often",
    ),
    Mistake(
        right="db3 = np.sum(dZ3, axis=1, keepdims=True) / m",
        wrong="db3 = np.sum(dZ3, axis=1, keepdims=True)",
        blocks=("b3",),
        kind="db3 is a sum over the samples, not their mean",
    ),
    Mistake(
        right="dW3 = np.dot(dZ3, A2.T) / m + LAMBD / m * W3",
        wrong="dW3 = np.dot(dZ3, A2.T) + LAMBD / m * W3",
        blocks=("W3",),
        kind="dW3 is a sum over the samples, not their mean",
    ),
    Mistake(
        right="dA1 = np.dot(W2.T, dZ2)",
        wrong="dA1 = np.dot(W2.T, dA2)",
        blocks=("W1", "b1"),
        kind="dA1 is made of dA2, not of dZ2",
    ),
)
"""Mistakes that may be planted; ``kind`` is how they are called."""


class Question(NamedTuple):
    """The mistake that was planted, by its number in `PLANTED`, and the answers to choose from, by theirs."""

    mistake: int
    choices: tuple[int, ...]

    @property
    def answer(self) -> int:
        """The number of the right answer, from 1."""
        return self.choices.index(self.mistake) + 1


def question_of(seed: int, mistake: int | None = None) -> Question:
    """Return the question of a seed: the same one for the same seed. ``mistake`` is one to be planted, from 1."""
    if mistake is not None and not 1 <= mistake <= len(PLANTED):
        raise InvalidProblemError(
            f"mistake: expected a number from 1 to {len(PLANTED)}, got {mistake}. They are listed by: "
            "fastcheck course plant --list"
        )
    draw = random.Random(seed)
    place = draw.randrange(len(PLANTED)) if mistake is None else mistake - 1
    others = [k for k in range(len(PLANTED)) if k != place]
    draw.shuffle(others)
    others.sort(key=lambda k: set(PLANTED[k].blocks).isdisjoint(PLANTED[place].blocks))  # the likeliest first
    return Question(place, tuple(sorted([place, *others[: CHOICES - 1]])))


def network_with(mistakes: Sequence[Mistake]) -> str:
    """Return the text of the network with these mistakes."""
    return planted(read("right_network.txt"), tuple(mistakes))


def report_on(mistake: Mistake) -> Report:
    """Return the report on the network with a mistake."""
    with tempfile.TemporaryDirectory(prefix="fastcheck-") as folder:
        path = Path(folder) / "network.py"
        path.write_text(network_with([mistake]), encoding="utf-8")
        report = report_of(path)
    if not isinstance(report, Report):
        raise TypeError(report)
    return report
