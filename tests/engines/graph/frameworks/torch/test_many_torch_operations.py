import numpy as np
import pytest

torch = pytest.importorskip("torch")

from many_operations import KINDS  # noqa: E402
from torch_costs import cost_of  # noqa: E402

import fastcheck  # noqa: E402

TOGETHER = 16
"""Operations that one check is of."""

GROUPS = {
    f"{kind} {start}": dict(list(operations.items())[start : start + TOGETHER])
    for kind, operations in KINDS.items()
    for start in range(0, len(operations), TOGETHER)
}


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("functions", GROUPS.values(), ids=GROUPS)
def test_slopes_of_operations_are_autograds_and_one_wrong_digit_in_each_is_found(functions):
    cost, parameters, gradients = cost_of(functions)

    right = fastcheck.check(cost, parameters, gradients, method="difference")

    assert right.verdict == "pass"
    assert {name: part.difference for name, part in right.blocks.items() if part.difference > 1e-12} == {}

    for gradient in gradients.values():
        gradient[largest_entry(gradient)] += 1e-6 * (np.max(np.abs(gradient)) or 1.0)
    wrong = fastcheck.check(cost, parameters, gradients, method="difference")
    assert {name: part.wrong for name, part in wrong.blocks.items()} == dict.fromkeys(gradients, 1)


def largest_entry(array):
    return np.unravel_index(np.argmax(np.abs(array)), array.shape)
