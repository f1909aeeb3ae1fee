from __future__ import annotations

import functools
import itertools
import tracemalloc

import numpy as np
import pytest

import fastcheck
from fastcheck import Report, Verdict
from fastcheck.engines.directions import opened
from fastcheck.execution import Execution
from fastcheck.locating import locate_from
from fastcheck.problem import pose
from fastcheck.searching import Suspect

SIZES = (40, 40, 30, 5)
SEEDS = range(3)


def suspects(problem):
    return [Suspect(block) for block in problem.layout.blocks]


class Network:
    """A perceptron in NumPy, weights features × inputs or, transposed, inputs × features, and its right gradient."""

    def __init__(self, seed, sizes=SIZES, *, transposed=False, activation="tanh"):
        rng = np.random.default_rng(seed)
        self.transposed, self.activation, self.depth = transposed, activation, len(sizes) - 1
        self.X = rng.standard_normal((sizes[0], 6))
        self.Y = np.eye(sizes[-1])[:, rng.integers(sizes[-1], size=6)]
        self.parameters = {}
        for layer, (width, height) in enumerate(itertools.pairwise(sizes), 1):
            weight = rng.standard_normal((height, width)) / np.sqrt(width)
            self.parameters[f"W{layer}"] = np.ascontiguousarray(weight.T) if transposed else weight
            self.parameters[f"b{layer}"] = 0.1 * rng.standard_normal((height, 1))

    def weight(self, p, layer):
        return p[f"W{layer}"].T if self.transposed else p[f"W{layer}"]

    def cost(self, p):
        a = self.X
        for layer in range(1, self.depth + 1):
            z = self.weight(p, layer) @ a + p[f"b{layer}"]
            a = np.tanh(z) if self.activation == "tanh" else np.maximum(z, 0)
        z = z - z.max(axis=0)
        return np.sum(np.log(np.sum(np.exp(z), axis=0)) - np.sum(self.Y * z, axis=0)) / 6

    def gradients(self):
        p, inputs, outputs = self.parameters, [self.X], []
        for layer in range(1, self.depth + 1):
            outputs.append(self.weight(p, layer) @ inputs[-1] + p[f"b{layer}"])
            inputs.append(np.tanh(outputs[-1]) if self.activation == "tanh" else np.maximum(outputs[-1], 0))
        z = np.exp(outputs[-1] - outputs[-1].max(axis=0))
        d = (z / z.sum(axis=0) - self.Y) / 6
        found = {}
        for layer in range(self.depth, 0, -1):
            weight = d @ inputs[layer - 1].T
            found[f"dW{layer}"] = weight.T.copy() if self.transposed else weight
            found[f"db{layer}"] = d.sum(axis=1, keepdims=True)
            if layer > 1:
                slope = 1 - inputs[layer - 1] ** 2 if self.activation == "tanh" else inputs[layer - 1] > 0
                d = (self.weight(p, layer).T @ d) * slope
        return found

    def locate(self, gradients, **options) -> Report:
        return fastcheck.locate(self.cost, self.parameters, gradients, **{"method": METHOD[-1], **options})


METHOD = ["auto"]


@pytest.fixture(params=["auto", "difference"])
def way(request):
    """All coordinates are compared, or the mistake is searched for along directions."""
    METHOD.append(request.param)
    yield request.param
    METHOD.pop()


def wrong_coordinates(report, block):
    return {c.index for c in report.blocks[block].worst if c.relative_error > 1e-7}


# Every kind of mistake


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_wrong_coordinates_are_found_and_confirmed(seed, count, transposed):
    network = Network(seed, transposed=transposed)
    gradients = network.gradients()
    rng = np.random.default_rng([seed, count])
    flat = rng.choice(1600, size=count, replace=False)
    gradients["dW1"].flat[flat] *= 1 + 10.0 ** rng.uniform(-5, 1, count)
    report = network.locate(gradients, seed=seed)
    assert {
        name: block.verdict for name, block in report.blocks.items() if not block.located
    } == dict.fromkeys(["b1", "W2", "b2", "W3", "b3"], Verdict.PASS)
    block = report.blocks["W1"]
    assert block.verdict is Verdict.FAIL
    assert (block.located.how, block.located.complete) == ("coordinates", True)
    assert wrong_coordinates(report, "W1") == {divmod(int(i), 40) for i in flat}
    assert block.wrong == count
    assert block.located.share == pytest.approx(count / 1600)


