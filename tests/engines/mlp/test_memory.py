"""A check of eight million parameters needs less than twice their memory beside them."""

import tracemalloc

import numpy as np
import pytest

from fastcheck import MLP, check_mlp

ACTIVATIONS = ("relu", "relu", "softmax")


@pytest.mark.parametrize("layout", ["features_first", "samples_first"])
def test_the_largest_block_is_held_once_beside_the_parameters(layout):
    model = MLP(ACTIVATIONS, layout=layout)
    parameters = model.initialize((3072, 2048, 1024, 10), seed=0)
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((3072, 8)), rng.integers(0, 10, 8)
    X = X if layout == "features_first" else X.T
    gradients = model.gradients(parameters, X, Y)
    gradients["W1"][1000, 1000] += 1e-3 * np.abs(gradients["W1"]).mean()
    tracemalloc.start()
    report = check_mlp(parameters, gradients, X, Y, activations=ACTIVATIONS, layout=layout)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert memory < 2 * sum(value.nbytes for value in parameters.values())
    assert (report.blocks["W1"].wrong, report.worst[0].name) == (1, "W1[1000, 1000]")
    assert report.checked == sum(value.size for value in parameters.values())
