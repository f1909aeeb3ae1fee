"""Mistakes that are searched for by plain evaluation, beside what is said where all slopes are known."""

import re
import tracemalloc

import numpy as np
import pytest
from located_network import Network, wide, wrong_coordinates

import fastcheck
from fastcheck.diagnosis.located_blocks import report_search
from fastcheck.diagnosis.searching import Suspect, search
from fastcheck.engines.plain.directions import Directions
from fastcheck.problem.posing import pose

SEEDS = range(3)


def searched(problem, number=0):
    """What the search of a block tells, whatever screening said of it."""
    suspect = Suspect(problem.layout.blocks[number])
    return report_search(problem, search(problem, Directions(problem), suspect, tolerance=1e-7), 1e-7).report


@pytest.mark.parametrize("seed", SEEDS)
def test_a_transposed_gradient(seed):
    network = Network(seed)
    gradients = network.gradients()
    gradients["dW1"] = gradients["dW1"].T.copy()
    report = network.locate(gradients, seed=seed)
    located = report.blocks["W1"].located
    assert located.how == "dense"
    assert located.share > 0.9
    assert located.sentence == "W1 (1,600 coordinates) is wrong throughout"
    assert report.causes[0].sentence.startswith("dW1 is transposed: return its .T")
    sampled = network.locate(gradients, seed=seed, method="plain").blocks["W1"].located
    assert (sampled.how, sampled.sentence) == ("dense", "W1 (1,600 coordinates) is wrong throughout")


def test_very_many_wrong_rows_are_described_by_a_few():
    network = Network(5, sizes=(100, 300, 5))
    gradients = network.gradients()
    gradients["dW1"][::3] *= -1
    located = network.locate(gradients).blocks["W1"].located
    assert (located.how, len(located.regions), located.share) == ("rows", 100, pytest.approx(1 / 3))
    assert located.sentence.startswith(
        "row 0 of W1 (100 coordinates) is wrong by a factor of −1; row 3 of W1"
    )
    assert located.sentence.endswith("; 97 more rows of W1 are wrong, too")
    located = network.locate(gradients, method="plain").blocks["W1"].located
    assert located.how == "scattered"
    assert located.regions
    assert {int(name.removeprefix("W1[").split(",")[0]) % 3 for name in located.regions} == {0}
    count = int(
        re.match(r"at least (\d+) of 300 rows of W1 hold wrong coordinates, in all", located.sentence)[1]
    )
    assert 32 < count <= 100
    assert "row 0 of W1 (100 coordinates) is wrong by a factor of −1; row 3 of W1" in located.sentence


def test_wrong_coordinates_in_very_many_rows_are_counted_and_some_of_them_named():
    network = Network(5, sizes=(100, 300, 5))
    gradients = network.gradients()
    rng = np.random.default_rng(0)
    rows = rng.choice(300, size=120, replace=False)
    gradients["dW1"][rows, rng.integers(100, size=120)] += 1e-3
    block = network.locate(gradients).blocks["W1"]
    assert (block.located.how, block.wrong) == ("coordinates", 120)
    assert block.located.sentence.startswith("120 coordinates of W1 are wrong: W1[")
    block = network.locate(gradients, method="plain").blocks["W1"]
    assert block.located.how == "scattered"
    count = int(
        re.match(r"at least (\d+) of 300 rows of W1 hold wrong coordinates", block.located.sentence)[1]
    )
    assert 32 < count <= 120
    assert block.wrong >= 2
    assert {c.index[0] for c in block.worst if c.error > 5e-4} <= set(rows.tolist())


def test_short_rows_are_named_as_such():
    network = Network(0, sizes=(6, 200, 5))
    gradients = network.gradients()
    gradients["dW1"][17] *= -1
    gradients["dW2"][:, 9] *= 3
    gradients["dW2"][2, 11] *= 3
    for method in ("auto", "plain"):
        blocks = network.locate(gradients, method=method).blocks
        assert blocks["W1"].located.regions == ("W1[17, :]",)
        assert blocks["W2"].located.regions == ("W2[:, 9]",)
        assert "row 17 of W1 (6 coordinates) is wrong by a factor of −" in blocks["W1"].located.sentence
        assert "; W2[2, 11] is wrong by a factor of " in blocks["W2"].located.sentence


def test_a_vector_has_coordinates_and_no_rows():
    theta = np.random.default_rng(0).standard_normal(2000)
    claim = 2 * theta
    claim[::3] *= 1.5
    every, some = (
        fastcheck.locate(lambda p: np.sum(p**2), theta, claim, method=method).blocks["theta"].located
        for method in ("auto", "plain")
    )
    assert every.sentence.startswith("667 coordinates of theta are wrong: theta[")
    assert "of 2,000 coordinates of theta are wrong, in all at most" in some.sentence


