"""Mistakes are located where all slopes are known."""

import numpy as np
import pytest
from located_network import Network, wide, wrong_coordinates

import fastcheck
from fastcheck import Report, Verdict

pytestmark = pytest.mark.verdicts_alone

SEEDS = range(3)


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


def test_a_coordinate_is_named_with_its_factor():
    network = Network(0)
    gradients = network.gradients()
    gradients["dW1"][17, 5] *= 1.001
    assert (
        network.locate(gradients).blocks["W1"].located.sentence == "W1[17, 5] is wrong by a factor of 1.001"
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_negated_row(seed):
    network = Network(seed)
    gradients = network.gradients()
    gradients["dW1"][17] *= -1
    located = network.locate(gradients, seed=seed).blocks["W1"].located
    assert (located.how, located.regions, located.complete) == ("rows", ("W1[17, :]",), True)
    assert located.share == pytest.approx(1 / 40)
    assert located.sentence == "row 17 of W1 (40 coordinates) is wrong by a factor of −1"


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


@pytest.mark.parametrize("seed", SEEDS)
def test_two_rows_swapped(seed):
    network = Network(seed)
    gradients = network.gradients()
    gradients["dW1"][[4, 21]] = gradients["dW1"][[21, 4]]
    located = network.locate(gradients, seed=seed).blocks["W1"].located
    assert (located.how, located.regions, located.complete) == ("rows", ("W1[4, :]", "W1[21, :]"), True)
    assert "row 4 of W1 (40 coordinates) is wrong throughout; row 21 of W1" in located.sentence


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


@pytest.mark.parametrize("seed", SEEDS)
def test_a_block_of_zeros(seed):
    network = Network(seed)
    gradients = network.gradients()
    gradients["dW1"][:] = 0
    assert (
        network.locate(gradients).blocks["W1"].located.sentence
        == "W1 (1,600 coordinates) is zero and should not be"
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_an_entry_of_a_bias(seed):
    network = Network(seed)
    gradients = network.gradients()
    gradients["db2"][11] += 1e-4
    report = network.locate(gradients, seed=seed)
    assert report.blocks["b2"].located.how == "coordinates"
    assert wrong_coordinates(report, "b2") == {(11, 0)}


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


def test_errors_that_cancel_in_sums_are_found():
    network = Network(3)
    gradients = network.gradients()
    gradients["dW1"][12, 5] += 1e-2
    gradients["dW1"][12, 6] -= 1e-2
    gradients["dW1"][13, 5] -= 1e-2
    report = network.locate(gradients)
    assert wrong_coordinates(report, "W1") == {(12, 5), (12, 6), (13, 5)}


def test_small_errors_beside_large_ones_are_found():
    network = Network(4)
    gradients = network.gradients()
    for row, size in enumerate([1e4, 1.0, 1e-4, 1e-8]):
        gradients["dW1"][5 * row + 2, 7 * row + 3] += size
    report = network.locate(gradients)
    assert report.blocks["W1"].wrong == 4
    assert report.blocks["W1"].located.complete


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


def test_claims_in_single_precision_are_held_to_it():
    network = Network(0)
    gradients = {name: value.astype(np.float32) for name, value in network.gradients().items()}
    assert network.locate(gradients).passed
    gradients["dW1"][17, 5] *= 1.01
    report = network.locate(gradients)
    assert report.blocks["W1"].wrong == 1
    assert wrong_coordinates(report, "W1") >= {(17, 5)}


def test_a_right_gradient_is_screened_and_nothing_else():
    network = Network(0)
    report, screened = (
        function(network.cost, network.parameters, network.gradients())
        for function in (fastcheck.locate, fastcheck.screen)
    )
    assert report.passed
    assert report.forward_passes == screened.forward_passes
    assert all(block.located is None for block in report.blocks.values())


def test_the_same_seed_gives_the_same_report():
    network = Network(0)
    gradients = network.gradients()
    gradients["dW1"][17, 5] += 0.1
    one, other = (network.locate(gradients, seed=7).to_dict() for _ in range(2))
    assert one["blocks"] == other["blocks"]
    assert one["forward_passes"] == other["forward_passes"]


def test_the_report_says_it_in_text_and_survives_json():
    network = Network(0)
    gradients = network.gradients()
    gradients["dW1"][17] *= -1
    report = network.locate(gradients)
    assert "      where     row 17 of W1 (40 coordinates) is wrong by a factor of −1" in str(report)
    again = Report.from_dict(report.to_dict())
    assert again.blocks["W1"].located == report.blocks["W1"].located
    assert report.blocks["W1"].screened is not None


def test_bad_options_are_refused_as_by_screening():
    network = Network(0)
    with pytest.raises(fastcheck.InvalidProblemError, match="directions: expected a whole number"):
        network.locate(network.gradients(), directions=0)
    with pytest.raises(fastcheck.InvalidProblemError, match="gradients: expected the claimed gradient"):
        network.locate(None)


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


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("count", "passes"), [(1, 150), (10, 400)])
def test_few_coordinates_among_many_take_few_forward_passes(transposed, count, passes):
    network = wide(transposed)
    gradients = network.gradients()
    flat = np.random.default_rng(count).choice(np.flatnonzero(gradients["dW1"]), size=count, replace=False)
    gradients["dW1"].flat[flat] *= 1.001
    report = network.locate(gradients)
    screening = fastcheck.screen(network.cost, network.parameters, gradients).forward_passes
    assert report.blocks["W1"].wrong == count
    assert report.forward_passes - screening < passes


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


def test_no_factor_is_named_where_the_slope_is_zero():
    x = np.array([0.0, 1.0])
    report = fastcheck.locate(lambda p: np.sum(p["x"] ** 3), {"x": x}, {"x": np.array([1.0, 3.0])})
    assert report.blocks["x"].located.sentence == "x[0] is not zero and should be"
