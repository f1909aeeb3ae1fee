"""A recorded run tells which parameter is multiplied with what, and computes J."""

import numpy as np
import pytest
from scipy.linalg.blas import dgemm

from fastcheck.engines.difference.recording import record
from fastcheck.engines.difference.state import current_recorder

RNG = np.random.default_rng(0)
W, V = RNG.standard_normal((5, 4)), RNG.standard_normal((4, 5))
X = RNG.standard_normal((4, 7))
XS = np.ascontiguousarray(X.T)
B = RNG.standard_normal((5, 1))


def recorded(cost, *leaves):
    value, recorder = record(lambda arrays: cost(*arrays), list, leaves)
    assert value == pytest.approx(cost(*leaves), rel=1e-14)
    return recorder


PRODUCTS = {
    "operator": lambda w: w @ X,
    "dot": lambda w: np.dot(w, X),
    "method": lambda w: w.dot(X),
    "method of the other": lambda w: XS.dot(w.T).T,
    "transposes": lambda w: (XS @ w.T).T,
    "inner": lambda w: np.inner(w, XS),
    "tensordot": lambda w: np.tensordot(w, XS, axes=([1], [1])),
    "einsum": lambda w: np.einsum("ij,jk->ik", w, X),
    "einsum, turned": lambda w: np.einsum("ba,ca->cb", XS, w),
    "copies": lambda w: np.array(w.T.copy().T) @ X.astype(np.float64),
    "reshapes": lambda w: w.reshape(-1).reshape(5, 4) @ X,
    "into an array": lambda w: np.matmul(w, X, out=np.empty((5, 7))),
}


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
@pytest.mark.parametrize("turned", [False, True])
def test_every_product_is_noted(product, turned):
    def cost(b, w):
        return np.sum((product(w.T if turned else w) + b) ** 2)

    (noted,) = recorded(cost, B, V if turned else W).products
    assert (noted.leaf, noted.turned, noted.outputs) == (1, turned, 5)
    assert np.array_equal(noted.inputs, X)


@pytest.mark.parametrize("shape", [(4,), (1, 4), (4, 1)])
def test_vectors_are_weights_of_one_unit(shape):
    w = RNG.standard_normal(shape)
    (noted,) = recorded(lambda w: np.sum(XS @ np.reshape(w, 4)), w).products
    assert (noted.turned, noted.outputs, noted.inputs.shape) == (shape == (4, 1), 1, (4, 7))


def test_one_sample_is_a_column():
    (noted,) = recorded(lambda w: np.sum(w @ X[:, 0]), W).products
    assert np.array_equal(noted.inputs, X[:, :1])


def test_inputs_are_kept_as_they_were():
    def cost(w, v):
        a = np.maximum(w @ X, 0)
        z = v @ a
        a[...] = 0.0
        return np.sum(z)

    first, second = recorded(cost, W, V).products
    assert np.shares_memory(first.inputs, X)
    assert np.array_equal(second.inputs, np.maximum(W @ X, 0))


def test_sums_of_squares_and_repetitions_are_no_products():
    def cost(w):
        return np.sum(np.maximum(w @ X, 0.1 * (w @ X))) + np.vdot(w, w) + np.trace(w.T @ w)

    recorder = recorded(cost, W)
    assert len(recorder.products) == 1
    assert not recorder.strange


def test_other_inputs_are_another_product():
    products = recorded(lambda w: np.sum(w @ X) + np.sum(w @ (2 * X)), W).products
    assert [product.leaf for product in products] == [0, 0]


@pytest.mark.parametrize(
    "product",
    [
        lambda w: np.matmul(w, np.stack([X, X])),
        lambda w: np.einsum("ij,jk->ijk", w, X),
        lambda w: np.einsum("ij,ij->i", w, np.ones((5, 4))),
    ],
)
def test_strange_products_are_noted(product):
    recorder = recorded(lambda w: np.sum(product(w)), W)
    assert recorder.strange
    assert recorder.products == []


def test_compiled_code_that_takes_plain_memory_is_noted():
    recorder = recorded(lambda v: np.sum(dgemm(1.0, XS, v)), V)
    assert recorder.unwrapped
    assert recorder.products == []
    assert not recorded(lambda v: np.sum(XS.dot(v)), V).unwrapped
    assert not recorded(lambda w: np.sum(w.dot(X)), W).unwrapped


def test_plain_operands_and_indices_are_noted():
    labels, mask = np.array([1, 0, 3, 2, 1, 1, 4]), RNG.random((5, 7)) < 0.5

    def cost(w):
        return np.sum((np.exp(w @ X) * mask)[labels, np.arange(7)] - np.array([[1.0, 2.0, 3.0]]).T)

    constants = list(recorded(cost, W).constants.values())
    assert any(array is mask for array in constants)
    assert any(array is labels for array in constants)


def test_operands_after_the_last_product_are_noted():
    def cost(w, v):
        z = v @ np.maximum(w @ X, 0)
        return np.sum(np.eye(7)[:4] * z)

    late = recorded(cost, W, V).late
    assert any(np.array_equal(array, np.eye(7)[:4]) for array in late)
    assert any(np.array_equal(array, V @ np.maximum(W @ X, 0)) for array in late)
    assert not any(array.shape == (5, 7) for array in late)


def test_there_is_a_recorder_only_while_recording():
    seen = []

    def cost(w):
        seen.append(current_recorder())
        return np.sum(w)

    recorder = recorded(cost, W)
    assert seen == [recorder, None]
    assert current_recorder() is None


def test_what_the_cost_raises_passes_through():
    with pytest.raises(ZeroDivisionError):
        record(lambda w: 1 // 0, lambda arrays: arrays[0], [W])
    assert current_recorder() is None
