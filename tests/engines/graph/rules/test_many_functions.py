"""Functions of NumPy and SciPy in a cost are followed: right gradients pass, wrong ones fail, both by the graph."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.special
import scipy.stats
from many_functions import FAMILIES, SPARSE, START, cost_of, slopes_by_differences, symmetric, vectorized
from many_spellings import SPELLINGS

from fastcheck import check
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.certificate import NotCertifiedError
from fastcheck.engines.graph.nodes.eigen import Spectral
from fastcheck.engines.graph.rules import fourier
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.identities import interpreted
from fastcheck.identities.special import table

EIGENVECTORS = "(lambda w, q: q * np.log(w) @ q.T)(*np.linalg.eigh(symmetric(x)))"
ALL = {**FAMILIES, "spellings": SPELLINGS}
CASES = [expression for family in ALL.values() for expression in family]


def note_of(cost, x, gradient=None):
    """Return the note of a check by another method than the graph, which passes."""
    right = slopes_by_differences(cost, x) if gradient is None else gradient
    report = check(cost, x, right)
    assert report.passed
    assert report.method != "difference"
    (note,) = [note for note in report.notes if "stopped at line" in note]
    assert "test_many_functions.py" in note
    return note


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("expression", CASES)
def test_every_function_is_followed(expression):
    cost = cost_of(expression)
    right = slopes_by_differences(cost, START)
    report = check(cost, START, right)
    assert report.passed
    assert report.method == "difference"
    assert report.notes == ()
    wrong = right.copy()
    wrong[2] += 1e-4 * max(1.0, np.linalg.norm(right))
    report = check(cost, START, wrong)
    assert not report.passed
    assert report.method == "difference"


def test_a_power_spectrum_is_smooth_where_it_is_zero():
    def cost(x):
        return 1.0 + np.sum(np.abs(np.fft.rfft(x)) ** 2) + np.sum(x)

    report = check(cost, np.zeros(4), np.ones(4), method="difference")
    assert report.passed
    assert not check(cost, np.zeros(4), np.full(4, 1.001)).passed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: np.arctan2(x * x, x), np.array([0.0, 1.0, -2.0])),
        (lambda x: np.interp(x, [0.0, 1, 2], [0.0, 1, 0]), np.array([0.5, 1.0, 1.5])),
        (lambda x: np.linalg.norm(np.diag(x), 2), np.array([1.0, 1.0, 0.5])),
        (lambda x: np.linalg.norm(np.diag(x), "nuc"), np.array([1.0, 0.7, 0.0])),
    ],
    ids=["arctan2", "interp", "norm 2", "norm nuc"],
)
def test_kinks_are_not_certified_as_smooth(function, x, seed):
    cost = cost_of(function)
    with pytest.raises((NotCertifiedError, TracingError)):
        check(cost, x, np.ones(x.size), method="difference", seed=seed)


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: np.abs(np.fft.fft(x)), np.array([0.5, -0.5, 0.25, -0.25])),
        (lambda x: np.hypot(x, 0.0), np.array([0.0, 1.0, -2.0])),
        (lambda x: scipy.special.i0e(x), np.array([0.0, 1.0])),
        (lambda x: scipy.special.huber(0.5, np.abs(x)), np.array([0.0, 0.2])),
    ],
    ids=["zero frequency", "hypot", "i0e", "huber"],
)
def test_kinks_of_functions_that_are_made_of_others_are_known(function, x):
    cost = cost_of(function)
    right = slopes_by_differences(cost, x)
    assert check(cost, x, right, method="difference").passed
    assert not check(cost, x, right + 10.0, method="difference").passed
    right[-1] *= 1 + 1e-4
    assert not check(cost, x, right, method="difference").passed


def test_a_result_that_decides_something_keeps_its_slopes():
    def cost(x):
        value = np.sum(x**2)
        return value if value > 0 else 0.0

    report = check(cost, START, 2 * START, method="difference")
    assert report.passed


def test_eigenvalues_that_coincide_have_no_slopes():
    """The sum of squares is smooth all the same: other methods follow it."""

    def cost(x):
        return np.sum(np.linalg.eigvalsh(np.eye(3) + 0.0 * symmetric(x)) ** 2) + np.sum(x)

    note = note_of(cost, START, np.ones(6))
    assert "np.linalg.eigvalsh" in note or "eigenvalues" in note


def test_matrices_without_full_rank_have_no_pseudoinverse_with_slopes():
    def cost(x):
        return np.sum(np.linalg.pinv(np.outer(x[:3], [1.0, 2.0])))

    right = slopes_by_differences(cost, START)
    assert note_of(cost, START, right)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: np.linalg.qr(np.reshape(x, (3, 2)), mode="complete")[0][:, :2], 'pass "reduced"'),
        (lambda x: np.linalg.svd(np.reshape(x, (3, 2)))[0][:, :2], "full_matrices=False"),
        (lambda x: np.abs(np.arcsin(x + 1j)), "compute with real and imaginary parts"),
        (lambda x: scipy.special.gammainc(x, 1.5), "the others must be constants"),
        (lambda x: scipy.sparse.csr_array(SPARSE).multiply(x).sum(axis=1), "use matrix.toarray"),
        (lambda x: scipy.stats.norm.logpdf(x), "write the density out"),
    ],
    ids=["qr", "svd", "arcsin", "gammainc", "multiply", "logpdf"],
)
def test_what_is_not_followed_is_named_with_what_would_help(function, words):
    cost = cost_of(function)
    with pytest.raises(Exception, match=words):
        check(cost, START, slopes_by_differences(cost, START), method="difference")
    report = check(cost, START, slopes_by_differences(cost, START))
    assert report.passed
    assert report.method != "difference"
    assert re.search(words, report.notes[0])
    assert "test_many_functions.py" in report.notes[0]


def test_shared_objects_are_as_before():
    before = SPARSE.copy()
    cost = cost_of(lambda x: vectorized(SPARSE @ x[:6]))
    right = slopes_by_differences(cost, START)
    assert check(cost, START, right).method == "difference"
    assert (before != SPARSE).nnz == 0
    assert type(SPARSE @ START) is np.ndarray
    assert type(vectorized) is np.vectorize
    assert scipy.linalg.solve(np.eye(2), [1.0, 2.0]).tolist() == [1.0, 2.0]


def test_the_scale_of_a_transform_is_seen():
    def cost(x):
        return np.sum(np.abs(np.fft.fft(x)) ** 2)

    report = check(cost, START, 2 * START.size * START, method="difference")
    assert report.passed
    assert report.difference < 1e-14
    assert not check(cost, START, 2 * START).passed


def test_a_wrong_rule_of_eigenvectors_is_not_certified(monkeypatch):
    right = Spectral.backward
    monkeypatch.setattr(Spectral, "backward", lambda self, slope: [right(self, slope)[0] * (1 + 1e-7)])
    for expression in (EIGENVECTORS, "np.linalg.svd(square(x)).Vh ** 2"):
        cost = cost_of(expression)
        with pytest.raises(NotCertifiedError, match="did not confirm the slopes"):
            check(cost, START, np.ones(6), method="difference")


@pytest.mark.parametrize("rule", ["tangent", "difference"])
def test_a_wrong_rule_forwards_of_eigenvectors_is_not_certified(monkeypatch, rule):
    right = getattr(Spectral, rule)
    monkeypatch.setattr(Spectral, rule, lambda self, moves, many: right(self, moves, many) * (1 + 1e-6))
    with pytest.raises(NotCertifiedError):
        check(cost_of(EIGENVECTORS), START, np.ones(6), method="difference")


def test_a_wrong_adjoint_is_not_certified(monkeypatch):
    monkeypatch.setitem(fourier.SWAPPED, None, "ortho")
    with pytest.raises(NotCertifiedError, match="did not confirm the slopes"):
        check(cost_of("np.abs(np.fft.rfft(x))"), START, np.ones(6), method="difference")


@pytest.fixture
def fresh_identities():
    interpreted.cache_clear()
    yield
    interpreted.cache_clear()


@pytest.mark.usefixtures("fresh_identities")
def test_a_wrong_derivative_of_a_special_function_is_not_certified(monkeypatch):
    """It is the same backwards and forwards: the cost itself disagrees."""
    wrong = dataclasses.replace(table()["gammaln"], slopes=(lambda x: scipy.special.digamma(x) * 1.000001,))
    monkeypatch.setitem(table(), "gammaln", wrong)
    with pytest.raises(DisagreementError, match="The cost itself finds another difference"):
        check(cost_of(scipy.special.gammaln), START, np.ones(6), method="difference")


def test_complex_arrays_that_a_cost_keeps_are_plain_afterwards():
    kept = []

    class Layer:
        spectrum = None

        def cost(self, x):
            self.spectrum = np.fft.rfft(x)
            kept.append(self.spectrum[1:3])
            return np.sum(np.abs(self.spectrum) ** 2)

    layer = Layer()
    report = check(layer.cost, START, slopes_by_differences(layer.cost, START))
    assert (report.passed, report.method) == (True, "difference")
    assert type(layer.spectrum) is np.ndarray
    assert {type(z) for z in kept} == {np.ndarray}
