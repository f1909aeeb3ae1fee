import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcheck import InvalidProblemError
from fastcheck.plan.coordinates import Part, make_plan
from fastcheck.problem.parameters import read_parameters

SHAPES = {"W1": (5, 4), "b1": (5, 1), "W2": (3, 5), "gamma": ()}


def layout_and_theta(shapes):
    return read_parameters({name: np.ones(shape) for name, shape in shapes.items()})


def plan(coordinates="all", epsilon=None, seed=0, shapes=SHAPES):
    layout, theta = layout_and_theta(shapes)
    return make_plan(layout, theta, coordinates, epsilon, seed).coordinates


def names(coordinates, shapes=SHAPES):
    layout, _ = layout_and_theta(shapes)
    return [layout.coordinate_name(int(i)) for i in coordinates]


def test_all():
    assert plan("all").tolist() == list(range(41))


@given(st.data(), st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 2**32))
def test_a_number_per_block_is_stratified_and_without_replacement(data, sizes, seed):
    shapes = {f"B{i}": (size,) for i, size in enumerate(sizes)}
    count = data.draw(st.integers(1, min(sizes)))
    layout, theta = layout_and_theta(shapes)
    chosen = make_plan(layout, theta, count, None, seed).coordinates
    assert np.all(np.diff(chosen) > 0)  # ascending, none twice
    assert all(((chosen >= b.start) & (chosen < b.stop)).sum() == count for b in layout.blocks)
    assert np.array_equal(chosen, make_plan(layout, theta, count, None, seed).coordinates)


@given(st.floats(1e-6, 1.0))
def test_a_fraction_takes_at_least_its_share_of_every_block(fraction):
    chosen = plan(fraction)
    layout, _ = layout_and_theta(SHAPES)
    for block in layout.blocks:
        count = ((chosen >= block.start) & (chosen < block.stop)).sum()
        assert fraction * block.size * (1 - 1e-9) <= count
        assert count == block.size or count < max(fraction * block.size + 1, 11)


def test_small_blocks_are_looked_at_as_a_whole_beside_large_ones():
    shapes = {"W": (300, 784), "b": (10,)}
    assert sum(i >= 300 * 784 for i in plan(0.001, shapes=shapes)) == 10
    assert sum(i >= 300 * 784 for i in plan(100, shapes=shapes)) == 10


def test_a_tenth_of_thirty_is_three():
    assert len(plan({"w": 0.1}, shapes={"w": (300,)})) == 30


def test_another_seed_draws_another_sample():
    samples = {tuple(plan(0.6, seed=seed)) for seed in range(5)}
    assert len(samples) == 5


def test_blocks_of_one_size_get_samples_of_their_own():
    first, second = np.split(plan(5, shapes={"a": (50,), "b": (50,)}), 2)
    assert list(first) != list(second - 50)


def test_every_coordinate_is_equally_likely():
    counts = np.zeros(10)
    for seed in range(400):
        counts[plan(3, seed=seed, shapes={"w": (10,)})] += 1
    assert np.all(np.abs(counts - 120) < 5 * np.sqrt(400 * 0.3 * 0.7))


def test_the_sample_of_a_block_does_not_depend_on_what_is_asked_of_the_others():
    both = plan({"W1": 3, "W2": 4})
    assert set(plan({"W1": 3})) == {i for i in both if i < 20}


@pytest.mark.parametrize(
    ("coordinates", "expected"),
    [
        ([("W1", (3, 0))], ["W1[3, 0]"]),
        (["W1[3, 0]"], ["W1[3, 0]"]),
        (["W1[3,0]", "b1[4, 0]", ("W1", (0, 1))], ["W1[0, 1]", "W1[3, 0]", "b1[4, 0]"]),
        (["W1[3, 0]", ("W1", (3, 0))], ["W1[3, 0]"]),
        ([("W1", (-1, -1))], ["W1[4, 3]"]),
        (["gamma", ("W1", (0, 0))], ["W1[0, 0]", "gamma"]),
        ([("gamma", ())], ["gamma"]),
        ({"b1": "all"}, [f"b1[{i}, 0]" for i in range(5)]),
        ({"W1": [(3, 0), (0, 0)], "gamma": 1}, ["W1[0, 0]", "W1[3, 0]", "gamma"]),
        ({"W1": [(np.int64(3), 0)]}, ["W1[3, 0]"]),
    ],
)
def test_explicit_positions(coordinates, expected):
    assert names(plan(coordinates)) == expected


