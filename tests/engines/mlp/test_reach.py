"""What `reach` claims about discs in the complex plane, and what follows: fewer columns give the same numbers."""

import functools
import itertools

import mpmath
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from mlp_by_hand import EXACT, HIDDEN, OUTPUTS, apply
from mlp_problems import Problem, problems
from mpmath import mp

from fastcheck.engines.mlp import slopes
from fastcheck.engines.mlp.activations import find_activation
from fastcheck.engines.mlp.losses import Loss
from fastcheck.engines.mlp.network import Network
from fastcheck.engines.mlp.reach import inverse_radii, loss_reach, reach, sharper
from fastcheck.engines.mlp.slopes import NEGLIGIBLE, TERMS, largest, layer_differences, terms_needed
from fastcheck.engines.slopes import STEP

RNG = np.random.default_rng(0)
POINTS = np.concatenate(
    [RNG.uniform(-40, 40, 12), RNG.normal(0, 2, 16), [1e-9, -1e-9, 1e-90, -0.7518, 1.0, -1.0, 70.0, -70.0]]
)
"""-0.7518 is where the slope of GELU is 0."""

EDGE = 0.999 * np.exp(1j * np.pi * np.linspace(0, 1, 9))
"""Points on the edge of a disc of radius 1, where the modulus of an analytic function is largest; half of them, for
functions are real on the real line."""


def sigma(z):
    return 1 / (1 + mp.exp(-z))


def bell(z):
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def gelu_tanh_slope(z):
    c = mp.mpf(0.044715)
    u, v = 2 * mp.sqrt(2 / mp.pi) * (z + c * z**3), 2 * mp.sqrt(2 / mp.pi) * (1 + 3 * c * z**2)
    return sigma(u) + z * sigma(u) * sigma(-u) * v


def side(of_positive, of_negative):
    """The slope of a function that is analytic on either side of 0, continued from the side of its first argument."""
    return lambda z, home, *constants: (of_positive if home > 0 else of_negative)(z, *constants)


SLOPES = {
    "relu": side(lambda z: 1, lambda z: 0),
    "leaky_relu": side(lambda z, c=0.01: 1, lambda z, c=0.01: c),
    "elu": side(lambda z, c=1.0: 1, lambda z, c=1.0: c * mp.exp(z)),
    "softplus": lambda z, _: sigma(z),
    "silu": lambda z, _: sigma(z) + z * sigma(z) * sigma(-z),
    "gelu": lambda z, _: mp.erfc(-z / mp.sqrt(2)) / 2 + z * bell(z),
    "gelu_tanh": lambda z, _: gelu_tanh_slope(z),
    "tanh": lambda z, _: mp.sech(z) ** 2,
    "sigmoid": lambda z, _: sigma(z) * sigma(-z),
    "identity": lambda z, _: 1,
}
"""Slopes in the complex plane, by hand: (z + d, z)."""

NEAREST = {
    "relu": abs,
    "leaky_relu": abs,
    "elu": abs,
    "softplus": lambda z: mp.hypot(z, mp.pi),
    "silu": lambda z: mp.hypot(z, mp.pi),
    "sigmoid": lambda z: mp.hypot(z, mp.pi),
    "tanh": lambda z: mp.hypot(z, mp.pi / 2),
    "gelu_tanh": lambda z: min(abs(z - pole) for pole in gelu_tanh_poles()),
    "gelu": lambda z: mp.inf,
    "identity": lambda z: mp.inf,
}
"""Distance of z from the nearest kink or pole."""


@functools.cache
def gelu_tanh_poles():
    """Where u(z) is an odd multiple of iπ, in the upper half plane; far out they are as near as u is steep."""
    c, poles = 0.044715, []
    for k in range(-1201, 1201, 2):
        poles += np.roots([c, 0, 1, -1j * np.pi * k / (2 * np.sqrt(2 / np.pi))]).tolist()
    return [pole for pole in poles if pole.imag >= 0]


def name_and_constants(activation):
    return (activation, ()) if isinstance(activation, str) else (activation[0], activation[1:])


