"""The gradient that torch returns for complex tensors is the direction of steepest ascent."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fastcheck import check  # noqa: E402

A = np.array([[1 + 2j, 0.5], [-1j, 3 - 1j], [2.0, 1j]])
Z = np.array([0.3 - 1j, 2 + 0.5j])


def test_a_claim_of_torch_is_read_by_the_first_convention():
    z = torch.tensor(Z, requires_grad=True)
    (torch.abs(torch.tensor(A) @ z) ** 2).sum().backward()

    def cost(z):
        return np.sum(np.abs(A @ z) ** 2)

    assert check(cost, Z, z.grad).passed
    report = check(cost, Z, z.grad.conj().resolve_conj())
    assert "dtheta is the conjugate of the gradient" in report.causes[0].sentence
