"""`check_hessian`: a claimed Hessian, or Hessian-vector product, against differences of the gradient."""

from __future__ import annotations

import dataclasses
import functools
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from fastcheck.checks.check import check, numerical_gradient
from fastcheck.checks.generators import generators_kept
from fastcheck.derivatives.comparing import compare
from fastcheck.derivatives.differences import DifferencesTruth
from fastcheck.derivatives.jacobians import (
    called_at,
    compare_with_truth,
    matrix_report,
    tolerance_of,
)
from fastcheck.derivatives.matrices import ClaimedMatrix, DenseMatrix, OperatorMatrix, read_matrix
from fastcheck.derivatives.matrix_report import MatrixReport
from fastcheck.derivatives.questions import Question, as_floats, ask, named_as, validate_method
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.outputs import gradients_nearby
from fastcheck.engines.graph.recording.advice import reason_for
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.errors import EvaluationError, InvalidProblemError, UnknownSlopeWarning
from fastcheck.execution import Execution
from fastcheck.problem.functions import accepts
from fastcheck.problem.options import validate_seed
from fastcheck.problem.outputs import OutputsInOrder, flat_outputs
from fastcheck.problem.parameters import Layout, Vector, read_parameters
from fastcheck.problem.randomness import repeating
from fastcheck.report.result import Report
from fastcheck.undoing import UndoGuard
from fastcheck.verdict.judging import Verdict, validate_tolerance
from fastcheck.workers.library_threads import one_blas_thread

MOST_COLUMNS = 128
"""Columns of which each takes some gradients that are found numerically; of more, random directions are compared."""

MOST_COLUMNS_PLAINLY = 32
"""The same where each gradient takes two evaluations of the cost for every parameter."""


def check_hessian(
    cost: Callable[[Any], Any],
    x: Any,
    H: Any,
    gradient: Any = None,
    *,
    tolerance: float = 1e-7,
    seed: int = 0,
    method: str = "auto",
) -> MatrixReport:
    """Check a claimed Hessian, or a Hessian-vector product, and report only what is wrong of it.

    Parameters
    ----------
    cost
        J, a function of x that returns one number, as for `check`.
    x
        Where: a float array, a number, a list of numbers, or a dict of arrays, n numbers in all. Never changed.
    H
        The claim: an array of shape (n, n), or the shape of ``x`` twice; a matrix or array of `scipy.sparse`; a
        `LinearOperator`; a function of x that returns any of these; or a Hessian-vector product, a function
        ``hvp(x, v)`` that returns H v in the structure of ``x``.
    gradient
        The function that returns the gradient, if there is one. It is checked itself first, and then the Hessian is
        compared with its Jacobian: exact where the function can be recorded. Without it, the Hessian is compared with
        differences of numerical gradients, which are known to some ten digits.
    tolerance, seed, method
        As for `check_jacobian`.

    Returns
    -------
    MatrixReport
        With a gradient, as `check_jacobian`. Without one: every entry, up to 128 parameters (32 if the cost cannot be
        recorded), by six to 24 numerical gradients for each; of more, ten random directions.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check_jacobian`, and as `check` of the cost.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> def cost(x):
    ...     return x[0] ** 2 * x[1] + np.exp(x[1])
    >>> def gradient(x):
    ...     return np.array([2 * x[0] * x[1], x[0] ** 2 + np.exp(x[1])])
    >>> x = np.array([1.5, 0.5])
    >>> H = np.array([[1.0, 3.0], [0.0, np.exp(0.5)]])
    >>> report = fastcheck.check_hessian(cost, x, H, gradient)
    >>> report.causes
    ('only the upper triangle of H is filled: 1 entry is 0 below the diagonal',)
    """
    return hessian_report(cost, x, H, gradient, tolerance=tolerance, seed=seed, method=method)


