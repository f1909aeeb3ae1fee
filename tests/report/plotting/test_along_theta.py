"""θ as one vector."""

import dataclasses

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from fastcheck import Verdict
from fastcheck.report.picture_words import VERDICT_COLOURS
from fastcheck.report.plotting.along_theta import draw_along_theta, slices_of
from tests.pictured import pictured_report

RNG = np.random.default_rng(0)


def course_like(wrong="W2"):
    shapes = {"W1": (5, 4), "b1": (5, 1), "W2": (3, 5), "b2": (3, 1)}
    slopes = {name: RNG.standard_normal(shape) for name, shape in shapes.items()}
    return pictured_report({name: ((2 if name == wrong else 1) * s, s) for name, s in slopes.items()})


def names_shown(ax):
    return {note.get_text(): note for note in ax.texts}


def test_blocks_follow_each_other_in_their_colours():
    report = course_like()
    ax = draw_along_theta(Figure().add_subplot(), report)
    stairs = {part.get_data().edges[0]: part for part in ax.patches}
    assert sorted(stairs) == [0, 20, 25, 40]
    assert to_hex(stairs[25].get_facecolor()) == VERDICT_COLOURS[Verdict.FAIL]
    assert to_hex(stairs[0].get_facecolor()) == VERDICT_COLOURS[Verdict.PASS]
    assert stairs[25].get_data().values.max() > -1
    assert stairs[0].get_data().values.max() == -17
    assert ax.get_xlim() == (0, 43)


def test_names_of_wrong_blocks_are_bold():
    shown = names_shown(draw_along_theta(Figure().add_subplot(), course_like()))
    assert {name: note.get_fontweight() for name, note in shown.items()} == {
        "W1": "normal",
        "b1": "normal",
        "W2": "bold",
        "b2": "normal",
    }


def test_a_tiny_block_that_is_wrong_is_named_before_all_others():
    slopes = {f"W{k}": RNG.standard_normal(1000) for k in range(40)} | {"b": np.ones(1)}
    report = pictured_report({name: ((-1 if name == "b" else 1) * s, s) for name, s in slopes.items()})
    ax = draw_along_theta(Figure().add_subplot(), report)
    assert "b" in names_shown(ax)
    assert ax.get_title() == f"Errors along θ; {41 - len(ax.texts)} more not named"


def without_errors(report, *names):
    blocks = {
        name: dataclasses.replace(block, errors=None) if name in names else block
        for name, block in report.blocks.items()
    }
    return dataclasses.replace(report, blocks=blocks)


def test_blocks_without_errors_are_hatched_and_said_to_be():
    report = without_errors(course_like(), "b1")
    assert [(part.name, part.start, part.stop) for part in slices_of(report)][1] == ("b1", 20, 25)
    ax = draw_along_theta(Figure().add_subplot(), report)
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["block right", "block wrong (bold name)", "no errors of coordinates"]


def test_places_that_are_not_known_are_not_drawn():
    report = without_errors(course_like(), "b1")
    partial = dataclasses.replace(report, left_out=("W0",))
    assert [part.name for part in slices_of(partial)] == ["W1", "W2", "b2"]
    legend = draw_along_theta(Figure().add_subplot(), partial).get_legend()
    assert legend.get_texts()[-1].get_text() == "1 block not drawn: not known where in θ"


def test_a_report_without_blocks_is_empty_axes():
    report = dataclasses.replace(course_like(), blocks={})
    assert draw_along_theta(Figure().add_subplot(), report).texts[:] == []


def test_what_was_not_looked_at_has_no_height():
    looked_at = np.zeros(10, dtype=bool)
    looked_at[4] = True
    report = pictured_report({"w": (np.ones(10), np.ones(10), looked_at)})
    heights = draw_along_theta(Figure().add_subplot(), report).patches[0].get_data().values
    assert list(heights) == [-17.5] * 4 + [-17] + [-17.5] * 5