@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_the_slopes_by_hand_are_derivatives(activation):
    name, constants = name_and_constants(activation)
    with mpmath.workdps(60):
        h = mp.mpf(10) ** -25
        for z in map(mp.mpf, [-3.0, -0.4, 0.3, 2.0]):
            ends = apply(EXACT, activation, np.array([z - h, z + h], dtype=object))
            assert mp.almosteq(
                (ends[1] - ends[0]) / (2 * h), SLOPES[name](z, z, *constants), mp.mpf(10) ** -20
            )


@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_slopes_in_the_disc_are_below_the_bound(activation):
    name, constants = name_and_constants(activation)
    inverse, bounds = reach(find_activation(activation), POINTS)
    for z, q, bound in zip(POINTS, inverse, bounds, strict=True):
        radius = 1 / q if q else 1.0
        assert radius < NEAREST[name](z) * (1 + 1e-12)
        slopes = [abs(SLOPES[name](mp.mpc(z + radius * d), z, *constants)) for d in EDGE]
        assert max(slopes) <= bound * (1 + 1e-12) + 1e-300, (z, radius)


@pytest.mark.parametrize(
    "activation", ["relu", "leaky_relu", ("leaky_relu", 0.2), ("leaky_relu", 3.0), "elu", ("elu", 2.0)]
)
def test_the_disc_ends_at_the_kink(activation):
    inverse, _ = reach(find_activation(activation), np.array([0.0, 1e-320, 0.25, -0.25, 0.999]))
    np.testing.assert_allclose(inverse, [1e100, 1e100, 4, 4, 1 / 0.999])


# --- losses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OUTPUTS.values())
def test_terms_of_the_slope_of_a_loss_are_below_twice_those_at_home(kind):
    """All logits of a sample move at once, each to the edge of its disc."""
    rng = np.random.default_rng(1)
    Z = np.concatenate(
        [rng.uniform(-40, 40, (3, 6)), rng.normal(size=(3, 6)), [[0.0], [1e-9], [-50.0]]], axis=1
    )
    Y = rng.normal(size=Z.shape)
    inverse = loss_reach(Loss(kind, "samples"), Z, Y)
    slope = {
        "binary_cross_entropy": lambda z, y: [sigma(x) for x in z] + [sigma(-x) for x in z],
        "cross_entropy": lambda z, y: [mp.exp(x) / mp.fsum(map(mp.exp, z)) for x in z],
        "mean_squared_error": lambda z, y: [a - b for a, b in zip(z, y, strict=True)],
    }[kind]
    for z, y, q in zip(Z.T, Y.T, inverse.T, strict=True):
        home = slope(list(map(mp.mpf, z)), y)
        for turn in rng.choice(EDGE, (6, 3)):
            there = slope([mp.mpc(a + b / c) for a, b, c in zip(z, turn, q, strict=True)], y)
            assert all(abs(a) <= 2 * abs(b) for a, b in zip(there, home, strict=True))


def test_a_residual_of_zero_has_no_disc():
    inverse = loss_reach(
        Loss("mean_squared_error", "samples"), np.array([[1.0, 2.0]]), np.array([[1.0, 2.5]])
    )
    np.testing.assert_array_equal(inverse, [[1e100, 2.0]])


# --- networks -----------------------------------------------------------------------------------------------


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


COMPLEX = {
    "relu": lambda z, home: np.where(home > 0, z, 0),
    "leaky_relu": lambda z, home, c=0.01: np.where(home > 0, z, c * z),
    "elu": lambda z, home, c=1.0: np.where(
        home > 0, z, c * (np.exp(np.minimum(z.real, 0) + 1j * z.imag) - 1)
    ),
    "softplus": lambda z, home: np.log(1 + np.exp(z)),
    "silu": lambda z, home: z * sigmoid(z),
    "gelu": lambda z, home: z * scipy.special.erfc(-z / np.sqrt(2)) / 2,
    "gelu_tanh": lambda z, home: z * sigmoid(2 * np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)),
    "tanh": lambda z, home: np.tanh(z),
    "sigmoid": lambda z, home: sigmoid(z),
    "identity": lambda z, home: z,
}
"""Activations continued from the side of z: (z + d, z)."""


def network_of(problem):
    model = problem.model
    arranged = model.arrange(
        {k: v.astype(float) for k, v in problem.parameters.items()}, problem.X, problem.Y
    )
    return Network.of(arranged, model.hidden, model.loss, model.l2)


