"""The gradient checks of the courses: the textbook loop, and `fastcheck.check` where it calls a gradient wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, overload

import numpy as np

from fastcheck.course.lessons import check_again, likely_mistakes, print_message
from fastcheck.course.networks import Parameters, forward_propagation_n, l2_penalty
from fastcheck.course.propagation import backward_propagation, forward_propagation, is_of_a_network
from fastcheck.course.vectors import (
    Array,
    claim_to_vector,
    dictionary_to_vector,
    identify_coordinate,
    vector_to_dictionary,
)
from fastcheck.engines.plain.reference import central_differences
from fastcheck.errors import InvalidProblemError
from fastcheck.report.result import Coordinate
from fastcheck.verdict.judging import relative_difference

Forward = Callable[[Array, Array, Parameters], Any]

THRESHOLD = 2e-7
"""The courses call a difference above this a mistake."""

AIMED_FOR = 1e-7
"""The difference that the courses aim for where they compare it themselves."""

ENTRIES_SHOWN = 10
"""Entries with the largest errors that are shown."""


@overload
def gradient_check(
    x: float,
    theta: float,
    epsilon: float = 1e-7,
    print_msg: bool = False,
    *,
    forward: Callable[[float, float], float] | None = None,
    backward: Callable[[float, float], float] | None = None,
) -> float: ...


@overload
def gradient_check(
    parameters: Parameters,
    gradients: Mapping[str, Array],
    X: Array,
    Y: Array,
    epsilon: float = 1e-7,
    print_msg: bool = False,
    *,
    forward: Forward | None = None,
    lambd: float = 0.0,
) -> float: ...


def gradient_check(*args: Any, **kwargs: Any) -> float:
    """Check the 1-D exercise, or claimed gradients of a network; returns the difference.

    ``gradient_check(x, theta, epsilon=1e-7, print_msg=False, forward=…, backward=…)`` costs two forward passes; your
    own functions of x and θ take the place of the course's. ``gradient_check(parameters, gradients, X, Y, …)`` is
    `gradient_check_n` for those who ask ``if difference < 1e-7``: it looks again above 1e-7, not above 2e-7.

    >>> from fastcheck.course import gradient_check_n_solved_case
    >>> gradient_check(3.0, 4.0) < 1e-8
    True
    >>> parameters, gradients, X, Y = gradient_check_n_solved_case()
    >>> gradient_check(parameters, gradients, X, Y) < 1e-7
    True
    """
    if is_of_a_network(args, kwargs):
        return _check_network(AIMED_FOR, *args, **kwargs)
    return _check_1d(*args, **kwargs)


def gradient_check_n(
    parameters: Parameters,
    gradients: Mapping[str, Array],
    X: Array,
    Y: Array,
    epsilon: float = 1e-7,
    print_msg: bool = False,
    *,
    forward: Forward | None = None,
    lambd: float = 0.0,
) -> float:
    """Check claimed gradients of `forward_propagation_n` by the textbook loop; returns the difference.

    Costs two forward passes a parameter: 94 for the course's 47. With a right gradient and ε = 1e-7 the
    difference is about 1.2e-7: the loop subtracts two costs that agree to seven digits, which leaves an error
    of about 1e-16·|J|/ε in each entry. A difference above 2e-7 may be that error, too, or a kink between θ ± ε: then
    `fastcheck.check` looks again, and if the gradient passes, its difference is returned.

    Parameters
    ----------
    parameters, gradients, X, Y
        W1, b1, …; dW1, db1, … of the same shapes, other keys are ignored; (features, m); (m,) or (1, m).
    epsilon
        The step of the loop.
    print_msg
        Print what the difference means, and what a mistake looks like: a transposed gradient, a penalty left out.
    forward
        Your own forward pass, ``forward(X, Y, parameters)``, which returns the cost, or the cost and a cache.
    lambd
        λ of the L2 penalty that is added to the course's cost. A ``forward`` of your own adds its own.

    Raises
    ------
    InvalidProblemError
        If a gradient is missing or has not the shape of its parameter, or the step moves nothing.

    Examples
    --------
    >>> from fastcheck.course import gradient_check_n_solved_case
    >>> parameters, gradients, X, Y = gradient_check_n_solved_case()
    >>> round(gradient_check_n(parameters, gradients, X, Y), 9)
    1.19e-07
    """
    return _check_network(
        THRESHOLD, parameters, gradients, X, Y, epsilon, print_msg, forward=forward, lambd=lambd
    )


def detailed_gradient_check(
    parameters: Parameters,
    gradients: Mapping[str, Array],
    X: Array,
    Y: Array,
    epsilon: float = 1e-7,
    *,
    forward: Forward | None = None,
    lambd: float = 0.0,
) -> None:
    """Print the ten entries of the vector with the largest errors |g − ĝ|, the largest last.

    `identify_parameter` says which entry an index is; `largest_errors` returns them for programs. The arguments are
    those of `gradient_check_n`.
    """
    claimed, numerical = _compare(parameters, gradients, X, Y, epsilon, _cost(X, Y, forward, lambd))
    differences = np.abs(numerical - claimed)
    print("Parameters with largest gradient errors:")
    for index in np.argsort(differences, kind="stable")[-ENTRIES_SHOWN:]:
        print(
            f"Index {index}: approx={numerical[index]:.8f}, backprop={claimed[index]:.8f}, "
            f"diff={differences[index]:.8f}"
        )


def largest_errors(
    parameters: Parameters,
    gradients: Mapping[str, Array],
    X: Array,
    Y: Array,
    epsilon: float = 1e-7,
    *,
    forward: Forward | None = None,
    lambd: float = 0.0,
) -> list[Coordinate]:
    """Return the ten coordinates with the largest errors |g − ĝ|, worst first, with name and position.

    The arguments are those of `gradient_check_n`. Costs two forward passes a parameter.
    """
    claimed, numerical = _compare(parameters, gradients, X, Y, epsilon, _cost(X, Y, forward, lambd))
    error = np.abs(claimed - numerical)
    worst = []
    for i in np.argsort(-error, kind="stable")[:ENTRIES_SHOWN]:
        name, position = identify_coordinate(int(i), parameters)
        largest = max(abs(claimed[i]), abs(numerical[i]))
        worst.append(
            Coordinate(
                block=name.removeprefix("d"),
                index=position,
                claimed=float(claimed[i]),
                numerical=float(numerical[i]),
                error=float(error[i]),
                relative_error=float(error[i] / largest) if largest else 0.0,
            )
        )
    return worst


def _check_1d(
    x: float,
    theta: float,
    epsilon: float = 1e-7,
    print_msg: bool = False,
    *,
    forward: Callable[[float, float], float] | None = None,
    backward: Callable[[float, float], float] | None = None,
) -> float:
    forward, backward = forward or forward_propagation, backward or backward_propagation
    point = np.array([float(theta)])
    _expect_step(epsilon, point)
    with np.errstate(invalid="ignore"):
        numerical = central_differences(lambda t: forward(x, t[0]), point, [0], epsilon)
    claimed = np.array([backward(x, theta)], dtype=float)
    remarks: list[str] = []
    difference = relative_difference(claimed, numerical)
    looks_right = difference <= THRESHOLD  # not so if it is NaN
    if not looks_right:
        difference, remarks = check_again(lambda t: forward(x, t[0]), point, claimed, difference)
    if print_msg:
        print_message(difference, THRESHOLD, remarks)
    return difference


def _check_network(
    threshold: float,
    parameters: Parameters,
    gradients: Mapping[str, Array],
    X: Array,
    Y: Array,
    epsilon: float = 1e-7,
    print_msg: bool = False,
    *,
    forward: Forward | None = None,
    lambd: float = 0.0,
) -> float:
    cost = _cost(X, Y, forward, lambd)
    claimed, numerical = _compare(parameters, gradients, X, Y, epsilon, cost)
    difference = relative_difference(claimed, numerical)
    remarks: list[str] = []
    looks_right = difference <= threshold  # not so if it is NaN
    if not looks_right:
        claims, measured = (vector_to_dictionary(vector, parameters) for vector in (claimed, numerical))
        theta = {name: np.asarray(parameters[name], dtype=float) for name in claims}
        difference, remarks = check_again(cost, theta, claims, difference)
        remarks = remarks or likely_mistakes(parameters, claims, measured, m=X.shape[1])
    if print_msg:
        print_message(difference, THRESHOLD, remarks)
    return difference


def _cost(X: Array, Y: Array, forward: Forward | None, lambd: float) -> Callable[[Parameters], float]:
    """Return J as a function of the parameters."""
    if forward is not None and lambd:
        raise InvalidProblemError(
            "lambd: expected none beside forward, which computes the whole cost, its penalty too. Pass one of them."
        )
    run = forward or forward_propagation_n

    def cost(parameters: Parameters) -> float:
        result = run(X, Y, parameters)
        value: float = result[0] if isinstance(result, tuple) else result
        return value + l2_penalty(parameters, lambd, X.shape[1]) if lambd else value

    return cost


def _compare(
    parameters: Parameters,
    gradients: Mapping[str, Array],
    X: Array,
    Y: Array,
    epsilon: float,
    cost: Callable[[Parameters], float],
) -> tuple[Array, Array]:
    """Return claimed and numerical gradient, both (n,)."""
    theta = np.asarray(dictionary_to_vector(parameters)).ravel().astype(float)
    claimed = claim_to_vector(gradients, parameters).astype(float)
    _expect_step(epsilon, theta)

    def of_vector(vector: Array) -> float:
        value = np.asarray(cost(vector_to_dictionary(vector, parameters)))
        if value.size != 1:
            raise InvalidProblemError(
                f"forward: expected the cost, one number, or (cost, cache), got an array of shape {value.shape}. "
                "For a forward pass that returns outputs, pass "
                "forward=lambda X, Y, parameters: compute_cost(forward(X, parameters)[0], Y)."
            )
        return float(value.item())

    return claimed, central_differences(of_vector, theta, range(theta.size), epsilon)


def _expect_step(epsilon: float, theta: Array) -> None:
    """Raise `InvalidProblemError` unless the step is finite and moves every entry of θ."""
    lost = theta[np.isfinite(theta) & (theta + epsilon == theta - epsilon)]
    if not np.isfinite(epsilon) or lost.size:
        why = f", which does not move a parameter of {lost[0]:.3g}" if lost.size and epsilon else ""
        raise InvalidProblemError(f"epsilon: expected a small step such as 1e-7, got {epsilon!r}{why}.")
