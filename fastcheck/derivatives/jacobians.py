"""`check_jacobian`: a claimed Jacobian against the true one, and only what is wrong of it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastcheck.checks.generators import generators_kept
from fastcheck.derivatives.comparing import Compared, compare
from fastcheck.derivatives.differences import DifferencesTruth
from fastcheck.derivatives.line_causes import with_line
from fastcheck.derivatives.matrices import ClaimedMatrix, OperatorMatrix, read_matrix
from fastcheck.derivatives.matrix_causes import Case, causes_of
from fastcheck.derivatives.matrix_report import MatrixEntry, MatrixReport
from fastcheck.derivatives.questions import (
    Names,
    Question,
    TransposedQuestion,
    ask,
    named_as,
    validate_method,
)
from fastcheck.derivatives.truths import RecordedTruth, Truth
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.outputs import output_products
from fastcheck.engines.graph.recording.advice import reason_for
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.errors import EvaluationError
from fastcheck.execution import Execution
from fastcheck.legible import number_of
from fastcheck.plan.tolerances import tolerance_in
from fastcheck.problem.functions import expect_arguments
from fastcheck.problem.options import validate_seed
from fastcheck.problem.parameters import FLOAT_DTYPES
from fastcheck.problem.posing import next_power_of_ten
from fastcheck.problem.randomness import repeating
from fastcheck.undoing import UndoGuard
from fastcheck.verdict.judging import Verdict, validate_tolerance
from fastcheck.workers.library_threads import one_blas_thread

MOST_WORST = 10
"""Wrong entries that a report keeps."""

LARGEST_TOLERANCE = 0.01
"""Accuracies above this are no tolerance to advise."""

PAIRS = 4
"""Random pairs of vectors along which an operator and its transpose are compared."""


def check_jacobian(
    f: Callable[[Any], Any],
    x: Any,
    J: Any,
    *,
    tolerance: float = 1e-7,
    seed: int = 0,
    method: str = "auto",
) -> MatrixReport:
    """Check a claimed Jacobian of a function of several outputs, and report only what is wrong of it.

    Parameters
    ----------
    f
        The function: it gets ``x``, and returns an array of any shape, m numbers in all, or a list of numbers, or a
        dict of arrays.
    x
        Where: a float array of any shape, a number, a list of numbers, or a dict of arrays, n numbers in all. Never
        changed.
    J
        The claim: an array of shape (m, n), or the shape of the output followed by that of ``x``; a matrix or array of
        `scipy.sparse`; a `LinearOperator`, of which ``matvec`` and ``rmatvec`` are both checked; a dict with an array
        for each key of ``x``; or a function of ``x`` that returns any of these.
    tolerance
        Relative error, in (0, 1), that still counts as right, of each entry, or of a thousandth of the RMS of its
        row. Claims in float32 are held to about 1e-5.
    seed
        Seed of the random vectors.
    method
        ``"difference"``, exact slopes of a function that is recorded, or an error that says why not; ``"plain"``,
        differences of the function itself; ``"auto"``, the first of them that can be done.

    Returns
    -------
    MatrixReport
        Where f can be recorded: every entry, if there are at most 256 rows or columns, in as many sweeps, each of a few
        forward passes' time. Otherwise four random directions and four random cotangents bound the errors of all rows
        and columns, with probability 1 − 1e-9, and what they do not clear is compared entry by entry. Where f is
        evaluated plainly: every entry, up to 1,000 columns, by six to 24 evaluations for each column; of more
        columns, ten random directions. Workers of `joblib.parallel_config` share them.

    Raises
    ------
    InvalidProblemError
        A shape, dtype, value or option does not fit; the message names the argument.
    EvaluationError
        f returned no finite numbers, changed ``x``, or does not repeat itself.
    TracingError, DisagreementError
        With ``method="difference"``, if f cannot be recorded, or its slopes are not certified.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> def f(x):
    ...     return np.array([x[0] * x[1], np.sin(x[1]), x[0] ** 2])
    >>> x = np.array([2.0, 0.5])
    >>> J = np.array([[0.5, 2.0], [0.0, np.cos(0.5)], [2.0, 0.0]])
    >>> report = fastcheck.check_jacobian(f, x, J)
    >>> report.passed, report.wrong, report.causes
    (False, 1, ('row f[2] is ½ times the right one',))
    """
    return jacobian_report(f, x, J, tolerance=tolerance, seed=seed, method=method)


def jacobian_report(
    f: Any,
    x: Any,
    J: Any,
    *,
    called: tuple[str, str, str] = ("f", "x", "J"),
    point: str | None = None,
    tolerance: Any = 1e-7,
    seed: Any = 0,
    method: Any = "auto",
) -> MatrixReport:
    """Do what `check_jacobian` does, for arguments that are ``called`` otherwise, at x, called ``point`` in reports."""
    start = time.perf_counter()
    function, given, claimed = called
    tolerance, seed, method = validate_tolerance(tolerance), validate_seed(seed), validate_method(method)
    execution = Execution()
    with (
        UndoGuard(),
        execution.workers_kept(),
        execution.watched(),
        generators_kept(f, J) as generators,
        one_blas_thread(),
    ):
        question = ask(repeating(f), x, (function, given))
        value = called_at(question, repeating(J), claimed)
        generators.look()
        claim = read_matrix(
            value, claimed, [output.shape for output in question.outputs], question.layout, given
        )
        question = question.at(point or given)
        return compare_with_truth(question, claim, claimed, tolerance, seed, method, start, execution)


def called_at(question: Question, claim: Any, name: str) -> Any:
    """Return a claim, or what a function claims at the point of a question."""
    is_function = callable(claim) and not hasattr(claim, "matvec")
    if not is_function:
        return claim
    expect_arguments(name, claim, question.names[1], given=question.x)
    work = question.theta.copy()
    with named_as(name, question.names[1]):
        value = claim(question.layout.build(work))
    if not np.array_equal(work, question.theta):
        raise EvaluationError(f"{name}: it changes {question.names[1]} in place. Work on a copy.")
    return value


def compare_with_truth(
    question: Question,
    claim: ClaimedMatrix,
    name: str,
    tolerance: float,
    seed: int,
    method: str,
    start: float,
    execution: Execution,
    names: Names | None = None,
    notes: tuple[str, ...] = (),
) -> MatrixReport:
    """Return the report on a claim: against exact slopes if the function can be recorded, or differences."""
    held_to, names = tolerance_of(claim, tolerance), names or question
    reason: tuple[str, ...] = ()
    if method != "plain":
        try:
            with recorded_truth(question, seed, execution) as truth:
                compared = compare(_forwards_only(claim), truth, held_to, seed, point=question.theta)
                report = matrix_report(names, claim, name, compared, truth, held_to, seed, start, notes)
                report = _with_adjoint(report, names, claim, truth, start)
            return with_line(report, question, claim)
        except (TracingError, DisagreementError) as error:
            if method == "difference":
                raise
            reason = (reason_for(error),)
    plain_truth = DifferencesTruth.of(question, execution)
    compared = compare(_forwards_only(claim), plain_truth, held_to, seed, point=question.theta)
    report = matrix_report(names, claim, name, compared, plain_truth, held_to, seed, start, (*notes, *reason))
    return _with_dot_test(report, claim)


def _forwards_only(claim: ClaimedMatrix) -> ClaimedMatrix:
    """Return the claim; of an operator what it multiplies by, without its transpose."""
    if not isinstance(claim, OperatorMatrix):
        return claim
    return OperatorMatrix(claim.name, claim.shape, claim.times, None, claim.dtype)


def _with_adjoint(
    report: MatrixReport, names: Names, claim: ClaimedMatrix, truth: RecordedTruth, start: float
) -> MatrixReport:
    """Return the report with what is wrong of the transpose of an operator, if the operator itself is right."""
    if not isinstance(claim, OperatorMatrix) or claim.transposed is None or not report.passed:
        return report
    if claim.back(np.zeros((1, claim.shape[0]))) is None:
        return dataclasses.replace(report, notes=(*report.notes, "The operator has no rmatvec."))
    name = f"{report.name}.rmatvec"
    adjoint = OperatorMatrix(name, claim.shape[::-1], claim.transposed, None, claim.dtype)
    transposed = truth.transposed
    compared = compare(adjoint, transposed, report.tolerance, report.seed)
    of_adjoint = matrix_report(
        TransposedQuestion(names), adjoint, name, compared, transposed, report.tolerance, report.seed, start
    )
    if not of_adjoint.passed:
        return of_adjoint
    proved = f"matvec and rmatvec: {report.proved}"
    return dataclasses.replace(report, proved=proved, seconds=of_adjoint.seconds)


def _with_dot_test(report: MatrixReport, claim: ClaimedMatrix) -> MatrixReport:
    """Return the report of an operator that is right with what its products say of the transpose, if it has one."""
    if not isinstance(claim, OperatorMatrix) or claim.transposed is None or not report.passed:
        return report
    rng = np.random.default_rng([report.seed, 14])
    directions, cotangents = (rng.standard_normal((PAIRS, size)) for size in claim.shape[::-1])
    back = claim.back(cotangents)
    if back is None:
        return dataclasses.replace(report, notes=(*report.notes, "The operator has no rmatvec."))
    forwards = claim.along(directions)
    here, there = np.sum(forwards * cotangents, axis=1), np.sum(directions * back, axis=1)
    sizes = np.linalg.norm(forwards, axis=1) * np.linalg.norm(cotangents, axis=1)
    sizes += np.linalg.norm(back, axis=1) * np.linalg.norm(directions, axis=1)
    if (np.abs(here - there) <= report.tolerance * sizes).all():
        proved = f"{report.proved}; rmatvec is the transpose along {PAIRS} random pairs"
        return dataclasses.replace(report, proved=proved)
    factor = float(np.sum(here * there) / np.sum(here * here))
    same = (np.abs(there - factor * here) <= 1e-6 * sizes).all()
    multiple = f": it is {factor:.6g} times that" if same else ""
    return dataclasses.replace(
        report,
        verdict=Verdict.FAIL,
        wrong=1,
        complete=False,
        causes=(f"{report.name}.rmatvec is not the transpose of matvec, which is right{multiple}",),
        proved=f"{PAIRS} random pairs: ⟨J v, u⟩ is not ⟨v, Jᵀ u⟩",
    )


@contextmanager
def recorded_truth(question: Question, seed: int, execution: Execution) -> Iterator[RecordedTruth]:
    """Yield exact products with the Jacobian of a question's function; see `output_products` for what is raised."""
    weights = np.random.default_rng([seed, 13]).standard_normal(question.value.size)
    scale = np.abs(question.value)
    usual = float(np.median(scale[scale > 0])) if (scale > 0).any() else 1.0
    weights /= np.where(scale > 0, np.maximum(scale, 1e-8 * usual), usual)
    with (
        named_as(*question.names),
        output_products(question.function, question.x, weights, execution, seed=seed) as products,
    ):
        yield RecordedTruth(products)