def moved(network, layer, unit, delta):
    """The complex changes (n, m) of every later layer's Z when z of one unit moves by ``delta`` (m,)."""
    arranged = network.arranged
    d = np.zeros(network.Zs[layer].shape, dtype=complex)
    d[unit] = delta
    changes = [d]
    for k in range(layer, len(network.hidden)):
        Z, activation, mask = network.Zs[k], network.hidden[k], arranged.masks[k]
        f = COMPLEX[activation.name]
        d = f(Z + changes[-1], Z, *activation.constants) - f(Z + 0j, Z, *activation.constants)
        changes.append(arranged.weights[k + 1] @ (d if mask is None else d * mask))
    return changes


@pytest.mark.parametrize("sharp", [False, True], ids=["added up", "one by one"])
@given(problem=problems(), turn=st.sampled_from(EDGE.tolist()))
def test_units_of_later_layers_stay_in_their_discs(sharp, problem, turn):
    network = network_of(problem)
    Q = inverse_radii(network)
    own = [reach(f, Z)[0] for f, Z in zip(network.hidden, network.Zs, strict=False)]
    own.append(loss_reach(network.loss, network.Zs[-1], network.arranged.Y))
    for layer in range(len(Q)):
        inverse = sharper(network, layer, Q) if sharp else Q[layer]
        assert (inverse <= Q[layer]).all()
        for unit, q in enumerate(inverse):
            delta = turn / np.maximum(q, 1e-3)
            for limit, change in zip(own[layer:], moved(network, layer, unit, delta), strict=True):
                assert (np.abs(change) * limit <= 1 + 1e-9).all()


def test_dead_and_masked_units_lead_nowhere():
    problem = Problem(("relu", "tanh", "sigmoid"), (2, 2, 2, 1), 1)
    problem.parameters["b1"][:] = -5, 5
    network = network_of(problem)
    dead, alive = inverse_radii(network)[0]
    assert dead == 1 / -network.Zs[0][0]
    assert alive > 1 / network.Zs[0][1]


# --- what follows: a line or a short series instead of every column -----------------------------------------


ROUNDING = 64 * np.finfo(float).eps
"""Of the size of a column, which is what rounding leaves of differences that agree."""


def sizes_of_columns(network):
    """For each layer a vector (n_out,) of what bounds a unit's columns, divided by the step, samples added up."""
    Z, Y, kind = network.Zs[-1], network.arranged.Y, network.loss.kind
    S = {
        "binary_cross_entropy": lambda: Y * sigmoid(-Z) + (1 - Y) * sigmoid(Z),
        "cross_entropy": lambda: network.output + Y * (1 - network.output),
        "mean_squared_error": lambda: 2 * np.abs(Z - Y),
    }[kind]() * network.loss.weight(Z)
    found = [S @ largest(network, len(network.hidden))]
    for layer in range(len(network.hidden) - 1, -1, -1):
        _, steepness = reach(network.hidden[layer], network.Zs[layer])
        mask = network.arranged.masks[layer]
        S = (
            steepness
            * (np.abs(network.arranged.weights[layer + 1]).T @ S)
            * np.abs(1.0 if mask is None else mask)
        )
        found.append(S @ largest(network, layer))
    return found[::-1]