def hessian_report(
    cost: Any,
    x: Any,
    H: Any,
    gradient: Any,
    *,
    called: tuple[str, str, str, str] = ("cost", "x", "H", "gradient"),
    tolerance: Any = 1e-7,
    seed: Any = 0,
    method: Any = "auto",
) -> MatrixReport:
    """Do what `check_hessian` does, for arguments that are ``called`` otherwise."""
    start = time.perf_counter()
    function, point, claimed, of_first_order = called
    tolerance, seed, method = validate_tolerance(tolerance), validate_seed(seed), validate_method(method)
    if gradient is not None and not callable(gradient):
        raise InvalidProblemError(
            f"{of_first_order}: expected a function of {point}, or None, got {type(gradient).__name__}."
        )
    x = as_floats(x, point)
    of_gradient = None
    with named_as(function, point, of_first_order):
        layout, theta = read_parameters(x)
        if gradient is not None:
            of_gradient = check(cost, x, gradient, tolerance=tolerance, seed=seed)
    execution = Execution()
    with (
        UndoGuard(),
        execution.workers_kept(),
        execution.watched(),
        generators_kept(cost, H, gradient),
        one_blas_thread(),
    ):
        claim = _read_hessian(repeating(H), claimed, point, x, layout, theta)
        if of_gradient is not None and of_gradient.passed:
            question = _gradient_question(gradient, x, layout, (of_first_order, point))
            names = HessianNames(question)
            report = compare_with_truth(
                question, claim, claimed, tolerance, seed, method, start, execution, names
            )
        else:
            question = Question(
                function=repeating(cost),
                names=(function, point),
                x=x,
                layout=layout,
                theta=theta,
                outputs=[],
                value=theta,
            )
            report = _against_numerical_gradients(
                question, claim, claimed, tolerance, seed, method, start, execution
            )
    report = _with_structure(report, claim)
    return report if of_gradient is None else _with_gradient(report, of_gradient, of_first_order)


NUMERICALLY = (
    "The truth is differences of numerical gradients, in which evaluations are counted. With gradient= it is known "
    "better."
)

ON_MATRIX = {
    Verdict.PASS: "{} is right",
    Verdict.FAIL: "{} is wrong",
    Verdict.INCONCLUSIVE: "could not tell for {}",
}
"""What is said of a Hessian beside a gradient that is wrong."""


class HessianNames:
    """Rows and columns of a Hessian are called as the parameters are."""

    def __init__(self, question: Question) -> None:
        self.row_name = self.column_name = question.column_name
        shape = question.shapes[1]
        self.shapes = shape, shape


def _gradient_question(gradient: Any, x: Any, layout: Layout, called: tuple[str, str]) -> Question:
    """Return the gradient as a function of several outputs, in the order of the parameters."""
    function = repeating(gradient)
    if isinstance(layout.skeleton, Mapping):
        function = OutputsInOrder(function, tuple(layout.skeleton))
    return ask(function, x, called)


def _read_hessian(H: Any, name: str, point: str, x: Any, layout: Layout, theta: Vector) -> ClaimedMatrix:
    """Return the claim as a matrix."""
    is_product = callable(H) and not hasattr(H, "matvec") and not accepts(H, (x,)) and accepts(H, (x, x))
    if is_product:

        def times(vector: Vector) -> Any:
            given = theta.copy()
            product = H(layout.build(given), layout.build(vector))
            if not np.array_equal(given, theta):
                raise EvaluationError(f"{name}: it changes {point} in place. Work on a copy.")
            return flat_outputs(_in_order(product, layout))

        return OperatorMatrix(name, (theta.size, theta.size), times, None)
    shape = layout.blocks[0].shape if len(layout.blocks) == 1 else (theta.size,)
    question = Question(
        function=H, names=(name, point), x=x, layout=layout, theta=theta, outputs=[], value=theta
    )
    value = called_at(question, H, name)
    if isinstance(value, Mapping):
        value = _joined(value, layout, name, point)
    return read_matrix(value, name, [shape], layout, point)


def _in_order(product: Any, layout: Layout) -> Any:
    if isinstance(product, Mapping) and isinstance(layout.skeleton, Mapping):
        return [product[key] for key in layout.skeleton]
    return product


def _joined(value: Mapping[Any, Any], layout: Layout, name: str, point: str) -> Any:
    """Return the blocks of a dict of dicts, H[row][column], as one matrix."""
    rows = []
    for block in layout.blocks:
        of_row = value.get(block.name)
        if not isinstance(of_row, Mapping):
            raise InvalidProblemError(
                f"{name}: expected a dict of dicts with the keys of {point}, got {type(of_row).__name__} for "
                f"{block.name}."
            )
        try:
            parts = [np.reshape(of_row[other.name], (block.size, other.size)) for other in layout.blocks]
        except (KeyError, ValueError) as error:
            raise InvalidProblemError(f"{name}[{block.name!r}]: {error}.") from None
        rows.append(np.concatenate(parts, axis=1))
    return np.concatenate(rows)


