"""Hints of three grades: where the mistake is, of what kind, and on which line."""

from __future__ import annotations

from fastcheck.course.practice.exercises import Exercise

GRADES = ("where", "kind", "line")
"""Grades of hints, the faintest first."""


def hint(exercise: Exercise, grade: str) -> list[str]:
    """Return the sentences of a hint, a line of code below some of them."""
    return {"where": _where, "kind": _kind, "line": _line}[grade](exercise)


def next_grade(grade: str) -> str | None:
    """Return the grade that tells more, None after the last."""
    place = GRADES.index(grade) + 1
    return GRADES[place] if place < len(GRADES) else None


def _where(exercise: Exercise) -> list[str]:
    *others, last = exercise.blocks
    names = f"{', '.join(others)} and {last}" if others else last
    many = bool(others)
    sentence = (
        f"Wrong {'are the gradients' if many else 'is the gradient'} of {names}, and no other. "
        f"Look at the lines of {exercise.repair} that make {'them' if many else 'it'}."
    )
    return [f"{sentence} {exercise.remark}".rstrip()]


def _kind(exercise: Exercise) -> list[str]:
    return [mistake.kind for mistake in exercise.mistakes]


def _line(exercise: Exercise) -> list[str]:
    return [
        f"Line {exercise.line_number(mistake)}, as it was given, is wrong:\n  {mistake.wrong}"
        for mistake in exercise.mistakes
    ]
