"""Of two Functions with thousands of inputs, right ones pass to rounding, and no mistake is missed."""

import pytest

torch = pytest.importorskip("torch")

from benchmarks.torch_functions_speed import MISTAKES, inputs_of  # noqa: E402
from fastcheck.torch import check_function  # noqa: E402

CASES = [(function, mistake) for function, mistakes in MISTAKES.items() for mistake in mistakes]
USUALLY = {"mean forgotten", "a small entry", "scale forgotten"}


@pytest.mark.parametrize("function", MISTAKES, ids=lambda function: function.__name__)
def test_right_functions_of_thousands_of_inputs_are_right_to_rounding(function):
    report = check_function(function, *inputs_of(function))
    assert report.passed
    assert report.certified is not None
    assert report.size == report.checked > 6_000
    assert report.difference < 1e-13


@pytest.mark.parametrize(
    ("function", "mistake"),
    [
        pytest.param(
            *case, marks=() if case[1] in USUALLY else pytest.mark.slow, id=f"{case[0].__name__}, {case[1]}"
        )
        for case in CASES
    ],
)
def test_every_planted_mistake_in_them_is_found(function, mistake, monkeypatch):
    monkeypatch.setattr(function, "mistake", mistake)
    assert not check_function(function, *inputs_of(function)).passed
