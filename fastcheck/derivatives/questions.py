"""What the checks of this room are asked: functions, points and options, validated under the names they have here."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from fastcheck.errors import EvaluationError, InvalidProblemError
from fastcheck.problem.functions import expect_arguments
from fastcheck.problem.outputs import Output, flat_outputs, read_outputs
from fastcheck.problem.parameters import Layout, Vector, read_parameters
from fastcheck.problem.posing import check_unchanged

METHODS = ("auto", "difference", "plain")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """A function of several outputs at a point: the layout and vector of that, the outputs and their values.

    ``names`` are those of the function and of the point. ``x`` is the point as the function gets it.
    """

    function: Callable[[Any], Any]
    names: tuple[str, str]
    x: Any
    layout: Layout
    theta: Vector
    outputs: list[Output]
    value: Vector

    @property
    def shape(self) -> tuple[int, int]:
        """That of the Jacobian, (m, n)."""
        return self.value.size, self.theta.size

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Those of the only output and the only block of parameters, () where there are more."""
        outputs, blocks = self.outputs, self.layout.blocks
        return (
            outputs[0].shape if len(outputs) == 1 else (),
            blocks[0].shape if len(blocks) == 1 else (),
        )

    def at(self, point: str) -> Question:
        """Return the same with another name of the point."""
        return dataclasses.replace(self, names=(self.names[0], point))

    def row_name(self, row: int) -> str:
        """Return the name of an output, such as ``f[2]``."""
        return next(output for output in reversed(self.outputs) if output.start <= row).entry(row)

    def column_name(self, column: int) -> str:
        """Return the name of a parameter, such as ``x[0, 3]``."""
        return self.point_name(self.layout.coordinate_name(column)) if column >= 0 else "(random)"

    def point_name(self, name: str) -> str:
        """Return a name of the layout, with that of the point in the place of ``theta``."""
        single = len(self.layout.blocks) == 1 and self.layout.blocks[0].name == "theta"
        return re.sub(r"^theta(?=\[|$)", self.names[1], name) if single else name

    def vector_function(self, theta: Vector) -> Vector:
        """Return the outputs at another point, as a vector; NaN where they are not defined."""
        result = np.asarray(flat_outputs(self.function(self.layout.build(theta.copy()))))
        if result.shape != self.value.shape or result.dtype.kind not in "fiub":
            raise EvaluationError(
                f"{self.names[0]}: it returned {self.value.size:,} numbers at {self.names[1]}, and {result.size:,} of "
                f"dtype {result.dtype} nearby."
            )
        return result.astype(np.float64)


class Names(Protocol):
    """What rows and columns of a matrix are called, and the shapes that their numbers run through."""

    def row_name(self, row: int) -> str:
        """Return the name of a row."""
        ...

    def column_name(self, column: int) -> str:
        """Return the name of a column."""
        ...

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Those of the arrays that rows and columns are the entries of; () where these are several."""
        ...


class TransposedQuestion:
    """The names of the transpose."""

    def __init__(self, question: Names) -> None:
        self.question = question

    def row_name(self, row: int) -> str:
        """Return the name of a parameter."""
        return self.question.column_name(row)

    def column_name(self, column: int) -> str:
        """Return the name of an output."""
        return self.question.row_name(column) if column >= 0 else "(random)"

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Those of point and output."""
        of_rows, of_columns = self.question.shapes
        return of_columns, of_rows


def ask(function: Any, x: Any, names: tuple[str, str] = ("f", "x")) -> Question:
    """Return a validated question. Two evaluations: the second tells whether the function repeats itself.

    Raises `InvalidProblemError` and `EvaluationError`, which call the arguments by their ``names``.
    """
    called, point = names
    if not callable(function):
        raise InvalidProblemError(
            f"{called}: expected a function of {point}, got {type(function).__name__}. Pass the function itself, not "
            "what it returns."
        )
    x = as_floats(x, point)
    with named_as(called, point):
        layout, theta = read_parameters(x)
        expect_arguments(called, function, point, given=x)
    work = theta.copy()
    outputs, value = read_outputs(function(layout.build(work)), called)
    with named_as(called, point):
        check_unchanged(layout, theta, work, called)
    again = read_outputs(function(layout.build(theta.copy())), called)[1]
    if again.shape != value.shape:
        raise EvaluationError(
            f"{called}: called twice, it returned {value.size} numbers and then {again.size}."
        )
    if (np.abs(again - value) > 1e-12 * np.maximum(np.abs(value), np.abs(again))).any():
        place = int(np.argmax(np.abs(again - value)))
        raise EvaluationError(
            f"{called}: called twice with the same {point}, entry {place} is {value[place]!r} and then "
            f"{again[place]!r}. A check needs the same numbers every time: draw random ones once, outside of it."
        )
    return Question(
        function=function, names=names, x=x, layout=layout, theta=theta, outputs=outputs, value=value
    )


def as_floats(x: Any, name: str) -> Any:
    """Return lists of numbers, and whole numbers, as float arrays; everything else as it is."""
    is_list = isinstance(x, (list, tuple)) and not hasattr(x, "_fields")
    if is_list and x and all(isinstance(item, (int, float, np.number)) for item in x):
        return np.asarray(x, dtype=np.float64)
    if isinstance(x, np.ndarray) and x.dtype.kind in "iub":
        return x.astype(np.float64)
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        return float(x)
    if isinstance(x, Mapping):
        return {key: as_floats(value, f"{name}[{key!r}]") for key, value in x.items()}
    return x


@contextlib.contextmanager
def named_as(function: str, point: str, claim: str = "gradient") -> Iterator[None]:
    """Call the cost, its parameters, their only block and the claim by these names in errors."""
    try:
        yield
    except (InvalidProblemError, EvaluationError) as error:
        said = str(error.args[0])
        said = re.sub(r"^cost:", f"{function}:", said)
        said = re.sub(r"^parameters:", f"{point}:", said)
        said = re.sub(r"^(gradients|gradient of theta)\b", claim, said)
        said = re.sub(r"^parameter theta\b", point, said)
        said = re.sub(r"^parameter ", f"{point}: parameter ", said)
        said = re.sub(r"\btheta(?=\[)", point, said)
        raise type(error)(said) from None


def validate_method(method: Any) -> str:
    """Return the way in which derivatives are found."""
    if isinstance(method, str) and method in METHODS:
        return method
    raise InvalidProblemError(f"method: expected one of {', '.join(map(repr, METHODS))}, got {method!r}.")
