"""Differences of special functions against 60 digits: nothing cancels, be the step tiny or large."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from fastcheck.identities import interpreted
from fastcheck.identities.special import OF_NUMPY, table

RELATIVE = [2.0**-80, -(2.0**-80), 1e-12, 1e-6, -1e-3, 0.1, -0.3, 0.7]


def normal(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def beta_tail(f):
    return lambda *p: f(*(mp.mpf(x) for x in p))


ONE = {
    "gammaln": (lambda x: mp.log(abs(mp.gamma(x))), [1e-8, 0.3, 1.2, 1.9, 7.3, 150.0, 1e5, -0.6, -3.7]),
    "loggamma": (mp.loggamma, [1e-8, 0.3, 1.2, 7.3, 1e5]),
    "psi": (lambda x: mp.psi(0, x), [1e-8, 0.3, 1.2, 7.3, 1e5, -0.6]),
    "gamma": (mp.gamma, [1e-8, 0.3, 1.2, 7.3, 60.0, -0.6]),
    "rgamma": (mp.rgamma, [1e-8, 0.3, 1.2, 7.3, 60.0, -0.6]),
    "log_ndtr": (lambda x: mp.log(normal(x)), [-30.0, -3.0, -0.1, 0.5, 4.0, 8.0]),
    "ndtri": (lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), [1e-9, 0.1, 0.4, 0.9, 0.99]),
    "erfinv": (mp.erfinv, [1e-9, -0.4, 0.8, 0.99]),
    "erfcinv": (lambda p: mp.erfinv(1 - p), [1e-9, 0.4, 0.9, 1.5]),
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), [-3.0, -0.2, 0.4, 2.0, 5.9, 6.1, 50.0, 1e4]),
    "dawsn": (lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), [0.3, -2.0, 6.9, 7.1, 100.0]),
    "i0": (lambda x: mp.besseli(0, x), [0.3, -2.0, 20.0]),
    "i1": (lambda x: mp.besseli(1, x), [0.3, -2.0, 20.0]),
    "i0e": (lambda x: mp.exp(-abs(x)) * mp.besseli(0, x), [0.3, -2.0, 19.9, 20.1, 500.0]),
    "i1e": (lambda x: mp.exp(-abs(x)) * mp.besseli(1, x), [0.3, -4.0, 19.9, 20.1, 500.0]),
    "j0": (lambda x: mp.besselj(0, x), [0.3, -2.0, 9.0]),
    "j1": (lambda x: mp.besselj(1, x), [0.3, -1.0, 7.0]),
    "y0": (lambda x: mp.bessely(0, x), [0.3, 1.0, 9.0]),
    "y1": (lambda x: mp.bessely(1, x), [0.3, 1.0, 9.0]),
    "k0": (lambda x: mp.besselk(0, x), [0.01, 20.0]),
    "k1": (lambda x: mp.besselk(1, x), [0.01, 20.0]),
    "exprel": (lambda x: mp.expm1(x) / x, [1e-9, 0.5, -0.99, 1.01, -20.0, 20.0]),
    "exp1": (mp.e1, [0.01, 1.0, 20.0]),
    "expi": (mp.ei, [0.01, 1.0, 20.0, -2.0]),
    "spence": (lambda x: mp.polylog(2, 1 - x), [0.01, 0.9, 1.7, 4.0]),
    "ellipk": (mp.ellipk, [1e-6, 0.29, 0.31, 0.9, -3.0]),
    "ellipe": (mp.ellipe, [1e-6, 0.29, 0.31, 0.9, -3.0]),
    "erfi": (mp.erfi, [1e-6, 0.5, -2.0]),
    "wrightomega": (lambda x: mp.lambertw(mp.exp(x)).real, [-3.0, 0.5, 20.0]),
    "sinc": (mp.sincpi, [1e-9, 0.3, 0.99, 1.2, -2.6]),
    "arccosh": (mp.acosh, [1.01, 2.0, 100.0]),
}

LAST = {
    "gammainc": (lambda a, x: mp.gammainc(a, 0, x, regularized=True), (2.5,), [0.3, 2.0]),
    "gammaincc": (lambda a, x: mp.gammainc(a, x, regularized=True), (2.5,), [0.3, 2.0]),
    "betainc": (lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), (2.5, 1.5), [0.2, 0.6]),
    "iv": (mp.besseli, (1.5,), [0.3, 5.0]),
    "ive": (lambda v, x: mp.besseli(v, x) * mp.exp(-x), (1.5,), [0.3, 1.0]),
    "jv": (mp.besselj, (0.5,), [0.3, 5.0]),
    "kv": (mp.besselk, (0.5,), [0.3, 5.0]),
    "polygamma": (mp.psi, (1,), [0.3, 5.0]),
    "expn": (mp.expint, (2,), [0.3, 5.0]),
    "zeta": (mp.zeta, (2.5,), [0.3, 5.0]),
    "hyp0f1": (mp.hyp0f1, (1.5,), [0.3, 5.0]),
    "hyp1f1": (mp.hyp1f1, (1.5, 2.5), [0.3, 2.0]),
    "hyp2f1": (mp.hyp2f1, (1.5, 2.5, 3.0), [0.2, -0.5]),
    "stdtr": (
        lambda v, t: 1 - mp.betainc(v / 2, 0.5, 0, v / (v + t * t), regularized=True) / 2,
        (3.5,),
        [0.3, 2.0],
    ),
    "chdtr": (lambda v, x: mp.gammainc(v / 2, 0, x / 2, regularized=True), (3.5,), [0.3, 5.0]),
    "chdtrc": (lambda v, x: mp.gammainc(v / 2, x / 2, regularized=True), (3.5,), [0.3, 5.0]),
    "eval_legendre": (mp.legendre, (5,), [0.3, 0.5]),
    "eval_chebyt": (mp.chebyt, (5,), [0.35, 0.6]),
    "eval_chebyu": (mp.chebyu, (4,), [0.3, 0.7]),
    "eval_hermite": (mp.hermite, (5,), [0.3, 2.0]),
    "eval_hermitenorm": (
        lambda n, x: mp.mpf(2) ** (-n / 2) * mp.hermite(n, x / mp.sqrt(2)),
        (4,),
        [0.3, 2.0],
    ),
    "eval_laguerre": (lambda n, x: mp.laguerre(n, 0, x), (5,), [0.3, 0.9]),
    "eval_genlaguerre": (mp.laguerre, (4, 0.5), [0.3, 1.0]),
    "eval_gegenbauer": (mp.gegenbauer, (4, 0.5), [0.3, 0.8]),
    "eval_jacobi": (mp.jacobi, (3, 0.5, 1.5), [0.3, 0.8]),
}

BOTH = {"beta": mp.beta, "betaln": lambda a, b: mp.log(mp.beta(a, b))}

FIRST = {"ellipkinc": mp.ellipf, "ellipeinc": lambda p, m: mp.ellipe(p, m)}


def agrees(name, function, points, steps):
    """Assert that a difference is right to 1e-13, or to a few roundings of the values that it is the difference of."""
    with mp.workdps(60):
        start = function(*map(mp.mpf, points))
        end = function(*(mp.mpf(x) + mp.mpf(d) for x, d in zip(points, steps, strict=True)))
        exact = end - start
        scale = max(abs(start), abs(end))
        tiny = max(abs(d) for d in steps) < 1e-20
        allowed = 1e-13 * abs(exact) + (0 if tiny else 4e-15 * scale)
        pairs = [part for pair in zip(points, steps, strict=True) for part in pair]
        found = float(interpreted(name)(*pairs))
        assert abs(found - exact) <= allowed, (name, points, steps, found, float(exact))


def inside(x, d, name):
    """Whether a step stays where the function is defined and smooth."""
    ends = {"ndtri": (0, 1), "erfinv": (-1, 1), "erfcinv": (0, 2), "ellipk": (-9, 1), "ellipe": (-9, 1)}
    low, high = ends.get(name, (1 if name == "arccosh" else 0 if x > 0 else -np.inf, np.inf))
    low = (
        low
        if x > 0 or name in ends
        else np.floor(x)
        if name in ("gammaln", "psi", "gamma", "rgamma")
        else -np.inf
    )
    high = high if x > 0 or name in ends else np.ceil(x)
    return low < x + d < high


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_number(name):
    function, points = ONE[name]
    steps = [(x, rel * x) for x in points for rel in RELATIVE]
    steps = [(x, d) for x, d in steps if inside(x, d, name)]
    assert len(steps) > 5 * len(points)
    for x, d in steps:
        agrees(name, function, [x], [d])


@pytest.mark.parametrize("name", LAST)
def test_functions_of_constants_and_one_number(name):
    function, constants, points = LAST[name]
    for x in points:
        for rel in RELATIVE[:-1]:
            agrees(name, function, [*constants, x], [*(0.0 for _ in constants), rel * x])


@pytest.mark.parametrize("name", BOTH)
def test_functions_of_two_numbers(name):
    for a, b in ((0.3, 2.0), (7.0, 0.4), (30.0, 20.0)):
        for first in RELATIVE:
            for second in (0.0, 2.0**-80, 1e-5, -0.2):
                agrees(name, BOTH[name], [a, b], [first * a, second * b])


@pytest.mark.parametrize("name", FIRST)
def test_functions_of_one_number_and_a_constant(name):
    for x in (0.3, 1.0):
        for rel in RELATIVE:
            agrees(name, FIRST[name], [x, 0.4], [rel * x, 0.0])


def test_every_special_function_is_compared():
    assert {*ONE, *LAST, *BOTH, *FIRST} == {*OF_NUMPY, *table()}


def test_an_order_that_moves_has_no_difference():
    assert np.isnan(interpreted("jv")(0.5, 1e-9, 1.0, 0.0))
    assert interpreted("jv")(0.5, 0.0, 1.0, 0.0) == 0


@pytest.mark.parametrize("name", ["gammaln", "sinc", "erfcx"])
def test_arrays_are_taken_entry_by_entry(name):
    x, d = np.array([[0.3, 1.2], [7.3, 0.8]]), np.array([1e-25, 0.5])
    found = interpreted(name)(x, d)
    assert found.shape == (2, 2)
    for k in np.ndindex(2, 2):
        assert found[k] == pytest.approx(float(interpreted(name)(x[k], d[k[1]])), rel=1e-14)
