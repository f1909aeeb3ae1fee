"""Coordinates that meet several kinks at once: every mixture of subgradients is right, and nothing else."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcheck import check
from fastcheck.engines.difference.engine import DifferenceEngine
from fastcheck.execution import Execution
from fastcheck.plan import make_plan
from fastcheck.problem import pose

RECTIFIERS = {
    "maximum": lambda z: np.maximum(0, z),
    "maximum the other way": lambda z: np.maximum(z, 0.0),
    "fmax": lambda z: np.fmax(z, 0),
    "minimum": lambda z: -np.minimum(-z, 0),
    "product with a mask": lambda z: z * (z > 0),
    "product with a mask of floats": lambda z: (z >= 0).astype(float) * z,
    "product with a step": lambda z: z * np.heaviside(z, 0.0),
    "where": lambda z: np.where(z > 0, z, 0),
    "where not": lambda z: np.where(z <= 0, 0, z),
    "select": lambda z: np.select([z > 0], [z], 0.0),
    "absolute": lambda z: (np.abs(z) + z) / 2,
    "clip": lambda z: z.clip(0),
    "clip at both ends": lambda z: np.clip(z, 0, 1e3),
    "max over an axis": lambda z: np.max(np.stack([z, np.zeros_like(z)]), axis=0),
    "reduce": lambda z: np.maximum.reduce(np.stack([z, 0 * z]), axis=0),
    "assignment": lambda z: assigned(z),
    "not": lambda z: z * (1 - ~(z > 0)),
}
"""Ways to write max(z, 0)."""


def assigned(z):
    z = z.copy()
    z[z < 0] = 0
    return z


def enclosed(cost, parameters, epsilon=None):
    """What the engine estimates of all blocks; lower and upper by name."""
    problem = pose(cost, parameters)
    plan = make_plan(problem.layout, problem.theta, "all", epsilon, 0)
    found = DifferenceEngine().estimate(problem, plan, Execution(), lambda estimate: estimate)
    assert not any(estimate.plain.size for estimate in found.results)
    blocks = {estimate.part.block.name: estimate for estimate in found.results}
    shaped = [
        {name: getattr(estimate, end).reshape(estimate.part.block.shape) for name, estimate in blocks.items()}
        for end in ("lower", "upper")
    ]
    return found, *shaped


def all_enclosed(found):
    """Whether the intervals are known to hold all mixtures."""
    return all(estimate.kinks is None or estimate.kinks.enclosed.all() for estimate in found.results)


class Net:
    """A small ReLU network with a squared loss; the backward pass takes a share of the slope at each kink."""

    def __init__(self, rng, widths, samples, zeros):
        self.X = rng.normal(size=(widths[0], samples))
        self.parameters = {}
        for layer, (n_in, n_out) in enumerate(itertools.pairwise(widths), 1):
            self.parameters[f"W{layer}"] = rng.normal(size=(n_out, n_in))
            self.parameters[f"b{layer}"] = rng.normal(size=(n_out, 1))
        self.depth = len(widths) - 1
        self.Y = rng.normal(size=(widths[-1], samples))
        if "inputs" in zeros:
            self.X[:, rng.random(samples) < 0.5] = 0
        for layer in range(1, self.depth):
            if "biases" in zeros:
                self.parameters[f"b{layer}"][:] = 0
            if f"units {layer}" in zeros:
                dead = rng.random(widths[layer]) < 0.6
                self.parameters[f"W{layer}"][dead], self.parameters[f"b{layer}"][dead] = 0, 0

    def cost(self, rectifier):
        def evaluate(p):
            A = self.X
            for layer in range(1, self.depth):
                A = rectifier(p[f"W{layer}"] @ A + p[f"b{layer}"])
            out = p[f"W{self.depth}"] @ A + p[f"b{self.depth}"]
            return np.sum((out - self.Y) ** 2) / self.X.shape[1]

        return evaluate

    def pre_activations(self):
        A, found = self.X, []
        for layer in range(1, self.depth + 1):
            found.append(self.parameters[f"W{layer}"] @ A + self.parameters[f"b{layer}"])
            A = np.maximum(found[-1], 0)
        return found

    def backward(self, at_kinks):
        """The gradients, ReLU'(0) being an array of shares for each hidden layer."""
        Zs, gradients = self.pre_activations(), {}
        As = [self.X, *(np.maximum(Z, 0) for Z in Zs[:-1])]
        d = 2 * (Zs[-1] - self.Y) / self.X.shape[1]
        for layer in range(self.depth, 0, -1):
            gradients[f"W{layer}"], gradients[f"b{layer}"] = d @ As[layer - 1].T, d.sum(1, keepdims=True)
            if layer > 1:
                Z = Zs[layer - 2]
                slope = np.where(Z == 0, at_kinks[layer - 2], Z > 0)
                d = (self.parameters[f"W{layer}"].T @ d) * slope
        return gradients

    def kinks(self):
        """The places of all kinks: layer, index."""
        return [(k, tuple(i)) for k, Z in enumerate(self.pre_activations()[:-1]) for i in np.argwhere(Z == 0)]

    def extremes(self):
        """The smallest and largest entries of the gradients with any mixture: all corners are tried."""
        every = []
        kinks = self.kinks()
        for choice in itertools.product([0.0, 1.0], repeat=len(kinks)):
            shares = [np.zeros(Z.shape) for Z in self.pre_activations()[:-1]]
            for (layer, index), share in zip(kinks, choice, strict=True):
                shares[layer][index] = share
            every.append(self.backward(shares))
        return tuple(
            {name: f([g[name] for g in every], axis=0) for name in self.parameters} for f in (np.min, np.max)
        )


