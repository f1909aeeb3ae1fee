"""Functions of public projects, right and with planted mistakes: nothing is missed, nothing right is called wrong."""

import pytest

torch = pytest.importorskip("torch")

from benchmarks.torch_functions.every_function import FUNCTIONS  # noqa: E402
from fastcheck.torch import check_function, gradcheck  # noqa: E402

pytestmark = pytest.mark.verdicts_alone

NAMED = {function.name: function for function in FUNCTIONS}
PLAINLY = {"long convolution", "complex scan", "soft time warping"}
"""Functions that are evaluated plainly: by Fourier transforms, of complex numbers, in NumPy."""
SOME = FUNCTIONS[::3]


def name_of(value):
    return value.name


def verdict(function, planted):
    return str(check_function(function.with_mistake(planted), *function.inputs()).verdict)


def expect_pass(function):
    report = check_function(function.call, *function.inputs())
    assert report.passed
    if function.name not in PLAINLY:
        assert report.method == "difference"
        assert report.difference < (1e-6 if "float32" in function.name else 1e-13)


@pytest.mark.parametrize("function", SOME, ids=name_of)
def test_right_backward_passes_pass_and_a_mistake_is_found(function):
    expect_pass(function)
    assert verdict(function, function.mistakes[-1]) == "fail"


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
def test_every_right_backward_pass_passes(function):
    expect_pass(function)


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
def test_every_mistake_is_found(function):
    for planted in function.mistakes:
        assert verdict(function, planted) == "fail", planted.name


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
def test_gradcheck_says_the_same(function):
    assert gradcheck(function.call, function.inputs())
    for planted in function.mistakes:
        wrong = function.with_mistake(planted)
        assert not gradcheck(wrong, function.inputs(), raise_exception=False), planted.name


def test_wrong_blocks_are_those_that_a_mistake_changes():
    function = NAMED["RMS norm"]
    (planted,) = (one for one in function.mistakes if one.name == "weight forgotten in dx")
    report = check_function(function.with_mistake(planted), *function.inputs())
    assert {name: str(block.verdict) for name, block in report.blocks.items()} == {
        "x": "fail",
        "weight": "pass",
    }