def forced(network, step, terms):
    """Differences by ``terms`` odd terms for all columns, whatever their reach; 17 is one by one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slopes, "linear_columns", lambda _n, _s, Q: [np.zeros(q.shape, dtype=bool) for q in Q])
        patch.setattr(slopes, "terms_needed", lambda t: np.full(t.shape, terms))
        return list(layer_differences(network, step))


def matrices(layer):
    """``central``, ``bend`` and ``kinked`` of a layer as [W, b]; nothing means zeros."""
    central = layer.central.joined()
    return central, *(0 * central if part is None else part.joined() for part in (layer.bend, layer.kinked))


def assert_same(network, found, truth):
    for size, a, b in zip(sizes_of_columns(network), found, truth, strict=True):
        (central, bend, kinked), (other, other_bend, other_kinked) = matrices(a), matrices(b)
        allowed = ROUNDING * size[:, None] + 0 * central
        assert (np.abs(central - other) <= allowed).all()
        assert (kinked == other_kinked).all()
        at = kinked > 0
        assert (np.abs(bend - other_bend)[at] <= allowed[at]).all()


@settings(max_examples=150)
@given(
    problem=problems(),
    exponent=st.floats(-12, -0.5) | st.just(np.log10(STEP)),
    scale=st.sampled_from([0.1, 1, 3]),
)
def test_columns_are_the_same_whatever_is_made_of_them(problem, exponent, scale):
    problem.parameters = {name: scale * array for name, array in problem.parameters.items()}
    network, step = network_of(problem), 10.0**exponent
    assert_same(network, layer_differences(network, step), forced(network, step, ONE_BY_ONE))


ONE_BY_ONE = TERMS[-1] + 1
LIMITS = [NEGLIGIBLE, *(NEGLIGIBLE ** (1 / (2 * q)) for q in TERMS)]
"""The largest t at which a column is linear, and at which 1, 2, 4, 8 and 16 terms are enough."""


def test_terms_needed():
    at = np.array([t * side for t in LIMITS[1:] for side in (1 - 1e-12, 1 + 1e-12)])
    expected = [q for pair in itertools.pairwise([*TERMS, ONE_BY_ONE]) for q in pair]
    assert terms_needed(at).tolist() == expected
    assert terms_needed(np.array([0.0, np.nan, np.inf])).tolist() == [TERMS[0], ONE_BY_ONE, ONE_BY_ONE]


class Spy:
    """What became of the columns of the first layer: 0 for linear, the number of terms, or 17 for one by one."""

    def __init__(self, monkeypatch):
        self.found = [0]
        series, one_by_one = slopes.series, slopes.one_by_one
        monkeypatch.setattr(slopes, "series", self.noting(series, lambda a: a[4]))
        monkeypatch.setattr(slopes, "one_by_one", self.noting(one_by_one, lambda a: ONE_BY_ONE))

    def noting(self, function, kind):
        def noted(*arguments):
            if arguments[1] == 0:
                self.found.append(kind(arguments))
            return function(*arguments)

        return noted


@pytest.mark.parametrize("side", [1 - 1e-9, 1 + 1e-9], ids=["just holds", "just fails"])
@pytest.mark.parametrize("number", range(len(LIMITS)), ids=["linear", *map(str, TERMS)])
@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_where_the_condition_just_holds_or_fails(activation, number, side, monkeypatch):
    """One unit, one sample: the step is chosen so that t is beside the limit."""
    last = list(OUTPUTS)[(number + HIDDEN.index(activation)) % 3]
    network = network_of(Problem((activation, last), (1, 1, 2), 1, seed=HIDDEN.index(activation)))
    Q = inverse_radii(network)
    q = Q[0] if number == 0 else sharper(network, 0, Q)
    step = side * LIMITS[number] / float(largest(network, 0)[0] * q[0, 0])
    direct = forced(network, step, ONE_BY_ONE)
    spy = Spy(monkeypatch)
    found = list(layer_differences(network, step))
    assert spy.found[-1] == [0, *TERMS, ONE_BY_ONE][number + (side > 1)]
    assert_same(network, found, direct)


def test_too_few_terms_are_noticed():
    """What the comparisons above would see if the condition were wrong."""
    network = network_of(Problem(("tanh", "softmax"), (1, 1, 2), 1))
    step = LIMITS[4] / float(inverse_radii(network)[0][0, 0])
    direct, size = forced(network, step, ONE_BY_ONE)[0].central.joined(), sizes_of_columns(network)[0]
    for terms, error in ((1, 1e-6), (2, 1e-12), (4, ROUNDING)):
        short = forced(network, step, terms)[0].central.joined()
        assert (np.abs(short - direct).max() > error * size[0]) == (terms < 4)


def test_a_series_across_a_kink_is_wrong():
    network = network_of(Problem(("relu", "softmax"), (1, 1, 2), 1, seed=3))
    step = 1.1 * abs(float(network.Zs[0][0, 0]))
    direct, size = forced(network, step, ONE_BY_ONE)[0].central.joined(), sizes_of_columns(network)[0]
    assert np.abs(forced(network, step, TERMS[-1])[0].central.joined() - direct).max() > 1e-3 * size[0]
    assert_same(network, layer_differences(network, step), forced(network, step, ONE_BY_ONE))
