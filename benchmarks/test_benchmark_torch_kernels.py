"""Right kernels of the benchmark pass at many lengths and scales, and mistakes in them are found."""

import pytest

torch = pytest.importorskip("torch")

from benchmarks.torch_kernel_cases import CASES  # noqa: E402
from benchmarks.torch_kernels import DTYPES, MISTAKES, check, found, has_gradient  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_right_kernels_pass_at_every_length(case, dtype):
    for length in (1, 2, 3, 7, 33, 100):
        report = check(case, dtype, seed=length, length=length)
        assert report.passed, report


@pytest.mark.parametrize("case", list(filter(has_gradient, CASES)), ids=lambda case: case.name)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found_in_single_precision(case, mistake):
    assert found(case, "float32", MISTAKES[mistake])
