"""The cost line by line."""

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from fastcheck import Cause
from fastcheck.pictures.network import Network
from fastcheck.report.plotting.network import MOST_ROWS, draw_network, first_wrong_step, rows_of
from tests.known_study import THREE_LAYERS, step
from tests.pictured import pictured_report

NETWORK = Network(steps=THREE_LAYERS)


def report_with(*wrong):
    slopes = {"W1": np.ones((5, 4)), "b1": np.ones((5, 1)), "W2": np.ones((3, 5)), "b2": np.ones((3, 1))}
    return pictured_report({name: ((2 if name in wrong else 1) * s, s) for name, s in slopes.items()})


def drawn(report, network=NETWORK):
    return draw_network(Figure().add_subplot(), report, network)


def framed(ax):
    return [text.get_text() for text in ax.texts if text.get_bbox_patch() is not None]


def test_each_line_is_a_row_with_the_shape_of_its_result():
    shown = [text.get_text() for text in drawn(report_with()).texts if text.get_position()[0] > 0.25]
    assert shown[0] == "Z1 = np.dot(W1, X) + b1  (5×3)"
    assert shown[-1] == "cost = np.sum(A2)  (number)"
    assert len(shown) == 5


def test_names_of_wrong_blocks_are_bold_and_marked_otherwise():
    ax = drawn(report_with("b1"))
    weights = {text.get_text(): text.get_fontweight() for text in ax.texts if text.get_position()[0] < 0.25}
    assert weights == {"W1": "normal", "b1": "bold", "W2": "normal", "b2": "normal"}
    assert sorted(line.get_marker() for line in ax.lines) == ["X", "o", "o", "o"]


@pytest.mark.parametrize(
    ("wrong", "first"), [((), None), (("b1",), 0), (("W1", "b2"), 2), (("W1", "b1", "W2", "b2"), 2)]
)
def test_the_first_wrong_place_is_nearest_to_the_cost(wrong, first):
    report = report_with(*wrong)
    assert first_wrong_step(NETWORK, report) == first
    expected = (
        [] if first is None else [f"{THREE_LAYERS[first].line.text}  ({'5×3' if first == 0 else '3×3'})"]
    )
    assert framed(drawn(report)) == expected


def test_the_line_that_the_first_cause_names_is_the_first_wrong_place():
    line = dataclasses.replace(THREE_LAYERS[1].line)
    cause = Cause(kind="k", blocks=("W1",), sentence="s", evidence="", certain=True, lines=(line,))
    report = dataclasses.replace(report_with("W1"), causes=(cause,))
    assert first_wrong_step(NETWORK, report) == 1


@pytest.mark.parametrize(
    ("blocks", "first"), [(("W1", "b1"), 1), (("W1", "b1", "W2", "b2"), 3), (("W2",), 3)]
)
def test_of_a_line_in_several_layers_the_one_behind_the_wrong_blocks_is_meant(blocks, first):
    line = dataclasses.replace(THREE_LAYERS[1].line, text="A = relu(Z)")
    steps = list(THREE_LAYERS)
    for number in (1, 3):
        steps[number] = dataclasses.replace(steps[number], line=line)
    cause = Cause(kind="k", blocks=blocks, sentence="s", evidence="", certain=True, lines=(line,))
    report = dataclasses.replace(report_with(*blocks), causes=(cause,))
    assert first_wrong_step(Network(steps=tuple(steps)), report) == first


def test_a_cause_whose_line_is_not_drawn_leaves_the_block_nearest_to_the_cost():
    line = dataclasses.replace(THREE_LAYERS[1].line, number=99)
    cause = Cause(kind="k", blocks=("W1",), sentence="s", evidence="", certain=True, lines=(line,))
    report = dataclasses.replace(report_with("W1", "b2"), causes=(cause,))
    assert first_wrong_step(NETWORK, report) == 2


def test_neighbours_are_joined_both_ways_and_others_by_an_arc():
    arrows = [patch for patch in drawn(report_with()).patches if hasattr(patch, "get_connectionstyle")]
    assert len(arrows) == 2 * 4 + 1


def test_long_networks_keep_what_is_wrong_and_count_the_rest():
    steps = tuple(
        step(k, f"h = step{k}(h)", blocks=("W1",) if k == 30 else (), inputs=(k - 1,) if k else ())
        for k in range(200)
    )
    network, report = Network(steps=steps), report_with("W1")
    rows = rows_of(network, report)
    assert len(rows) <= MOST_ROWS
    assert sorted(number for row in rows for number in row.steps) == list(range(200))
    assert (30,) in [row.steps for row in rows if row.is_shown]
    ax = drawn(report, network)
    assert framed(ax) == ["h = step30(h)  (3)"]
    assert "… 29 more lines" in [text.get_text() for text in ax.texts]


def test_long_names_of_blocks_stay_different_and_do_not_overlap():
    names = [f"encoder.layers[{k}].attention.weight" for k in (3, 11)]
    report = pictured_report({name: (np.ones(2), np.ones(2)) for name in names})
    steps = (step(1, "h = f(h)", blocks=(names[0],)), step(2, "J = g(h)", blocks=tuple(names), inputs=(0,)))
    shown = [text for text in drawn(report, Network(steps=steps)).texts if text.get_position()[0] < 0.25]
    assert len(shown) == 2
    assert "[3]" in shown[0].get_text()
    assert shown[1].get_text().endswith(" +1")


def test_loops_and_lines_without_source_are_drawn():
    steps = (
        step(1, "", blocks=("W1", "b1", "W2", "b2"), runs=12, inputs=(0, 1)),
        step(2, "x" * 300, inputs=(0,)),
    )
    ax = drawn(report_with("b2"), Network(steps=steps))
    shown = [text.get_text() for text in ax.texts]
    assert "dot, add  (3, 12 times)" in shown
    assert "W1 +2" in shown or "b2 +2" in shown
    assert max(map(len, shown)) < 60
    ax.figure.canvas.draw()


def test_blocks_that_were_not_looked_at_are_in_the_legend():
    network = Network(steps=(step(1, "h = f(W1, other)", blocks=("W1", "other")),))
    words = [text.get_text() for text in drawn(report_with(), network).get_legend().get_texts()]
    assert words == ["block right", "block not looked at"]