def _against_numerical_gradients(
    question: Question,
    claim: ClaimedMatrix,
    name: str,
    tolerance: float,
    seed: int,
    method: str,
    start: float,
    execution: Execution,
) -> MatrixReport:
    """Compare a claim with differences of numerical gradients."""
    held_to, names = tolerance_of(claim, tolerance), HessianNames(question)

    def report(
        gradient: Callable[[Vector], Vector], most_columns: int, workers: Execution | None, *notes: str
    ) -> MatrixReport:
        value = gradient(question.theta)
        truth = DifferencesTruth(gradient, question.theta, value, workers, symmetric=True, threads=False)
        compared = compare(claim, truth, held_to, seed, most_columns, question.theta)
        said = (NUMERICALLY, *notes)
        return matrix_report(names, claim, name, compared, truth, held_to, seed, start, said)

    reason = ""
    if method != "plain":
        try:
            with (
                named_as(*question.names),
                gradients_nearby(question.function, question.x, execution, seed=seed) as gradient,
            ):
                return report(gradient, MOST_COLUMNS, None)
        except (TracingError, DisagreementError) as error:
            if method == "difference":
                raise
            reason = reason_for(error)
    plainly = functools.partial(_numerical_gradient, question)
    return report(plainly, MOST_COLUMNS_PLAINLY, execution, *filter(None, [reason]))


def _numerical_gradient(question: Question, at: Vector) -> Vector:
    with named_as(*question.names):
        point = question.layout.build(at.copy())
        with warnings.catch_warnings():
            warnings.simplefilter("error", UnknownSlopeWarning)
            try:
                found = numerical_gradient(question.function, point, method="plain", progress=False)
            except UnknownSlopeWarning as unknown:
                raise EvaluationError(f"no Hessian can be computed plainly here: {unknown}") from None
    return np.asarray(flat_outputs(_in_order(found, question.layout)), dtype=np.float64)


def _with_structure(report: MatrixReport, claim: ClaimedMatrix) -> MatrixReport:
    """Return the report with what is wrong of the structure of a Hessian that is wrong."""
    if report.verdict is not Verdict.FAIL:
        return report
    said = tuple(_structure(claim, report))
    return dataclasses.replace(report, causes=(*said, *report.causes) if said[1:] or not said else said)


def _structure(claim: ClaimedMatrix, report: MatrixReport) -> Iterator[str]:
    """Yield what a Hessian that is wrong shows of itself: one triangle only, or no symmetry."""
    if isinstance(claim, DenseMatrix):
        matrix = claim.array
    elif claim.kind == "sparse" and claim.shape[0] <= MOST_COLUMNS:
        matrix = claim.columns(np.arange(claim.shape[1])).T
    else:
        return
    for half, other in (("upper", "lower"), ("lower", "upper")):
        empty = np.tril(matrix, -1) if half == "upper" else np.triu(matrix, 1)
        full = np.triu(matrix, 1) if half == "upper" else np.tril(matrix, -1)
        if not empty.any() and full.any():
            side = "below" if other == "lower" else "above"
            count = report.wrong
            verb = "entry is" if count == 1 else "entries are"
            wrong_side = all(
                (e.row > e.column) == (other == "lower") and e.claimed == 0 for e in report.worst
            )
            if wrong_side:
                yield f"only the {half} triangle of {report.name} is filled: {count:,} {verb} 0 {side} the diagonal"
            return
    apart = np.abs(matrix - matrix.T)
    scale = np.maximum(np.abs(matrix), np.abs(matrix.T))
    if (apart > 10 * report.tolerance * np.maximum(scale, 1e-3 * np.max(scale, initial=0.0))).any():
        row, column = (int(k) for k in np.unravel_index(int(np.argmax(apart)), apart.shape))
        yield (
            f"{report.name} is not symmetric: entry [{row}, {column}] is {matrix[row, column]:.6g}, and "
            f"[{column}, {row}] is {matrix[column, row]:.6g}"
        )


def _with_gradient(report: MatrixReport, of_gradient: Report, name: str) -> MatrixReport:
    """Return the report with the verdict on the gradient."""
    if of_gradient.passed:
        note = f"{name} is right: {of_gradient.checked:,} of {of_gradient.size:,} numbers were checked first."
        return dataclasses.replace(report, notes=(*report.notes, note))
    from fastcheck.report.text import first_lines

    said, _ = first_lines(of_gradient)
    said = " ".join(said.split())
    note = f"{name} did not pass: check tells more of it."
    if of_gradient.verdict is not Verdict.FAIL:
        note = f"{name}: {said}. {note}"
        return dataclasses.replace(report, notes=(*report.notes, note))
    said = said.removeprefix("FAIL").strip()
    on_matrix = report.causes or (ON_MATRIX[report.verdict].format(report.name),)
    causes = (f"{name} is wrong: {said}", *on_matrix)
    return dataclasses.replace(report, verdict=Verdict.FAIL, causes=causes, notes=(*report.notes, note))
