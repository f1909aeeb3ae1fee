import dataclasses
import itertools

import numpy as np
import pytest

from fastcheck import check
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.pictures.network import Network, Step
from fastcheck.report.page.lanes import MOST_LANES, lanes_beside
from fastcheck.report.page.network_rows import draw_network, name_of_result


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


def drawn(steps, report):
    return draw_network(Network(steps=tuple(steps)), report, {name: name for name in report.blocks})


def rows_of(picture):
    return [row for fold in picture.folds for row in fold.rows]


def test_the_first_wrong_place_is_marked(report):
    steps = [
        step("a", blocks=("W1",)),
        step("b", blocks=("W2",), inputs=(0,)),
        step("c", blocks=("b",), inputs=(1,)),
    ]
    assert [row.is_first_wrong for row in rows_of(drawn(steps, report))] == [False, True, False]


def test_what_is_right_has_no_wrong_place(right_report):
    picture = draw_network(right_report.study.network(), right_report, {})
    assert not any(row.is_first_wrong for row in rows_of(picture))
    assert picture.sentence == ""


def test_loops_say_how_often_they_ran_and_what_they_read_again(report):
    rows = rows_of(
        drawn([step("h = f(h)", runs=20, inputs=(0, 1)), step("c = h", inputs=(0,), runs=20)], report)
    )
    assert rows[0].again == (1, 2)
    assert rows[0].step.runs == 20
    assert rows[0].feeds_next


def test_the_middle_of_many_steps_is_folded_but_not_what_is_wrong(report):
    steps = [step(f"h{k}", number=k, inputs=(k - 1,) if k else ()) for k in range(200)]
    steps[100] = dataclasses.replace(steps[100], blocks=("W1",))
    folds = drawn(steps, report).folds
    assert [fold.is_folded for fold in folds] == [False, True, False, True, False]
    assert 101 in [row.number for row in folds[2].rows]
    numbers = [row.number for fold in folds for row in fold.rows]
    assert numbers == list(range(1, 201))


def test_few_steps_are_not_folded(report):
    assert [fold.is_folded for fold in drawn([step("a")] * 40, report).folds] == [False]


def test_blocks_that_were_not_looked_at_are_named(report):
    (row,) = rows_of(drawn([step("a", blocks=("other", "b"))], report))
    assert [(chip.name, chip.mark.word) for chip in row.chips] == [("b", "right"), ("other", "not looked at")]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Z1 = W1 @ X", "Z1"),
        ("self.h += 1", "self.h"),
        ("cost: float = 1", "cost"),
        ("größe = 2", "größe"),
        ("a, b = f()", "a, b"),
        ("Z, D = np.dot(W, A) + b, None", "Z"),
        ("(U, self.V) = np.tanh(Z), np.exp(Z)", "U, self.V"),
        ("a, b = c == d", "a, b"),
        ("a, x[0] = f()", "a, x[0]"),
        ("a, b = f(", ""),
        ("for a, b in c:", ""),
        ("x[0] = 1", ""),
        ("return a == b", ""),
        ("f(x=1)", ""),
        ("a == b", ""),
        ("", ""),
    ],
)
def test_results_are_called_what_the_line_calls_them(text, name):
    assert name_of_result(step(text)) == name


def test_lines_beside_the_steps_never_share_a_place():
    rng = np.random.default_rng(0)
    for _ in range(50):
        inputs = [tuple(rng.integers(0, k, 2)) if k else () for k in range(30)]
        beside = lanes_beside(inputs)
        for lanes in beside:
            positions = [lane.position for lane in lanes]
            assert len(set(positions)) == len(positions)
            assert all(position < MOST_LANES for position in positions)
        for position in range(MOST_LANES):
            kinds = [lane.kind for lanes in beside for lane in lanes if lane.position == position]
            ends = [kind for kind in kinds if kind in ("start", "end")]
            assert ends == ["start", "end"] * (len(ends) // 2)


def test_every_line_ends_where_its_result_is_read():
    beside = lanes_beside([(), (0,), (1,), (2, 0), (3, 0)])
    assert [[lane.kind for lane in lanes] for lanes in beside] == [
        ["start"],
        ["through"],
        ["through"],
        ["branch"],
        ["end"],
    ]
    assert list(itertools.chain.from_iterable(lanes_beside([(), (0,), (1,)]))) == []
