"""Checks of Jacobians: their benchmark, on small ones."""

import numpy as np
import pytest

from benchmarks.jacobians import central_differences, chain_case, layer_case, least_found, with_error
from fastcheck import check_jacobian


@pytest.mark.parametrize("make", [chain_case, layer_case])
def test_the_right_jacobian_passes_and_the_wrong_one_does_not(make, benchmark):
    case = make(30)
    report = benchmark(check_jacobian, case.function, case.x, case.jacobian)
    assert report.passed
    assert not check_jacobian(case.function, case.x, with_error(case, 1e-3)).passed


def test_the_least_error_that_is_found_is_told():
    case = layer_case(10)
    np.testing.assert_allclose(central_differences(case), case.jacobian, atol=1e-8)
    assert least_found(case, lambda claim: abs(claim[7, 7] / case.jacobian[7, 7] - 1) > 5e-4) == "1e-03"
    assert least_found(case, lambda claim: False) == "none"
