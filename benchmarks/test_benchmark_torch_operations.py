"""The script about PyTorch's samples finds rules that are wrong."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks.torch_operations import measured, page  # noqa: E402
from fastcheck.engines.graph.frameworks.torch import signatures  # noqa: E402
from fastcheck.engines.graph.frameworks.torch.operations.table import OPERATIONS  # noqa: E402

pytestmark = [
    pytest.mark.slow,  # PyTorch's samples take seconds to be imported
    pytest.mark.filterwarnings("ignore"),
]


def test_samples_are_followed_and_counted():
    results = measured(["softmax", "nn.functional.celu", "linalg.eig"])

    assert set(results["softmax"].samples) <= {"followed", "no numbers, or very many"}
    assert results["nn.functional.celu"].samples["wrong"] == 0
    assert "| wrong | 0 | 0 |" in page(results)
    assert "linalg_eig" in page(results)


@pytest.mark.parametrize("factor", [1.0 + 1e-9, 2.0])
def test_a_wrong_rule_is_found(factor, monkeypatch):
    right = OPERATIONS["_softmax"]
    monkeypatch.setitem(OPERATIONS, "_softmax", lambda *arguments: np.multiply(right(*arguments), factor))
    signatures.signature_of.cache_clear()
    try:
        assert measured(["softmax"])["softmax"].samples["wrong"] > 0
    finally:
        monkeypatch.undo()
        signatures.signature_of.cache_clear()