def tolerance_of(claim: ClaimedMatrix, tolerance: float) -> float:
    """Return the relative error that counts as right in a claim of its precision."""
    return tolerance_in(claim.dtype, tolerance) if claim.dtype in FLOAT_DTYPES else tolerance


def matrix_report(
    names: Names,
    claim: ClaimedMatrix,
    name: str,
    compared: Compared,
    truth: Truth,
    tolerance: float,
    seed: int,
    start: float,
    notes: tuple[str, ...] = (),
) -> MatrixReport:
    """Return the report on what was compared."""
    verdict = Verdict.PASS
    if compared.is_wrong:
        verdict = Verdict.FAIL
    elif compared.undecided or compared.unproved is not None:
        verdict = Verdict.INCONCLUSIVE
    causes: tuple[str, ...] = ()
    if verdict is Verdict.FAIL:
        causes = causes_of(
            Case(
                name=name,
                claim=claim,
                compared=compared,
                tolerance=tolerance,
                row_name=names.row_name,
                column_name=names.column_name,
                row_shape=names.shapes[0],
                column_shape=names.shapes[1],
            )
        )
    return MatrixReport(
        verdict=verdict,
        name=name,
        shape=claim.shape,
        wrong=compared.count,
        wrong_rows=tuple(np.unique(compared.rows).tolist()),
        wrong_columns=tuple(k for k in np.unique(compared.columns).tolist() if k >= 0),
        complete=compared.complete,
        worst=_worst(names, compared),
        causes=causes,
        proved=_proved(claim, compared, truth),
        undecided=compared.undecided,
        method=truth.method,
        tolerance=tolerance,
        seed=seed,
        forward_passes=truth.forward_passes + 2,
        seconds=time.perf_counter() - start,
        notes=(
            *notes,
            *truth.notes,
            *_kink_notes(compared),
            *_advice(verdict, compared, names, truth, tolerance),
        ),
    )


