"""The diagrams of the course pages, drawn with your own numbers (``pip install matplotlib``).

Each function draws on the axes that are handed in, or makes a figure of its own, which notebooks show, and returns the
axes: ``ax.figure.savefig("network.png")``. ``from fastcheck.course import *`` does not bring them: it brings the
exercises alone. Write ``from fastcheck.course import plot_network``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastcheck.checks.check import check, numerical_gradient
from fastcheck.course.propagation import backward_propagation, forward_propagation
from fastcheck.course.vectors import Array, parameter_names
from fastcheck.report.plotting.needing import need_matplotlib
from fastcheck.report.result import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_computation_graph_1d(
    x: float,
    theta: float,
    *,
    forward: Callable[[float, float], float] | None = None,
    backward: Callable[[float, float], float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw x and θ, J = θ x, and the slope that goes back: the claimed one, the numerical one, and what the check says.

    Parameters
    ----------
    x, theta
        Two numbers.
    forward, backward
        Your own functions of x and θ in place of the course's: J, and the claimed dJ/dθ.
    ax
        The axes to draw on, 6×2.5 inches or more.

    Returns
    -------
    The axes. Costs the forward passes of a check of one parameter, some dozens.

    Raises
    ------
    FastcheckError
        If there is nothing to check: a cost that is not finite, say.
    MissingLibraryError
        Without matplotlib.
    """
    need_matplotlib()
    from fastcheck.course.drawing.computation_graph import Numbers, draw_computation_graph

    run, back = forward or forward_propagation, backward or backward_propagation
    point = np.array([float(theta)])
    claimed = float(back(x, theta))

    def cost(t: Array) -> Any:
        return run(x, t[0])

    report = check(cost, point, np.array([claimed]), progress=False)
    numerical = float(numerical_gradient(cost, point, progress=False)[0])
    numbers = Numbers(float(x), float(theta), float(run(x, theta)), claimed, numerical)
    operation = "θ · x" if forward is None else _name_of(forward)
    return draw_computation_graph(ax, numbers, operation, report)


def plot_network(
    parameters: Mapping[str, Array],
    gradients: Mapping[str, Any] | None = None,
    report: Report | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw LINEAR → RELU → … → SIGMOID forwards and the gradients backwards, with your shapes.

    Parameters
    ----------
    parameters
        W1, b1, …, WL, bL. Of more than five layers those in the middle are left out.
    gradients
        What your backward pass returned: dW1, db1, … with their shapes and lengths, and dZ1, dA1, … if they are
        there. A gradient that has not the shape of its parameter is marked.
    report
        What a check of them said: every gradient is in the colour of its verdict.
    ax
        The axes to draw on, 3 inches for each layer and 3.3 high.

    Raises
    ------
    InvalidProblemError
        If the parameters are not W1, b1, W2, ….
    MissingLibraryError
        Without matplotlib.
    """
    need_matplotlib()
    from fastcheck.course.drawing.layer_columns import draw_layers

    parameter_names(parameters)
    return draw_layers(ax, parameters, gradients, report)


def plot_dictionary_to_vector(
    parameters: Mapping[str, Array], report: Report | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw each block with its numbers, and the slice of θ that `dictionary_to_vector` makes of it.

    Of large blocks the first numbers are shown, in the order of θ: row after row. With a report every block is in the
    colour of its verdict. Raises `InvalidProblemError` if the parameters are not W1, b1, W2, …, and
    `MissingLibraryError` without matplotlib.
    """
    need_matplotlib()
    from fastcheck.course.drawing.vector import draw_vector

    return draw_vector(ax, parameters, report)


def _name_of(function: Callable[..., Any]) -> str:
    """Return what a function is called, or "forward" for one without a name."""
    name = getattr(function, "__name__", "forward")
    return "forward" if name == "<lambda>" else name[:14]
