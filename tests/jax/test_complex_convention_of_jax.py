"""The gradient that JAX returns for complex arrays is the conjugate of the direction of steepest ascent."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from fastcheck import check  # noqa: E402

A = np.array([[1 + 2j, 0.5], [-1j, 3 - 1j], [2.0, 1j]])
Z = np.array([0.3 - 1j, 2 + 0.5j])


def test_a_claim_of_jax_is_read_by_its_convention_and_named_without_it():
    with jax.enable_x64():
        claim = jax.grad(lambda z: jnp.sum(jnp.abs(A @ z) ** 2))(jnp.asarray(Z))

    def cost(z):
        return np.sum(np.abs(A @ z) ** 2)

    assert check(cost, Z, claim, complex_gradient="conjugate").passed
    report = check(cost, Z, claim)
    assert "as of jax.grad" in report.causes[0].sentence
