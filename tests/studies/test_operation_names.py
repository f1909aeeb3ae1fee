"""Operations have the names that NumPy gives them."""

import numpy as np
import pytest
from studied import study_of

M = np.array([[2.0, 0.3], [0.1, 1.5]])

NAMES = {
    "add": lambda w: w + M,
    "subtract": lambda w: w - M,
    "negative": lambda w: -w,
    "multiply": lambda w: w * M,
    "divide": lambda w: w / M,
    "matmul": lambda w: w @ M,
    "transpose": lambda w: w.T,
    "reshape": lambda w: w.reshape(-1),
    "index": lambda w: w[0],
    "take": lambda w: w[[0, 0, 1]],
    "concatenate": lambda w: np.concatenate([w, M]),
    "einsum": lambda w: np.einsum("ij,ji->i", w, M),
    "maximum": lambda w: np.maximum(w, 0.1),
    "minimum": lambda w: np.minimum(w, 0.1),
    "where": lambda w: np.where(M > 1, w, 0.5),
    "absolute": np.abs,
    "exp": np.exp,
    "square": np.square,
    "power": lambda w: w**1.5,
    "mean": np.mean,
    "cumsum": lambda w: np.cumsum(w, axis=0),
    "prod": lambda w: np.prod(w, axis=1),
    "max": lambda w: w.max(axis=1),
    "solve": lambda w: np.linalg.solve(w, M),
    "cholesky": lambda w: np.linalg.cholesky(w @ w.T),
}


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_has_its_name(name):
    function = NAMES[name]

    def cost(p):
        x = function(p["w"])
        return np.sum(x)

    network = study_of(cost, {"w": M + 0.25}).network()
    operations = {name for step in network.steps[:-1] for name in step.operations}
    assert name in operations
    assert "sum" in network.steps[-1].operations
