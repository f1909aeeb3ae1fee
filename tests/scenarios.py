"""The one list of problems with known right gradients: every kind of network, in every style of code.

`derived_scenarios` derive their gradients by hand; so do the families of the zoo and the networks at kinks. Of those in
`network_styles`, `perceptron_styles` and `costs_as_written`, differences of order eight tell what is right.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import mpmath
import numpy as np
from costs_as_written import CASES
from derived_scenarios import derived, relu_backward, relu_forward, relu_network, sigmoid
from network_styles import STYLES, Shapes
from networks_at_kinks import CONVENTIONS, Choices, Network
from perceptron_styles import PERCEPTRONS
from structures import Scenario, copied, leaves, mapped

from benchmarks.zoo.families import FAMILIES, build

__all__ = [
    "EVERY_SCENARIO", "Scenario", "copied", "exact_gradient", "leaves", "mapped", "relu_backward", "relu_forward",
    "relu_network", "scenario", "scenarios", "sigmoid", "true_gradient",
]  # fmt: skip

DIGITS = 50
"""Decimal digits of the truth."""
SIXTH_ORDER = (3 / 4, -3 / 20, 1 / 60, 0.0)
EIGHTH_ORDER = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
KNOWN = 1e-9
"""Where two orders agree to this, relative to the largest entry, the truth is known: no kink is near θ."""


@functools.cache
def scenarios() -> tuple[Scenario, ...]:
    """Those that are small, and derived by hand."""
    return tuple(derived())


@functools.cache
def scenario(name: str) -> Scenario:
    """The one of this name; the truth of some takes a moment."""
    return EVERY_SCENARIO[name]()


def family(name):
    """A network of the zoo: its backward pass is by hand."""
    case = build(name, 0)
    gradients = case.backward(case.parameters)
    return Scenario(
        name=name,
        cost=case.cost,
        parameters=case.parameters,
        gradients={block: gradients[block] for block in case.parameters},
    )


def at_kinks(how, pooled):
    """A network that stands on kinks, and its gradients with a convention."""
    network = Network(CONVENTIONS.index(how), layers=1 if how.startswith("per") else 2, pooled=pooled, l1=0.3)
    claim = network.gradients(Choices(how, np.random.default_rng(0)))
    return Scenario(name=how, cost=network.cost, parameters=network.parameters, gradients=claim, kinks=True)


def as_written(name, cost, parameters):
    """A cost with its true gradient, by steps so small that no kink is near by."""
    for step in (2.0**-9, 2.0**-12, 2.0**-16):
        gradient, known = true_gradient(cost, parameters, step)
        if known:
            return Scenario(name=name, cost=cost, parameters=parameters, gradients=gradient)
    raise ValueError(f"{name} stands on a kink")


def in_style(style):
    """A network of a style, at the first seed at which the truth is known."""
    for seed in range(100):
        cost, parameters = style(Shapes(seed))
        gradient, known = true_gradient(cost, parameters)
        if known:
            return Scenario(name=style.__name__, cost=cost, parameters=parameters, gradients=gradient)
    raise ValueError(f"{style.__name__} always stands on kinks")


EVERY_SCENARIO: dict[str, Callable[[], Scenario]] = {
    **{found.name: functools.partial(lambda x: x, found) for found in scenarios()},
    **{f"zoo: {name}": functools.partial(family, name) for name in FAMILIES},
    **{
        f"at kinks: {how}{', pooled' * pooled}": functools.partial(at_kinks, how, pooled)
        for how in CONVENTIONS
        for pooled in (False, True)
    },
    **{cost.__name__: functools.partial(as_written, cost.__name__, cost, p) for cost, p in CASES},
    **{name: functools.partial(as_written, name, cost, p) for name, cost, p in PERCEPTRONS},
    **{style.__name__: functools.partial(in_style, style) for style in STYLES},
}
"""From name to what builds the problem: every kind of network, in every style of code."""


def true_gradient(cost, parameters, step=2.0**-9):
    """Return the gradient by differences of order eight, and whether it can be trusted."""
    work, gradient, uncertain = copied(parameters), copied(parameters), copied(parameters)
    apart, largest = 0.0, 0.0
    for (_, x), (_, g), (_, u) in zip(leaves(work), leaves(gradient), leaves(uncertain), strict=True):
        for i in np.ndindex(*x.shape):
            start, changes = x[i], []
            for k in (1, 2, 3, 4):
                x[i] = start + k * step
                plus = float(cost(work))
                x[i] = start - k * step
                changes.append(plus - float(cost(work)))
            x[i] = start
            sixth, g[i] = (
                math.fsum(w * change for w, change in zip(weights, changes, strict=True)) / step
                for weights in (SIXTH_ORDER, EIGHTH_ORDER)
            )
            u[i] = abs(sixth - g[i])
            apart, largest = max(apart, u[i]), max(largest, abs(g[i]))
    known = apart <= KNOWN * largest
    for (_, g), (_, u) in zip(leaves(gradient), leaves(uncertain), strict=True):
        g[np.abs(g) < 1e-10 * largest] = 0.0
        scale = np.sqrt(np.mean(g**2))
        known &= scale == 0 or scale > 1e-3 * largest
        known &= bool(np.all((g == 0) | (u <= 1e-8 * np.maximum(np.abs(g), 1e-3 * scale))))
    return gradient, known


def exact_gradient(scenario: Scenario) -> np.ndarray:
    """The true gradient as a float64 vector, by central differences in arithmetic of 50 digits."""
    assert scenario.exact is not None
    with mpmath.workdps(DIGITS):
        theta = np.array([mpmath.mpf(float(v)) for _, a in leaves(scenario.parameters) for v in a.ravel()])
        h = mpmath.mpf(10) ** -15
        gradient = []
        for i in range(theta.size):
            plus, minus = theta.copy(), theta.copy()
            plus[i] += h
            minus[i] -= h
            gradient.append(float((scenario.exact(plus) - scenario.exact(minus)) / (2 * h)))
    return np.array(gradient)
