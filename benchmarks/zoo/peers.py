"""Other gradient checkers, each called as its documentation says.

A peer gets the cost as a function in its own framework, whose derivative is registered to be the claimed gradient:
the very thing its users do when they write a backward pass by hand. All are given float64.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.zoo.families import Arrays, Case
from fastcheck.engines.plain.reference import central_differences
from fastcheck.verdict.judging import relative_difference

Settings = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A checker: ``detects(case, claimed, **settings)`` is True if it calls the claim wrong.

    ``grid`` are settings that are tried besides the defaults.
    """

    name: str
    package: str
    detects: Callable[..., bool]
    defaults: Settings
    grid: Sequence[Settings]

    @property
    def installed(self) -> bool:
        """True if its package can be imported."""
        return importlib.util.find_spec(self.package) is not None


def flat(case: Case, blocks: Arrays) -> Any:
    """Return all blocks as one float64 vector, in the order of the parameters."""
    return np.concatenate([np.ravel(blocks[name]) for name in case.parameters]).astype(float)


def cost_of_vector(case: Case) -> Callable[[Any], float]:
    """Return the cost as a function of one vector."""
    shapes = {name: block.shape for name, block in case.parameters.items()}
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])

    def cost(theta: Any) -> float:
        parts = np.split(np.asarray(theta), ends[:-1])
        blocks = zip(shapes.items(), parts, strict=True)
        return float(case.cost({name: part.reshape(shape) for (name, shape), part in blocks}))

    return cost


def torch_gradcheck(case: Case, claimed: Arrays, **settings: Any) -> bool:
    """Call `torch.autograd.gradcheck`, one input tensor for each block."""
    import torch

    names = list(case.parameters)

    class Claimed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *blocks: Any) -> Any:
            arrays = {name: block.detach().numpy() for name, block in zip(names, blocks, strict=True)}
            return torch.tensor(float(case.cost(arrays)), dtype=torch.float64)

        @staticmethod
        def backward(ctx: Any, upstream: Any) -> Any:
            return tuple(upstream * torch.from_numpy(claimed[name].astype(float)) for name in names)

    inputs = [torch.tensor(case.parameters[n], dtype=torch.float64, requires_grad=True) for n in names]
    return not torch.autograd.gradcheck(Claimed.apply, inputs, raise_exception=False, **settings)


def jax_check_grads(case: Case, claimed: Arrays, **settings: Any) -> bool:
    """Call `jax.test_util.check_grads` in reverse mode, with 64-bit numbers."""
    from jax.test_util import check_grads

    theta = flat(case, case.parameters)
    cost, asked = jax_function(theta.size)
    asked.update(cost=cost_of_vector(case), gradient=flat(case, claimed))
    try:
        check_grads(cost, (theta,), order=1, modes=["rev"], **settings)
    except AssertionError:
        return True
    return False


@functools.cache
def jax_function(size: int) -> tuple[Any, dict[str, Any]]:
    """Return a JAX function of ``size`` numbers, and the dict that says which cost and gradient it has.

    JAX compiles each function that it has not seen: a function for each claim would take a hundred times longer.
    """
    import jax

    jax.config.update("jax_enable_x64", True)
    asked: dict[str, Any] = {}
    scalar, vector = (jax.ShapeDtypeStruct(shape, np.float64) for shape in ((), (size,)))

    def value(theta: Any) -> Any:
        return np.float64(asked["cost"](theta))

    def gradient(theta: Any) -> Any:
        return asked["gradient"]

    @jax.custom_vjp
    def cost(theta: Any) -> Any:
        return jax.pure_callback(value, scalar, theta)

    def forward(theta: Any) -> Any:
        return cost(theta), theta

    def backward(theta: Any, upstream: Any) -> Any:
        return (upstream * jax.pure_callback(gradient, vector, theta),)

    cost.defvjp(forward, backward)
    return cost, asked


def scipy_check_grad(case: Case, claimed: Arrays, *, threshold: float, **settings: Any) -> bool:
    """Call `scipy.optimize.check_grad`, which returns a norm; what is large is left to its user."""
    from scipy.optimize import check_grad

    g = flat(case, claimed)
    error = check_grad(cost_of_vector(case), lambda theta: g, flat(case, case.parameters), **settings)
    return not error < threshold


def autograd_check_grads(case: Case, claimed: Arrays, *, repeats: int = 1) -> bool:
    """Call `autograd.test_util.check_grads` in reverse mode, with as many random directions as repeats."""
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    g = flat(case, claimed)
    cost = primitive(cost_of_vector(case))
    defvjp(cost, lambda value, theta: lambda upstream: upstream * g)
    np.random.seed(0)  # noqa: NPY002 - autograd draws from this generator
    try:
        for _ in range(repeats):
            check_grads(cost, modes=["rev"], order=1)(flat(case, case.parameters))
    except AssertionError:
        return True
    return False


def course_rule(case: Case, claimed: Arrays, *, epsilon: float, threshold: float) -> bool:
    """Compare the norms as the courses do: ‖g − ĝ‖ / (‖g‖ + ‖ĝ‖) above a threshold is a mistake."""
    theta = flat(case, case.parameters)
    numerical = central_differences(cost_of_vector(case), theta, range(theta.size), epsilon)
    return not relative_difference(flat(case, claimed), numerical) < threshold


def combinations(**choices: Sequence[Any]) -> list[Settings]:
    """Return every combination of the choices."""
    grid: list[Settings] = [{}]
    for name, values in choices.items():
        grid = [{**settings, name: value} for settings in grid for value in values]
    return grid


TOLERANCES = [
    {"eps": eps, "atol": atol, "rtol": rtol}
    for eps in (1e-6, 1e-5)
    for atol, rtol in ((1e-7, 1e-4), (1e-9, 1e-6))
]

PEERS = (
    Peer(
        name="torch.autograd.gradcheck",
        package="torch",
        detects=torch_gradcheck,
        defaults={},
        grid=TOLERANCES,
    ),
    Peer(
        name="torch.autograd.gradcheck, fast mode",
        package="torch",
        detects=torch_gradcheck,
        defaults={"fast_mode": True},
        grid=[{"fast_mode": True, **settings} for settings in TOLERANCES],
    ),
    Peer(
        name="jax.test_util.check_grads",
        package="jax",
        detects=jax_check_grads,
        defaults={},
        grid=combinations(eps=(1e-6, 1e-5), atol=(1e-7, 1e-9), rtol=(1e-6,)),
    ),
    Peer(
        name="scipy.optimize.check_grad",
        package="scipy",
        detects=scipy_check_grad,
        defaults={"threshold": 1e-6},
        grid=combinations(epsilon=(1.5e-8, 1e-7), threshold=(1e-7, 1e-6, 1e-5)),
    ),
    Peer(
        name="autograd.test_util.check_grads",
        package="autograd",
        detects=autograd_check_grads,
        defaults={},
        grid=combinations(repeats=(3, 10, 30)),
    ),
    Peer(
        name="the course's rule",
        package="numpy",
        detects=course_rule,
        defaults={"epsilon": 1e-7, "threshold": 2e-7},
        grid=combinations(epsilon=(1e-6, 1e-5), threshold=(1e-6, 1e-7, 1e-8)),
    ),
)
"""All of them. SciPy's has no threshold; 1e-6 stands for "small"."""