@pytest.mark.parametrize("rectifier", RECTIFIERS.values(), ids=RECTIFIERS)
@pytest.mark.parametrize("zeros", [("units 1",), ("biases", "inputs"), ("units 2",)], ids=str)
def test_the_interval_is_that_of_all_mixtures_where_kinks_are_independent(rectifier, zeros):
    net = Net(np.random.default_rng(3), (3, 2, 2, 2), 3, zeros)
    if "inputs" in zeros:
        net.parameters["b2"][:] = 0.3  # so that only the first layer is at its kinks
    assert 0 < len(net.kinks()) <= 10
    found, lower, upper = enclosed(net.cost(rectifier), net.parameters)
    least, most = net.extremes()
    assert all_enclosed(found)
    for name in net.parameters:
        np.testing.assert_allclose(lower[name], least[name], rtol=1e-10, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(upper[name], most[name], rtol=1e-10, atol=1e-12, err_msg=name)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    name=st.sampled_from(sorted(RECTIFIERS)),
    zeros=st.sets(st.sampled_from(["inputs", "biases", "units 1", "units 2", "units 3"]), min_size=1),
    depth=st.integers(2, 4),
    samples=st.integers(1, 4),
)
def test_no_backward_pass_with_any_convention_is_called_wrong(seed, name, zeros, depth, samples):
    rng = np.random.default_rng(seed)
    net = Net(rng, (3, *rng.integers(1, 5, depth - 1), 2), samples, zeros)
    cost, Zs = net.cost(RECTIFIERS[name]), net.pre_activations()
    shares = [[np.full(Z.shape, share) for Z in Zs] for share in (0.0, 0.5, 1.0)]
    shares += [[rng.choice([0.0, 1.0], Z.shape) for Z in Zs] for _ in range(3)]
    found, lower, upper = enclosed(cost, net.parameters)
    for mixture in shares:
        gradients = net.backward(mixture)
        for key, g in gradients.items():
            slack = 1e-12 * np.maximum(np.abs(lower[key]), np.abs(upper[key])).max()
            assert np.all((lower[key] - slack <= g) & (g <= upper[key] + slack)), key
    assert all_enclosed(found)
    for mixture in shares[:3]:
        assert check(cost, net.parameters, net.backward(mixture), method="difference").passed


@pytest.mark.parametrize("name", ["maximum", "product with a mask", "where"])
def test_kinks_behind_kinks_are_enclosed_and_not_much_more(name):
    net = Net(np.random.default_rng(1), (2, 2, 2, 2), 2, ("biases", "units 1"))
    net.parameters["W1"][:] = 0  # all units of both hidden layers are at their kinks
    assert len(net.kinks()) == 8
    _, lower, upper = enclosed(net.cost(RECTIFIERS[name]), net.parameters)
    least, most = net.extremes()
    for key in net.parameters:
        assert np.all((lower[key] <= least[key] + 1e-12) & (most[key] <= upper[key] + 1e-12)), key
        assert np.all(upper[key] - lower[key] <= 4 * (most[key] - least[key]) + 1e-12), key


