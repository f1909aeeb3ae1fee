"""The functions of the benchmark are what it says: right ones are right, and mistakes change gradients."""

import dataclasses
import itertools

import pytest

torch = pytest.importorskip("torch")

from benchmarks.torch_functions.every_function import FUNCTIONS  # noqa: E402
from benchmarks.torch_functions.judging import effect  # noqa: E402
from benchmarks.torch_functions.planting import NotThereError, mistake  # noqa: E402

PLANTED = [(function, planted) for function in FUNCTIONS for planted in function.mistakes]


def name_of(value):
    return value.name


def rounding(function):
    """Return how far a right gradient may be from autograd's, in typical entries."""
    in_float32 = any(getattr(x, "dtype", None) == torch.float32 for x in function.inputs())
    return 1e-5 if in_float32 else 1e-10


@pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
def test_a_right_backward_pass_is_what_autograd_makes_of_the_forward_pass(function):
    assert effect(function, None) < rounding(function)


def expect_change(function, planted):
    assert effect(function, planted) >= planted.changes > 3 * rounding(function), planted.name


@pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
def test_the_last_mistake_changes_a_gradient_by_what_it_states(function):
    expect_change(function, function.mistakes[-1])


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
def test_each_mistake_changes_a_gradient_by_what_it_states(function):
    for planted in function.mistakes:
        expect_change(function, planted)


def values(call, function):
    outputs = call(*function.inputs())
    return [out.detach() for out in (outputs if isinstance(outputs, tuple) else (outputs,))]


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
def test_a_mistake_leaves_the_values_as_they_were(function):
    right = values(function.call, function)
    for planted in function.mistakes:
        found = values(function.with_mistake(planted), function)
        assert all(map(torch.equal, right, found)), planted.name


def test_there_are_many():
    assert len(FUNCTIONS) >= 15
    assert len(PLANTED) >= 80
    names = [function.name for function in FUNCTIONS]
    assert len(set(names)) == len(names)
    for function in FUNCTIONS:
        mistakes = [planted.name for planted in function.mistakes]
        assert 3 <= len(set(mistakes)) == len(mistakes)


def test_a_mistake_that_is_not_there_is_an_error():
    function = FUNCTIONS[0]
    for text in ("no such text", "ctx"):  # not there, and there more than once
        with pytest.raises(NotThereError, match="no such mistake"):
            function.with_mistake(mistake("no such mistake", text, "pass"))


def test_a_planted_line_can_be_read_in_tracebacks():
    function = FUNCTIONS[0]
    call = function.with_mistake(
        mistake("raises", "dgamma = (dh", "raise KeyError('planted')\n        dgamma = (dh")
    )
    with pytest.raises(KeyError) as caught:
        effect(dataclasses.replace(function, call=call), None)
    lines = [str(entry.statement).strip() for entry in itertools.islice(caught.traceback, 1, None)]
    assert "raise KeyError('planted')" in lines