@pytest.mark.usefixtures("way")
def test_a_coordinate_is_named_with_its_factor():
    network = Network(0)
    gradients = network.gradients()
    gradients["dW1"][17, 5] *= 1.001
    assert (
        network.locate(gradients).blocks["W1"].located.sentence == "W1[17, 5] is wrong by a factor of 1.001"
    )


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_negated_row(seed):
    network = Network(seed)
    gradients = network.gradients()
    gradients["dW1"][17] *= -1
    located = network.locate(gradients, seed=seed).blocks["W1"].located
    assert (located.how, located.regions, located.complete) == ("rows", ("W1[17, :]",), True)
    assert located.share == pytest.approx(1 / 40)
    assert located.sentence == "row 17 of W1 (40 coordinates) is wrong by a factor of −1"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_wrong_column(seed, transposed):
    network = Network(seed, transposed=transposed)
    gradients = network.gradients()
    gradients["dW2"][:, 3] *= 0.5
    located = network.locate(gradients, seed=seed).blocks["W2"].located
    assert (located.how, located.regions, located.complete) == ("columns", ("W2[:, 3]",), True)
    height = gradients["dW2"].shape[0]
    assert located.sentence == f"column 3 of W2 ({height} coordinates) is wrong by a factor of 0.5"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", SEEDS)
def test_two_rows_swapped(seed):
    network = Network(seed)
    gradients = network.gradients()
    gradients["dW1"][[4, 21]] = gradients["dW1"][[21, 4]]
    located = network.locate(gradients, seed=seed).blocks["W1"].located
    assert (located.how, located.regions, located.complete) == ("rows", ("W1[4, :]", "W1[21, :]"), True)
    assert "row 4 of W1 (40 coordinates) is wrong throughout; row 21 of W1" in located.sentence