def _worst(names: Names, compared: Compared) -> tuple[MatrixEntry, ...]:
    error = np.abs(compared.claimed - compared.true)
    order = np.argsort(-error, kind="stable")[:MOST_WORST]
    return tuple(
        MatrixEntry(
            row=int(compared.rows[k]),
            column=int(compared.columns[k]),
            row_name=names.row_name(int(compared.rows[k])),
            column_name=names.column_name(int(compared.columns[k])),
            claimed=float(compared.claimed[k]),
            true=float(compared.true[k]),
        )
        for k in order
    )


def _proved(claim: ClaimedMatrix, compared: Compared, truth: Truth) -> str:
    """Return what was compared, and how well the truth is known."""
    rows, columns = claim.shape
    size = rows * columns
    if compared.checked == size:
        what = f"all {size:,} entries compared" if size > 1 else "the only entry compared"
        how = " with exact slopes" if truth.exact else f" with differences known to {compared.accuracy:.0e}"
        return what + how
    sketch = compared.forwards
    assert sketch is not None
    many = len(sketch.vectors)
    if not truth.exact:
        if compared.is_wrong:
            return f"{rows:,} rows compared along {many} random directions"
        return (
            f"along {many} random directions every row is right to {compared.accuracy:.0e} of its norm, with "
            f"{100 * (1 - sketch.alpha):g} % confidence; single entries were not compared"
        )
    if compared.is_wrong and not compared.complete:
        return f"{compared.checked:,} of {size:,} entries compared; {many} random directions show more to be wrong"
    along = f"{many} random directions"
    if compared.backwards is not None:
        along += f" and {many} random cotangents"
    others = f"; {compared.checked:,} entries compared one by one" if compared.checked else ""
    what = "all other rows" if compared.is_wrong else "all rows"
    sides = f"{what} and columns" if compared.backwards is not None else what
    worst = _bound_in_words(compared)
    return f"{sides} are right along {along}{worst}, probability 1 − {sketch.alpha:.0e}{others}"


