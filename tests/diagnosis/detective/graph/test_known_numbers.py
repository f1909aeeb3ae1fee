"""Numbers are named by the plainest thing that they equal."""

import pytest

from fastcheck.diagnosis.detective.graph.known_numbers import KnownNumbers
from fastcheck.diagnosis.detective.patterns.hints import Hints


@pytest.mark.parametrize(("number", "name"), [(16.0, "16"), (1 / 16, "1/16"), (20**0.5, "√20"), (20.0, "20")])
def test_whole_numbers_are_not_written_as_roots(number, name):
    sizes = {"the number of entries of Z": 256, "the number of samples": 20}
    assert KnownNumbers(sizes.values(), []).name(number) == name
    named = Hints(sizes=sizes).factor(number, 1e-12)
    assert named is not None
    assert named.written == name