@pytest.mark.parametrize("seed", SEEDS)
def test_a_transposed_gradient(seed):
    network = Network(seed)
    gradients = network.gradients()
    gradients["dW1"] = gradients["dW1"].T.copy()
    located = network.locate(gradients, seed=seed).blocks["W1"].located
    assert located.how == "dense"
    assert located.share > 0.9
    assert located.sentence.startswith(
        "W1 (1,600 coordinates) is wrong throughout. The claim for W1 is transposed"
    )
    sampled = network.locate(gradients, seed=seed, method="difference").blocks["W1"].located
    assert (sampled.how, sampled.sentence) == ("dense", "W1 (1,600 coordinates) is wrong throughout")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("factor", [1.01, 1 + 1e-5, 2.0, -1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_whole_block_off_by_a_factor(seed, factor):
    network = Network(seed)
    gradients = network.gradients()
    gradients["dW1"] *= factor
    located = network.locate(gradients, seed=seed).blocks["W1"].located
    assert (located.how, located.share) == ("dense", 1.0)
    number = f"{factor:.10g}".replace("-", "−")
    assert located.sentence == f"W1 (1,600 coordinates) is wrong by a factor of {number}"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_block_of_zeros(seed):
    network = Network(seed)
    gradients = network.gradients()
    gradients["dW1"][:] = 0
    assert (
        network.locate(gradients).blocks["W1"].located.sentence
        == "W1 (1,600 coordinates) is zero and should not be"
    )


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", SEEDS)
def test_an_entry_of_a_bias(seed):
    network = Network(seed)
    gradients = network.gradients()
    gradients["db2"][11] += 1e-4
    report = network.locate(gradients, seed=seed)
    assert report.blocks["b2"].located.how == "coordinates"
    assert wrong_coordinates(report, "b2") == {(11, 0)}


@pytest.mark.usefixtures("way")
def test_several_blocks_at_once():
    network = Network(1)
    gradients = network.gradients()
    gradients["dW1"][3] = 0
    gradients["dW2"][2, 9] += 1e-3
    gradients["db3"] *= 2
    report = network.locate(gradients)
    found = {name: block.located.how for name, block in report.blocks.items() if block.located}
    assert found == {"W1": "rows", "W2": "coordinates", "b3": "dense"}
    assert report.verdict is Verdict.FAIL


@pytest.mark.usefixtures("way")
def test_a_row_and_coordinates_elsewhere():
    network = Network(2)
    gradients = network.gradients()
    gradients["dW1"][30] *= 3
    gradients["dW1"][7, 8] += 1e-3
    block = network.locate(gradients).blocks["W1"]
    assert block.located.regions == ("W1[30, :]",)
    assert block.located.sentence.startswith(
        "row 30 of W1 (40 coordinates) is wrong by a factor of 3; W1[7, 8] is"
    )


@pytest.mark.usefixtures("way")
def test_errors_that_cancel_in_sums_are_found():
    network = Network(3)
    gradients = network.gradients()
    gradients["dW1"][12, 5] += 1e-2
    gradients["dW1"][12, 6] -= 1e-2
    gradients["dW1"][13, 5] -= 1e-2
    report = network.locate(gradients)
    assert wrong_coordinates(report, "W1") == {(12, 5), (12, 6), (13, 5)}


@pytest.mark.usefixtures("way")
def test_small_errors_beside_large_ones_are_found():
    network = Network(4)
    gradients = network.gradients()
    for row, size in enumerate([1e4, 1.0, 1e-4, 1e-8]):
        gradients["dW1"][5 * row + 2, 7 * row + 3] += size
    report = network.locate(gradients)
    assert report.blocks["W1"].wrong == 4
    assert report.blocks["W1"].located.complete


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
    located = network.locate(gradients, method="difference").blocks["W1"].located
    assert (located.how, len(located.regions)) == ("scattered", 4)
    assert located.sentence.startswith(
        "at least 100 of 300 rows of W1 hold wrong coordinates, in all at most "
    )
    assert "row 0 of W1 (100 coordinates) is wrong by a factor of −1; row 3 of W1" in located.sentence
    assert "1 more row of W1 is wrong, too" in located.sentence


def test_wrong_coordinates_in_very_many_rows_are_counted_and_some_of_them_named():
    network = Network(5, sizes=(100, 300, 5))
    gradients = network.gradients()
    rng = np.random.default_rng(0)
    rows = rng.choice(300, size=120, replace=False)
    gradients["dW1"][rows, rng.integers(100, size=120)] += 1e-3
    block = network.locate(gradients).blocks["W1"]
    assert (block.located.how, block.wrong) == ("coordinates", 120)
    assert block.located.sentence.startswith("120 coordinates of W1 are wrong: W1[")
    block = network.locate(gradients, method="difference").blocks["W1"]
    assert block.located.how == "scattered"
    assert "at least 120 of 300 rows of W1 hold wrong coordinates" in block.located.sentence
    assert block.wrong >= 4
    assert {c.index[0] for c in block.worst if c.error > 5e-4} <= set(rows.tolist())


def test_short_rows_are_named_as_such():
    network = Network(0, sizes=(6, 200, 5))
    gradients = network.gradients()
    gradients["dW1"][17] *= -1
    gradients["dW2"][:, 9] *= 3
    gradients["dW2"][2, 11] *= 3
    for method in ("auto", "difference", "plain"):
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
        for method in ("auto", "difference")
    )
    assert every.sentence.startswith("667 coordinates of theta are wrong: theta[")
    assert "of 2,000 coordinates of theta are wrong, in all at most" in some.sentence


@pytest.mark.parametrize("method", ["auto", "difference", "plain"])
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


# Shapes


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
@pytest.mark.parametrize("method", ["auto", "difference", "plain"])
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


@pytest.mark.parametrize("method", ["auto", "difference"])
def test_a_slab_of_a_filter_is_a_column(method):
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((50, 3, 5))
    gradient = 2 * theta
    gradient[:, 1, 4] *= 1.5
    located = fastcheck.locate(lambda p: np.sum(p**2), theta, gradient, method=method).blocks["theta"].located
    assert (located.how, located.regions) == ("slices", ("theta[:, 1, 4]",))
    assert located.sentence == "theta[:, 1, 4] (50 coordinates) is wrong by a factor of 1.5"


def test_lines_and_slices_of_a_large_block_of_four_axes_are_named():
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((12, 8, 6, 5))
    gradient = np.cos(theta)
    gradient[:, 3] *= 2
    gradient[4, :, 2, 1] *= 2
    gradient[7, 0, 0, 0] *= 3
    located = fastcheck.locate(lambda p: np.sum(np.sin(p)), theta, gradient).blocks["theta"].located
    assert (located.how, located.regions) == ("slices", ("theta[:, 3, :, :]", "theta[4, :, 2, 1]"))
    assert located.sentence.endswith("; theta[7, 0, 0, 0] is wrong by a factor of 3")


def test_units_without_slopes_do_not_hide_what_the_others_show():
    """A third of the units is dead: a column is wrong in all the others, and a factor is that of all the others."""
    network = wide(False)
    dead = {**network.parameters, "b1": np.where(np.arange(300)[:, None] % 3 == 0, -100.0, 0.1)}
    right = fastcheck.numerical_gradient(network.cost, dead)
    column, factor = ({name: value.copy() for name, value in right.items()} for _ in range(2))
    column["W1"][:, 7] *= -1
    factor["W1"] *= 1.01
    column, factor = (
        fastcheck.locate(network.cost, dead, claim).blocks["W1"].located for claim in (column, factor)
    )
    assert column.sentence == "column 7 of W1 (300 coordinates) is wrong by a factor of −1"
    assert factor.sentence == "W1 (120,000 coordinates) is wrong by a factor of 1.01"


# Other ways of measuring


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


@pytest.mark.usefixtures("way")
def test_claims_in_single_precision_are_held_to_it():
    network = Network(0)
    gradients = {name: value.astype(np.float32) for name, value in network.gradients().items()}
    assert network.locate(gradients).passed
    gradients["dW1"][17, 5] *= 1.01
    report = network.locate(gradients)
    assert report.blocks["W1"].wrong == 1
    assert wrong_coordinates(report, "W1") >= {(17, 5)}


def test_kinks_beside_a_wrong_coordinate():
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((60, 50))
    theta[3, ::2] = 0  # |θ| has no slope there
    gradient = np.sign(theta)
    gradient[40, 7] *= 1.5
    problem = pose(lambda p: np.sum(np.abs(p)), theta, gradient)
    with opened(problem, Execution(), "difference") as directions:
        report = locate_from(problem, directions, suspects(problem), tolerance=1e-7)[0]["theta"]
    assert report.wrong == 1
    assert report.worst[0].index == (40, 7)


# The report


def test_a_right_gradient_is_screened_and_nothing_else():
    network = Network(0)
    report, screened = (
        function(network.cost, network.parameters, network.gradients())
        for function in (fastcheck.locate, fastcheck.screen)
    )
    assert report.passed
    assert report.forward_passes == screened.forward_passes
    assert all(block.located is None for block in report.blocks.values())


@pytest.mark.usefixtures("way")
def test_the_same_seed_gives_the_same_report():
    network = Network(0)
    gradients = network.gradients()
    gradients["dW1"][17, 5] += 0.1
    one, other = (network.locate(gradients, seed=7).to_dict() for _ in range(2))
    assert one["blocks"] == other["blocks"]
    assert one["forward_passes"] == other["forward_passes"]


@pytest.mark.usefixtures("way")
def test_the_report_says_it_in_text_and_survives_json():
    network = Network(0)
    gradients = network.gradients()
    gradients["dW1"][17] *= -1
    report = network.locate(gradients)
    assert "Located: row 17 of W1 (40 coordinates) is wrong by a factor of −1" in str(report)
    again = Report.from_dict(report.to_dict())
    assert again.blocks["W1"].located == report.blocks["W1"].located
    assert report.blocks["W1"].screened is not None


def test_bad_options_are_refused_as_by_screening():
    network = Network(0)
    with pytest.raises(fastcheck.InvalidProblemError, match="directions: expected a whole number"):
        network.locate(network.gradients(), directions=0)
    with pytest.raises(fastcheck.InvalidProblemError, match="gradients: expected the claimed gradient"):
        network.locate(None)


def test_without_suspicious_blocks_nothing_is_measured():
    network = Network(0)
    problem = pose(network.cost, network.parameters, network.gradients())
    with opened(problem, Execution(), "difference") as directions:
        before = directions.forward_passes
        assert locate_from(problem, directions, [], tolerance=1e-7) == ({}, 0)
        assert directions.forward_passes == before


@pytest.mark.usefixtures("way")
def test_rows_and_columns_of_a_small_block_are_seen_as_such():
    network = Network(0)
    gradients = network.gradients()
    gradients["dW3"][2] *= -1
    located = network.locate(gradients).blocks["W3"].located
    assert (located.how, located.regions) == ("rows", ("W3[2, :]",))
    gradients = network.gradients()
    gradients["dW3"][:, 4] *= 7
    located = network.locate(gradients).blocks["W3"].located
    assert (located.how, located.regions) == ("columns", ("W3[:, 4]",))


def test_a_suspicion_that_is_not_confirmed_is_said_to_be_none():
    network = Network(0)
    problem = pose(network.cost, network.parameters, network.gradients())
    with opened(problem, Execution(), "difference") as directions:
        reports, _ = locate_from(problem, directions, suspects(problem)[:1], tolerance=1e-7)
    located = reports["W1"].located
    assert (located.how, located.share, located.complete) == ("nothing", 0.0, True)
    assert (
        "no coordinate of W1 was found that is wrong by itself; the 64 that were measured" in located.sentence
    )


# What it costs


@functools.cache
def wide(transposed):
    return Network(0, sizes=(400, 300, 10), transposed=transposed, activation="relu")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("count", "passes"), [(1, 150), (10, 400)])
