import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

import fastcheck  # noqa: E402
from benchmarks.torch_forwards import FORWARDS, forward_of  # noqa: E402

SHORTEST = ("LSTM cell in a loop", "Llama block")


@pytest.mark.parametrize("name", FORWARDS)
def test_forwards_that_people_train_are_recorded_and_their_gradients_are_right(name):
    forward = forward_of(name, size=2)
    report = fastcheck.check(forward.cost, forward.parameters, forward.gradients, method="difference")
    assert report.passed
    assert report.difference < 1e-12


@pytest.mark.parametrize(
    "name", [name if name in SHORTEST else pytest.param(name, marks=pytest.mark.slow) for name in FORWARDS]
)
def test_a_wrong_entry_of_a_gradient_of_theirs_is_found(name):
    forward = forward_of(name, size=2)
    block = max(forward.gradients, key=lambda key: np.abs(forward.gradients[key]).max())
    wrong = np.array(forward.gradients[block])
    wrong[np.unravel_index(np.argmax(np.abs(wrong)), wrong.shape)] *= 1.001
    claims = {**forward.gradients, block: wrong}
    report = fastcheck.check(forward.cost, forward.parameters, claims, method="difference")
    assert [key for key, each in report.blocks.items() if each.verdict == "fail"] == [block]