@pytest.mark.parametrize("method", ["auto", "plain"])
@pytest.mark.parametrize("name", ["1, :, :, :", ":, 1, :, :", ":, :, 0, :", ":, :, :, 4"])
def test_slices_along_any_axis_of_a_small_block(name, method):
    theta = np.random.default_rng(0).standard_normal((3, 3, 2, 5))
    claim = np.cos(theta)
    index = tuple(slice(None) if part == ":" else int(part) for part in name.split(", "))
    claim[index] *= -1
    located = (
        fastcheck.locate(lambda p: np.sum(np.sin(p)), theta, claim, method=method).blocks["theta"].located
    )
    assert located.regions == (f"theta[{name}]",)
    assert located.sentence.endswith(" is wrong by a factor of −1")


@pytest.mark.parametrize(
    ("shape", "index"),
    [
        ((), ()),
        ((1,), (0,)),
        ((5000,), (4321,)),
        ((1, 3000), (0, 77)),
        ((3000, 1), (77, 0)),
        ((6, 5, 4, 30), (3, 2, 1, 17)),
        ((400, 3, 3), (123, 2, 0)),
    ],
)
@pytest.mark.parametrize("method", ["auto", "plain"])
def test_blocks_of_any_shape(shape, index, method):
    rng = np.random.default_rng(0)
    theta, scale = {"p": rng.standard_normal(shape), "q": np.ones(3)}, rng.uniform(1, 2, shape)

    def cost(parameters):
        return np.sum(scale * parameters["p"] ** 2) + np.sum(parameters["q"])

    theta["p"] = np.asarray(theta["p"])
    gradients = {"p": np.asarray(2 * scale * theta["p"]), "q": np.ones(3)}
    gradients["p"][index] += 0.5
    report = fastcheck.locate(cost, theta, gradients, method=method)
    assert wrong_coordinates(report, "p") >= {index}
    assert report.blocks["p"].wrong == 1
    assert report.blocks["q"].located is None


@pytest.mark.parametrize("method", ["auto", "plain"])
def test_a_slab_of_a_filter_is_a_column(method):
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((50, 3, 5))
    gradient = 2 * theta
    gradient[:, 1, 4] *= 1.5
    located = fastcheck.locate(lambda p: np.sum(p**2), theta, gradient, method=method).blocks["theta"].located
    assert (located.how, located.regions) == ("slices", ("theta[:, 1, 4]",))
    assert located.sentence == "theta[:, 1, 4] (50 coordinates) is wrong by a factor of 1.5"


@pytest.mark.parametrize("seed", SEEDS)
def test_plain_evaluation_finds_coordinates_with_few_directions(seed):
    network = Network(seed)
    gradients = network.gradients()
    gradients["dW1"][17, 5] += 0.01
    gradients["dW1"][30, 8] -= 0.02
    report = network.locate(gradients, method="plain", seed=seed)
    assert report.method == "plain"
    assert wrong_coordinates(report, "W1") >= {(17, 5), (30, 8)}
    assert report.blocks["W1"].wrong == 2
    assert report.forward_passes < 1600


def test_plain_evaluation_recognises_a_row_and_a_dense_mistake():
    network = Network(0)
    gradients = network.gradients()
    gradients["dW1"][17] *= -1
    gradients["dW2"] *= 2
    report = network.locate(gradients, method="plain")
    assert report.blocks["W1"].located.regions == ("W1[17, :]",)
    assert report.blocks["W2"].located.how == "dense"


def test_a_cost_that_cannot_be_followed_is_evaluated_plainly():
    network = Network(0)
    gradients = network.gradients()
    gradients["dW1"][17, 5] += 0.1

    def cost(p):
        return network.cost(
            {name: np.frombuffer(value.tobytes()).reshape(value.shape) for name, value in p.items()}
        )

    report = fastcheck.locate(cost, network.parameters, gradients)
    assert report.method == "plain"
    assert wrong_coordinates(report, "W1") >= {(17, 5)}


def test_kinks_beside_a_wrong_coordinate():
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((60, 50))
    theta[3, ::2] = 0  # |θ| has no slope there
    gradient = np.sign(theta)
    gradient[40, 7] *= 1.5
    for method in ("auto", "plain"):
        block = fastcheck.locate(lambda p: np.sum(np.abs(p)), theta, gradient, method=method).blocks["theta"]
        assert block.wrong == 1
        assert block.worst[0].index == (40, 7)


def test_a_suspicion_that_is_not_confirmed_is_said_to_be_none():
    network = Network(0)
    located = searched(pose(network.cost, network.parameters, network.gradients())).located
    assert (located.how, located.share, located.complete) == ("nothing", 0.0, True)
    assert (
        "no coordinate of W1 was found that is wrong by itself; the 16 that were measured" in located.sentence
    )


def test_the_search_takes_a_few_arrays_of_the_size_of_the_block():
    network = wide(False)
    gradients = network.gradients()
    gradients["dW1"][17, 5] *= 2
    problem = pose(network.cost, network.parameters, gradients)
    tracemalloc.start()
    report = searched(problem)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.wrong == 1
    assert peak < 8 * problem.theta.nbytes