def test_positions_in_a_vector_and_in_nested_blocks():
    layout, theta = read_parameters({"layers": [{"W": np.ones(3)}, {"W": np.ones(3)}]})
    for wish in (["layers[1].W[2]"], [("layers[1].W", 2)], {"layers[1].W": [2]}):
        assert make_plan(layout, theta, wish, None, 0).coordinates.tolist() == [5]


@pytest.mark.parametrize(
    ("coordinates", "phrases"),
    [
        (0, ["coordinates", "at least 1", "got 0"]),
        (-3, ["got -3"]),
        (0.0, ["fraction in (0, 1]", "got 0.0"]),
        (1.5, ["fraction in (0, 1]", "got 1.5"]),
        (float("nan"), ["got nan"]),
        (True, ["got True"]),
        (None, ["got None"]),
        ("some", ["'all'", "got 'some'"]),
        ([], ["none chosen"]),
        ({}, ["none chosen"]),
        ({"W1": []}, ["none chosen"]),
        ({"W1": "some"}, ["coordinates of W1", "got 'some'"]),
        ({"W9": 2}, ["no block 'W9'", "W1, b1, W2, gamma"]),
        (["W9[0]"], ["no block 'W9'"]),
        ([("W1", (5, 0))], ["W1[5, 0] does not exist", "shape (5, 4)"]),
        ([("W1", (3,))], ["W1[3] does not exist"]),
        (["W1"], ["W1 is a block of shape (5, 4). Name an entry of it", "{'W1': 'all'}"]),
        ([3], ["positions such as", "got 3"]),
    ],
)
def test_impossible_wishes(coordinates, phrases):
    with pytest.raises(InvalidProblemError) as caught:
        plan(coordinates)
    assert all(phrase in str(caught.value) for phrase in phrases), str(caught.value)


@pytest.mark.parametrize("seed", [-1, 1.0, None, True, "0"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(InvalidProblemError, match="seed"):
        plan(seed=seed)


@pytest.mark.parametrize("epsilon", [0, -1e-7, float("inf"), float("nan"), "small", 1j])
def test_a_step_is_positive_and_finite(epsilon):
    with pytest.raises(InvalidProblemError, match="epsilon: expected a positive finite step"):
        plan(epsilon=epsilon)


def test_a_step_must_change_every_parameter_it_is_added_to():
    layout, theta = read_parameters({"small": np.array([1e-9]), "large": np.array([1.0, 3e9])})
    with pytest.raises(InvalidProblemError, match=r"1e-07 is too small for large\[1\] = 3e\+09"):
        make_plan(layout, theta, "all", 1e-7, 0)
    for value in (1.0, -1.0):  # below a power of two the numbers lie closer: only one side is stuck
        layout_of_one, theta_of_one = read_parameters(np.array([value]))
        with pytest.raises(InvalidProblemError, match="too small"):
            make_plan(layout_of_one, theta_of_one, "all", 1e-16, 0)
    assert make_plan(layout, theta, {"small": "all"}, 1e-7, 0).epsilon == 1e-7
    assert make_plan(layout, theta, "all", 1e-6, 0).coordinates.size == 3


def test_the_name_of_a_block_among_positions_is_explained():
    layout, theta = read_parameters({"W": np.ones((4, 3)), "s": np.array(1.0)})
    with pytest.raises(
        InvalidProblemError, match=r"W is a block of shape \(4, 3\)\. Name an entry .*'W': 'all'"
    ):
        make_plan(layout, theta, ["W"], None, 0)
    assert make_plan(layout, theta, ["s"], None, 0).size == 1


def test_rows_are_the_inverse_of_places():
    block = layout_and_theta({"w": (3, 4)})[0].blocks[0]
    for part in (Part(block=block, places=None), Part(block=block, places=np.array([1, 4, 5, 11]))):
        rows = np.arange(part.size)[::-1]
        np.testing.assert_array_equal(part.rows(part.at(rows)), rows)
