import dataclasses

import numpy as np
import pytest

from fastcheck import check
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.pictures.network import Step
from fastcheck.report.causes import Cause
from fastcheck.report.first_wrong import first_wrong_place


def step(text, *, number=1, blocks=(), inputs=(), runs=1):
    line = CodeLine(file="/home/me/network.py", number=number, text=text)
    return Step(line=line, operations=("add",), shape=(2,), runs=runs, blocks=blocks, inputs=inputs)


@pytest.fixture(scope="module")
def report():
    """W1 and W2 are wrong, b is right."""
    parameters = {name: np.ones(2) for name in ("W1", "W2", "b")}
    claim = {"W1": 3 * np.ones(2), "W2": np.array([2.0, 7.0]), "b": 2 * np.ones(2)}
    found = check(lambda p: sum(np.sum(a**2) for a in p.values()), parameters, claim, progress=False)
    return dataclasses.replace(found, causes=())


def test_the_first_wrong_place_is_the_last_step_that_reads_a_wrong_block(report):
    steps = [step("a", blocks=("W1",)), step("b", blocks=("W2",), inputs=(0,)), step("c", blocks=("b",))]
    assert first_wrong_place(steps, report) == (1, "here W2 is read")
    assert first_wrong_place(steps[2:], report) is None


def test_other_steps_that_read_the_same_block_are_named(report):
    steps = [step("a", blocks=("W1", "W2")), step("b"), step("c", blocks=("W1",))]
    assert first_wrong_place(steps, report) == (2, "here W1 is read, and in 1")


def cause_of(blocks, *steps):
    lines = tuple(step.line for step in steps)
    return Cause(kind="sign", blocks=blocks, sentence="a sign", evidence="", certain=True, lines=lines)


def test_the_line_that_a_cause_names_comes_before_those_that_read_its_blocks(report):
    steps = [step(text, number=number, blocks=("W1",)) for number, text in enumerate("abc", start=7)]
    with_cause = dataclasses.replace(report, causes=(cause_of(("W1", "W2"), steps[0], steps[1]),))
    assert first_wrong_place(steps, with_cause) == (1, "the first cause names this line")


def test_of_a_cause_that_is_not_certain_it_is_said_that_it_is_not(report):
    steps = [step(text, number=number, blocks=("W1",)) for number, text in enumerate("ab", start=7)]
    doubtful = dataclasses.replace(cause_of(("W1", "W2"), steps[0]), certain=False)
    with_cause = dataclasses.replace(report, causes=(doubtful,))
    assert first_wrong_place(steps, with_cause) == (
        0,
        "the first cause, which is not certain, names this line",
    )


def test_the_place_nearest_to_j_is_the_first(report):
    steps = [step(text, number=number) for number, text in enumerate("abcd", start=7)]
    steps[3] = dataclasses.replace(steps[3], blocks=("W2",))
    first = cause_of(("W1",), steps[0])
    with_one = dataclasses.replace(report, causes=(first,))
    assert first_wrong_place(steps, with_one) == (3, "here W2 is read")
    with_two = dataclasses.replace(report, causes=(first, cause_of(("W2",), steps[2])))
    assert first_wrong_place(steps, with_two) == (2, "a further cause names this line")
