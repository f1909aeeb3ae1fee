"""Checkers are asked, and the page counts what they said."""

import dataclasses
import time

import pytest

torch = pytest.importorskip("torch")

from benchmarks.torch_functions import checkers  # noqa: E402
from benchmarks.torch_functions.checkers import Answer, ask  # noqa: E402
from benchmarks.torch_functions.every_function import FUNCTIONS  # noqa: E402
from benchmarks.torch_functions.table import page  # noqa: E402

NAMED = {function.name: function for function in FUNCTIONS}


@pytest.mark.parametrize("checker", ["gradcheck", "gradcheck, fast mode", "fastcheck"])
def test_everybody_tells_a_gross_mistake_from_a_right_backward_pass(checker):
    function = NAMED["swish"]
    assert ask(checker, function, None, limit=60).said == checkers.RIGHT
    assert ask(checker, function, function.mistakes[0], limit=60).said == checkers.WRONG


def test_what_takes_too_long_or_raises_is_no_answer(monkeypatch):
    def sleeping(call, arguments):
        time.sleep(30)

    def raising(call, arguments):
        raise KeyError

    function = NAMED["swish"]
    monkeypatch.setitem(checkers.CHECKERS, "sleeping", sleeping)
    monkeypatch.setitem(checkers.CHECKERS, "raising", raising)
    assert ask("sleeping", function, None, limit=0.05).said == checkers.TOO_SLOW
    assert ask("raising", function, None, limit=60).said == checkers.ERROR


def test_the_page_counts_what_was_said():
    functions = [NAMED["swish"], NAMED["rotary positions"]]
    answers = []
    for checker, of_wrong, of_right in (
        ("gradcheck", checkers.RIGHT, checkers.WRONG),
        ("gradcheck, fast mode", checkers.TOO_SLOW, checkers.TOO_SLOW),
        ("fastcheck", checkers.WRONG, checkers.RIGHT),
    ):
        for function in functions:
            for planted in (None, *function.mistakes):
                said = of_wrong if planted else of_right
                mistake = planted and planted.name
                answers.append(
                    Answer(
                        checker=checker,
                        function=function.name,
                        mistake=mistake,
                        said=said,
                        seconds=0.25,
                        inputs=21,
                    )
                )
    text = page(answers, functions, limit=60, repeats=5)
    assert "| gradcheck | 10 | 0 | 10 | 0 | 2 | 2 | 0 | 3.0 s |" in text
    assert "| gradcheck, fast mode | 10 | 0 | 0 | 10 | 2 | 0 | 2 | 3.0 s |" in text
    assert "| fastcheck | 10 | 10 | 0 | 0 | 2 | 0 | 0 | 3.0 s |" in text
    assert "| swish | 21 | 5 | 250 | > 250 | 250 | 5 | no answer | 0 | 1 | no answer | 0 |" in text
    assert "**fastcheck.** Nothing." in text
    assert "False alarms: swish (the right one); rotary positions (the right one)." in text
    assert "turned before the product with sin: PaddlePaddle/Paddle#74716" in text
    other = dataclasses.replace(answers[-1], said=checkers.UNDECIDED)
    assert "| rotary positions | 21 | 5 | 250 | > 250 | 250 | 5 | no answer | 0, 1 no answer |" in page(
        [*answers[:-1], other], functions, limit=60, repeats=5
    )