def test_few_coordinates_among_many_take_few_forward_passes(transposed, count, passes):
    network = wide(transposed)
    gradients = network.gradients()
    flat = np.random.default_rng(count).choice(np.flatnonzero(gradients["dW1"]), size=count, replace=False)
    gradients["dW1"].flat[flat] *= 1.001
    report = network.locate(gradients)
    screening = fastcheck.screen(
        network.cost, network.parameters, gradients, method=METHOD[-1]
    ).forward_passes
    assert report.blocks["W1"].wrong == count
    assert report.forward_passes - screening < passes


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("spoil", ["factor", "rows", "scattered", "column"])
@pytest.mark.parametrize("transposed", [False, True])
def test_failing_costs_no_more_than_ten_times_what_passing_costs(spoil, transposed):
    network = wide(transposed)
    gradients = network.gradients()
    passing = network.locate(gradients).forward_passes
    weight = gradients["dW1"]
    if spoil == "factor":
        weight *= 1.01
    elif spoil == "rows":
        weight[::3] *= -1
    elif spoil == "column":
        weight[:, 5] += 1e-3
    else:
        weight.flat[np.random.default_rng(0).choice(weight.size, size=5000, replace=False)] += 1e-3
    report = network.locate(gradients)
    assert report.verdict is Verdict.FAIL
    assert report.forward_passes <= 10 * passing


def test_memory_stays_below_the_limit():
    network = wide(False)
    gradients = network.gradients()
    gradients["dW1"][17, 5] *= 2
    problem = pose(network.cost, network.parameters, gradients)
    blocks, limit = suspects(problem)[:1], 4 * 2**20
    with opened(problem, Execution(), "difference", max_memory=limit) as directions:
        locate_from(problem, directions, blocks, tolerance=1e-7)  # what is kept from one run to the next
        tracemalloc.start()
        report = locate_from(problem, directions, blocks, tolerance=1e-7, max_memory=limit)[0]["W1"]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert report.wrong == 1
    assert peak < limit


def test_no_factor_is_named_where_the_slope_is_zero():
    x = np.array([0.0, 1.0])
    report = fastcheck.locate(lambda p: np.sum(p["x"] ** 3), {"x": x}, {"x": np.array([1.0, 3.0])})
    assert report.blocks["x"].located.sentence == "x[0] is not zero and should be"
