"""The page of first lines: what it counts, and that the course's two mistakes are named."""

from benchmarks.causes.sets import planted
from benchmarks.first_lines import NOT_NAMED, SAID, page, read


def test_the_mistakes_of_the_course_are_named_in_the_first_two_lines():
    claims = list(planted(["zoo"], families=("course",), only="the course|rounded to four"))
    readings = [read(claim) for claim in claims]
    assert [reading.named for reading in readings] == [SAID, SAID, NOT_NAMED]
    assert readings[0].first == "FAIL  dW2 is 2 times the right gradient"
    assert readings[0].second.startswith("cost      perceptron.py:")
    text = page(readings, unknowable=7)
    assert "Of 3 claims the first two lines name the mistake in 2 (66.7%). Besides, 7 claims have" in text
    assert "| not named | 1 |" in text
    assert "*the course: dW2 doubled* (course, named in 1 of 1 networks)" in text
    assert text.count("FAIL  the gradient is wrong in W3") == 2  # not named, and in the list of all