def _bound_in_words(compared: Compared) -> str:
    if compared.is_wrong or compared.checked or compared.forwards is None:
        return ""
    sketch = compared.forwards
    known = sketch.sizes > 0
    worst = float(np.max(sketch.error_bounds[known] / sketch.sizes[known], initial=0.0))
    return f", each row to {worst:.0e} of its norm"


def _advice(
    verdict: Verdict, compared: Compared, names: Names, truth: Truth, tolerance: float
) -> Iterator[str]:
    """Yield what to do about a claim of which one cannot tell."""
    if verdict is not Verdict.INCONCLUSIVE:
        return
    reached = max(compared.accuracy, compared.unproved or 0.0)
    if compared.undecided:
        places = [f"({names.row_name(i)}, {names.column_name(j)})" for i, j in compared.undecided_at]
        more = ", …" if compared.undecided > len(places) else ""
        why = ": the function loses the digits there that would tell" if truth.exact else ""
        yield f"{number_of(compared.undecided, 'place')} could not be decided: {', '.join(places)}{more}{why}."
    if not tolerance < reached < LARGEST_TOLERANCE:
        return
    yield (
        f"The truth is known to {reached:.0e}, and the tolerance is {tolerance:.0e}: a tolerance of "
        f"{next_power_of_ten(reached):.0e} decides. A function that can be recorded is known exactly."
    )


def _kink_notes(compared: Compared) -> Iterator[str]:
    if compared.kinks:
        yield (
            f"{compared.kinks:,} entries are at a kink of the function, where the slopes of both sides differ: any "
            "value between them counts as right."
        )
