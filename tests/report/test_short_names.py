"""Long names of blocks are shortened in the middle: different ones stay different, and indices stay whole."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcheck import check
from fastcheck.report.short_names import SHORTEST, shortened, shortened_coordinates

LAYERS = [f"encoder.layers[{k}].self_attention.output_projection.weight" for k in range(120)]

parts = st.sampled_from(
    ["encoder", "W", "layers", ".", "[0]", "[1]", "[17]", "_", "é", "中", "…", "\n", "\x1b", "(2)"]
)
texts = st.one_of(st.text(max_size=60), st.lists(parts, max_size=40).map("".join))
names = st.lists(texts, max_size=12)


@given(names, st.integers(1, 60))
def test_different_names_stay_different(names, width):
    shown = shortened(names, width)
    assert shown.keys() == set(names)
    assert len(set(shown.values())) == len(shown)


@given(names, st.integers(SHORTEST, 60))
def test_what_is_short_enough_is_whole_and_what_is_cut_keeps_its_ends(names, width):
    whole = shortened(names, 10_000)
    for name, text in shortened(names, width).items():
        if len(whole[name]) <= width:
            assert text == whole[name]
        if text != whole[name]:
            assert whole[name].startswith(text[0])
            assert whole[name].endswith(text[-1])
            assert len(text) < len(whole[name])


@given(
    st.lists(st.tuples(texts, st.lists(st.integers(0, 10**6), max_size=3)), max_size=8), st.integers(1, 60)
)
def test_indices_are_complete(coordinates, width):
    places = [(name, f"[{', '.join(map(str, index))}]" if index else "") for name, index in coordinates]
    shown = shortened_coordinates(places, width)
    assert all(text.endswith(index) for text, (_, index) in zip(shown, places, strict=True))


@pytest.mark.parametrize("width", [24, 30, 40])
def test_numbers_of_layers_are_kept_and_the_width_is(width):
    shown = shortened(LAYERS, width)
    assert all(f"[{k}]" in shown[name] and len(shown[name]) <= width for k, name in enumerate(LAYERS))


def test_names_that_differ_in_the_middle_alone_are_cut_elsewhere_or_get_more_room():
    names = [f"{'a' * 40}{k}{'b' * 40}" for k in "xyz"]
    shown = shortened(names, 30)
    assert len(set(shown.values())) == 3
    assert max(map(len, shown.values())) <= 81


def test_names_that_look_the_same_get_numbers():
    assert list(shortened(["a\n", "a\\n"], 30).values()) == ["a\\n", "a\\n (2)"]


@pytest.fixture(scope="module")
def many_layers():
    theta = {name: np.linspace(1, 2, 12).reshape(3, 4) for name in LAYERS[:20]}
    claim = {name: np.random.default_rng(k).random((3, 4)) for k, name in enumerate(theta)}
    report = check(lambda p: sum(np.sum(w**2) for w in p.values()), theta, claim)
    assert len(report.blocks) == 20
    return report


@pytest.mark.parametrize("width", [60, 80, 120])
def test_in_a_report_of_many_layers_every_row_tells_its_layer_and_fits(many_layers, width):
    for verbose in (False, True):
        lines = many_layers.to_text(verbose=verbose, width=width).splitlines()
        assert max(map(len, lines)) <= width
        if width < 80:
            continue  # not all columns fit side by side: cells have several lines
        rows = [line for line in lines if " fail " in line]
        assert len(rows) == (20 if verbose else 8)
        assert all(f"[{k}]" in row.split("  ")[0] for k, row in enumerate(rows))
        worst = lines[lines.index(next(line for line in lines if line.startswith("coordinate"))) + 1 :]
        worst = [line.split("  ")[0] for line in worst[: 15 if verbose else 6]]
        assert [place.count("[") for place in worst] == [2] * len(worst)
        assert all(re.search(r"\[\d, \d\]$", place) for place in worst)