MISTAKES = {
    "half as large again": lambda g: 1.5 * g,
    "sign": lambda g: -g,
    "a hundredth too large": lambda g: 1.01 * g,
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("name", RECTIFIERS)
def test_a_claim_outside_of_all_mixtures_is_wrong(name, mistake):
    """One sample without inputs: a bias meets one kink."""
    net = Net(np.random.default_rng(5), (3, 4, 1), 6, ("biases",))
    net.X[:, 0] = 0
    ones = [np.ones(Z.shape) for Z in net.pre_activations()]
    right = net.backward(ones)
    top = np.maximum(right["b1"], net.backward([0 * share for share in ones])["b1"])
    assert check(net.cost(RECTIFIERS[name]), net.parameters, right, method="difference").passed
    wrong = right | {"b1": np.where(top == top.max(), mistake(top), right["b1"])}
    assert check(net.cost(RECTIFIERS[name]), net.parameters, wrong, method="difference").verdict == "fail"


# --- other functions with kinks -----------------------------------------------------------------------------

SLOPES = {
    "|x|": (lambda x: 2 * np.abs(x).sum(), 0.0, -2, 2),
    "L1 norm": (lambda x: np.linalg.norm(x, 1), 0.0, -1, 1),
    "largest modulus": (lambda x: np.linalg.norm(x, np.inf), 0.0, -1, 1),
    "sqrt of a square": (lambda x: np.sqrt(np.square(x).sum()), 0.0, -1, 1),
    "sign": (lambda x: np.sum(np.sign(x) * x), 0.0, -1, 1),
    "steps": (lambda x: np.sum(x * ((x > 0) * 1.0 - (x < 0))), 0.0, -1, 1),
    "leaky": (lambda x: np.sum(np.where(x > 0, x, 0.25 * x)), 0.0, 0.25, 1),
    "leaky by a slope": (lambda x: np.sum(x * np.where(x > 0, 1, 0.25)), 0.0, 0.25, 1),
    "leaky by a maximum": (lambda x: np.sum(np.maximum(x, 0.25 * x)), 0.0, 0.25, 1),
    "relu6 at 0": (lambda x: np.sum(np.minimum(np.maximum(x, 0), 6)), 0.0, 0, 1),
    "relu6 at 6": (lambda x: np.sum(np.minimum(np.maximum(x, 0), 6)), 6.0, 0, 1),
    "relu6 by masks": (lambda x: np.sum(x * ((x > 0) & (x < 6)) + 6.0 * (x >= 6)), 0.0, 0, 1),
    "clip at its lower end": (lambda x: np.sum(np.clip(x, -1, 1)), -1.0, 0, 1),
    "clip at its upper end": (lambda x: np.sum(x.clip(-1, 1)), 1.0, 0, 1),
    "hard tanh in place": (lambda x: np.sum(np.clip(x, -1, 1, out=np.empty(x.shape))), 1.0, 0, 1),
    "hinge at its margin": (lambda x: np.sum(np.maximum(0, 1 - 3 * x)), 1 / 4 + 1 / 12, -3, 0),
    "Huber": (lambda x: np.sum(np.where(np.abs(x) <= 1, x**2, 4 * np.abs(x) - 3)), 1.0, 2, 4),
    "max of two": (lambda x: np.max(np.stack([x, 3 * x]), axis=0).sum(), 0.0, 1, 3),
    "min of two": (lambda x: np.min(np.stack([x, 3 * x]), axis=0).sum(), 0.0, 1, 3),
    "range": (lambda x: np.ptp(np.stack([x, 3 * x, 0 * x]), axis=0).sum(), 0.0, -3, 3),
    "elu": (lambda x: np.sum(np.where(x > 0, x, 0.5 * np.expm1(x))), 0.0, 0.5, 1),
    "remainder": (lambda x: np.sum(np.abs(x % 2 - 1)), 1.0, -1, 1),
}
"""Cost, a point, and the slopes on both sides of it."""


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("epsilon", [None, 1e-7, 1e-12])
def test_between_the_slopes_is_right_and_outside_is_wrong(name, size, epsilon):
    cost, point, low, high = SLOPES[name]
    x = np.full(size, point)
    if name in ("L1 norm", "largest modulus", "sqrt of a square"):
        x[1:] = 0
    for share in (0.0, 0.3, 0.5, 1.0):
        g = np.full(size, low + share * (high - low))
        assert check(cost, x, g, method="difference", epsilon=epsilon).passed, share
    for wrong in (low - 0.1, high + 0.1):
        assert check(cost, x, np.full(size, wrong), method="difference", epsilon=epsilon).verdict == "fail"


@pytest.mark.parametrize(
    "cost",
    [
        lambda x: np.sum((x > 0) * x + (x <= 0) * 0.25 * x),
        lambda x: np.sum(np.where(x > 0, x, 0.25 * np.expm1(np.minimum(x, 0)))),
    ],
)
def test_a_kink_that_is_written_twice_counts_as_two(cost):
    x = np.zeros(3)
    for slope in (0.25, 0.6, 1.0):
        assert check(cost, x, np.full(3, slope), method="difference").passed
    for slope in (-0.1, 1.3):
        assert check(cost, x, np.full(3, slope), method="difference").verdict == "fail"
