"""`check_scipy`: the derivatives that are given to `scipy.optimize`, asked for as SciPy asks for them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from fastcheck.checks.check import check
from fastcheck.derivatives.derivatives_report import DerivativesReport, Part
from fastcheck.derivatives.hessians import hessian_report
from fastcheck.derivatives.jacobians import jacobian_report
from fastcheck.derivatives.questions import named_as
from fastcheck.errors import EvaluationError, InvalidProblemError
from fastcheck.problem.functions import expect_arguments
from fastcheck.problem.options import validate_seed
from fastcheck.problem.outputs import WithArguments
from fastcheck.verdict.judging import validate_tolerance

SCHEMES = ("2-point", "3-point", "cs")
"""What SciPy finds derivatives by itself with."""

Named = Iterator[tuple[str, Part]]


def check_scipy(
    fun: Callable[..., Any],
    x0: Any,
    jac: Any = None,
    *,
    args: Any = (),
    hess: Any = None,
    hessp: Any = None,
    constraints: Any = (),
    tolerance: float = 1e-7,
    seed: int = 0,
) -> DerivativesReport:
    """Check the derivatives that `scipy.optimize` is given: of `minimize`, `least_squares`, `root` and constraints.

    Pass what you pass to SciPy: `scipy.optimize.check_grad` returns a number, this a verdict.

    Parameters
    ----------
    fun
        ``fun(x, *args)``: one number, as for `minimize`, or an array, as for `least_squares` and `root`; with
        ``jac=True`` a pair of that and its derivative.
    x0
        Where: numbers, of one axis. At a point that is special, such as zeros, mistakes may hide: take another.
    jac
        ``jac(x, *args)``: the gradient, or the Jacobian as an array, a sparse matrix or a `LinearOperator`; ``True``;
        or such an array itself. ``"2-point"`` and the like leave it to SciPy, and there is nothing to check.
    args
        Further arguments of ``fun``, ``jac``, ``hess`` and ``hessp``.
    hess, hessp
        Of a ``fun`` that returns one number: ``hess(x, *args)``, and ``hessp(x, p, *args)``.
    constraints
        A `NonlinearConstraint`, a dict with ``fun`` and ``jac``, or several of these; a `LinearConstraint` has nothing
        to check. The ``hess(x, v)`` of a constraint is checked with a random v.
    tolerance, seed
        As for `check` and `check_jacobian`.

    Returns
    -------
    DerivativesReport
        ``report.parts`` has the reports on ``jac``, ``hess``, ``hessp``, ``constraints[0].jac``, and so on.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check_jacobian`; or there is nothing to check.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> def residuals(p, t, y):
    ...     return p[0] * np.exp(-p[1] * t) - y
    >>> def jacobian(p, t, y):
    ...     decay = np.exp(-p[1] * t)
    ...     return np.stack([decay, p[0] * t * decay], axis=1)  # the second column lacks a sign
    >>> t = np.linspace(0.1, 1, 5)
    >>> report = fastcheck.check_scipy(residuals, [2.0, 0.5], jacobian, args=(t, t))
    >>> report.passed, report.parts["jac"].causes
    (False, ('column x[1] has the wrong sign',))
    """
    tolerance, seed = validate_tolerance(tolerance), validate_seed(seed)
    arguments = tuple(args) if isinstance(args, (tuple, list)) else (args,)
    x = _point(x0)
    if not callable(fun):
        raise InvalidProblemError(f"fun: expected a function, got {type(fun).__name__}.")
    expect_arguments("fun", fun, "x", *(f"args[{k}]" for k in range(len(arguments))), given=x)
    parts: dict[str, Part] = {}
    notes: list[str] = []
    asking = _Asking(x, tolerance, seed, notes)
    parts.update(asking.of_function(fun, jac, hess, hessp, arguments))
    several = constraints if isinstance(constraints, (list, tuple)) else (constraints,)
    for number, constraint in enumerate(several):
        parts.update(asking.of_constraint(f"constraints[{number}]", constraint))
    if not parts:
        said = " ".join(notes) or "Neither jac nor hess nor constraints were given."
        raise InvalidProblemError(f"jac: there is nothing to check. {said} Pass your own function.")
    return DerivativesReport(parts=parts, notes=tuple(notes))


class _Asking:
    """Checks of one function after the other, at one point; ``notes`` get what cannot be checked."""

    def __init__(self, x: Any, tolerance: float, seed: int, notes: list[str]) -> None:
        self.x, self.tolerance, self.seed, self.notes = x, tolerance, seed, notes
        self.prefix = ""

    def of_function(self, fun: Any, jac: Any, hess: Any, hessp: Any, arguments: tuple[Any, ...]) -> Named:
        """Yield the reports on the derivatives of ``fun``."""
        function, derivative = _value_and_derivative(fun, jac, arguments)
        derivative = self._claim("jac", derivative)
        value = self._value(function)
        is_cost = value.size == 1 and (value.ndim == 0 or hess is not None or hessp is not None)
        is_cost = is_cost or (
            value.size == 1 and derivative is not None and self._looks_like_gradient(derivative)
        )
        if derivative is not None:
            yield "jac", self._first(function, derivative, is_cost)
        for name, given in (("hess", hess), ("hessp", hessp)):
            claim = self._claim(name, given)
            if claim is None:
                continue
            if not is_cost:
                raise InvalidProblemError(
                    f"{name}: fun returns {value.size} numbers, and such a function has none. Leave it out."
                )
            applied = _product if name == "hessp" else _matrix
            if callable(claim):
                claim = functools.partial(applied, claim, arguments)
            yield name, self._second(function, claim, derivative, name)

    def of_constraint(self, name: str, constraint: Any) -> Named:
        """Yield the reports on the derivatives of a constraint."""
        self.prefix = f"{name}."
        if isinstance(constraint, Mapping):
            if not callable(constraint.get("fun")):
                raise InvalidProblemError(
                    f"{name}: expected a dict with 'fun' and 'jac', got {list(constraint)}."
                )
            arguments = tuple(constraint.get("args", ()))
            function, derivative = _value_and_derivative(constraint["fun"], constraint.get("jac"), arguments)
            hess = None
        elif hasattr(constraint, "fun"):
            function, derivative = WithArguments(constraint.fun), constraint.jac
            hess = getattr(constraint, "hess", None)
        elif hasattr(constraint, "A"):
            self.notes.append(f"{name} is linear: it has no derivatives to check.")
            return
        else:
            raise InvalidProblemError(
                f"{name}: expected a NonlinearConstraint, a LinearConstraint or a dict, got "
                f"{type(constraint).__name__}."
            )
        derivative = self._claim(f"{name}.jac", derivative)
        if derivative is not None:
            yield f"{name}.jac", self._matrix(function, derivative)
        hess = self._claim(f"{name}.hess", hess)
        if hess is not None:
            yield f"{name}.hess", self._of_multipliers(function, derivative, hess)

    def _claim(self, name: str, claim: Any) -> Any:
        """Return a claim, or None, with a note, if there is none to check."""
        if claim is None or claim is False:
            return None
        if isinstance(claim, str):
            if claim not in SCHEMES:
                raise InvalidProblemError(
                    f"{name}: expected a function, True, an array or one of {', '.join(map(repr, SCHEMES))}, got "
                    f"{claim!r}."
                )
            self.notes.append(f"{name}={claim!r} leaves it to SciPy, which takes differences.")
            return None
        if hasattr(claim, "get_matrix"):
            self.notes.append(f"{name} is an update strategy of SciPy's, {type(claim).__name__}.")
            return None
        return claim

    def _value(self, function: Any) -> Any:
        value = function(self.x.copy())
        if value is None:
            raise EvaluationError(
                "fun: expected a number or an array, got None. Does it end in a return statement?"
            )
        return np.asarray(value)

    def _looks_like_gradient(self, derivative: Any) -> bool:
        claimed = derivative(self.x.copy()) if callable(derivative) else derivative
        return not hasattr(claimed, "matvec") and np.shape(claimed) == self.x.shape

    def _first(self, function: Any, derivative: Any, is_cost: bool) -> Part:
        """Return the report on a gradient or Jacobian."""
        if not is_cost:
            return self._matrix(function, derivative)
        if self._value(function).ndim:
            function = WithArguments(functools.partial(_weighted, function, np.ones(1)))
        with named_as("fun", "x0", "jac"):
            return check(function, self.x, derivative, tolerance=self.tolerance, seed=self.seed)

    def _matrix(self, function: Any, derivative: Any) -> Part:
        called = f"{self.prefix}fun", "x0", f"{self.prefix}jac"
        return jacobian_report(
            function,
            self.x,
            derivative,
            called=called,
            point="x",
            tolerance=self.tolerance,
            seed=self.seed,
        )

    def _second(self, function: Any, claim: Any, derivative: Any, name: str) -> Part:
        gradient = derivative if callable(derivative) else None
        called = f"{self.prefix}fun", "x", f"{self.prefix}{name}", f"{self.prefix}jac"
        return hessian_report(
            function, self.x, claim, gradient, called=called, tolerance=self.tolerance, seed=self.seed
        )

    def _of_multipliers(self, function: Any, derivative: Any, hess: Any) -> Part:
        """Return the report on ``hess(x, v)``, the sum of v_i ∇²c_i, for one random v."""
        size = self._value(function).size
        multipliers = np.random.default_rng([self.seed, 31]).standard_normal(size)
        cost = WithArguments(functools.partial(_weighted, function, multipliers))
        gradient = None
        if callable(derivative):
            gradient = WithArguments(functools.partial(_weighted_rows, derivative, multipliers, size))
        claim = functools.partial(_at_multipliers, hess, multipliers)
        return self._second(cost, claim, gradient, "hess")


def _weighted(function: Any, multipliers: Any, x: Any) -> Any:
    return np.sum(multipliers * np.reshape(function(x), (-1,)))


def _weighted_rows(derivative: Any, multipliers: Any, size: int, x: Any) -> Any:
    jacobian = derivative(x)
    if hasattr(jacobian, "tocsr") or hasattr(jacobian, "rmatvec"):
        return jacobian.T @ multipliers
    return multipliers @ np.reshape(jacobian, (size, -1))


def _matrix(hess: Any, arguments: tuple[Any, ...], x: Any) -> Any:
    return hess(x, *arguments)


def _product(hessp: Any, arguments: tuple[Any, ...], x: Any, p: Any) -> Any:
    return hessp(x, p, *arguments)


def _at_multipliers(hess: Any, multipliers: Any, x: Any) -> Any:
    return hess(x, multipliers)


def _value_and_derivative(fun: Any, jac: Any, arguments: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return the function and its derivative, each of x alone."""
    if jac is True:
        return WithArguments(fun, arguments, 0), WithArguments(fun, arguments, 1)
    return WithArguments(fun, arguments), _with(jac, arguments)


def _with(claim: Any, arguments: tuple[Any, ...]) -> Any:
    is_function = callable(claim) and not hasattr(claim, "matvec") and not hasattr(claim, "get_matrix")
    return WithArguments(claim, arguments) if is_function and arguments else claim


def _point(x0: Any) -> Any:
    """Return the point as SciPy passes it to functions: float64, of one axis."""
    try:
        x = np.atleast_1d(np.asarray(x0, dtype=np.float64))
    except (TypeError, ValueError):
        x = np.zeros((0, 0))
    if x.ndim != 1 or not x.size or not np.isfinite(x).all():
        raise InvalidProblemError(f"x0: expected finite numbers of one axis, got {x0!r:.60}.")
    return x
