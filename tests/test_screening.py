import dataclasses
import functools
import itertools
import json
import math

import numpy as np
import pytest
from scenarios import relu_network

import fastcheck
from benchmarks.zoo.families import FAMILIES, build
from fastcheck import EvaluationError, InvalidProblemError, Report, Verdict, check, screen

SEEDS = range(5)
WAYS = {"auto": "graph", "difference": "difference"}
"""What is asked for → what looks: all coordinates, or random directions in each block."""


@functools.cache
def network(sizes=(40, 30, 10, 6), samples=24, seed=1):
    """Softmax over features × samples with L2: cost, parameters, right gradients."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((sizes[0], samples))
    Y = np.eye(sizes[-1])[:, rng.integers(0, sizes[-1], samples)]
    depth = len(sizes) - 1
    parameters = {}
    for k in range(1, depth + 1):
        parameters[f"W{k}"] = rng.standard_normal((sizes[k], sizes[k - 1])) * np.sqrt(2 / sizes[k - 1])
        parameters[f"b{k}"] = 0.1 * rng.standard_normal((sizes[k], 1))

    def forward(p):
        activations, A = [X], X
        for k in range(1, depth + 1):
            Z = p[f"W{k}"] @ A + p[f"b{k}"]
            A = np.maximum(Z, 0) if k < depth else np.exp(Z) / np.sum(np.exp(Z), axis=0)
            activations.append(A)
        return activations

    def cost(p):
        penalty = sum(np.sum(p[f"W{k}"] ** 2) for k in range(1, depth + 1))
        return -np.sum(Y * np.log(forward(p)[-1])) / samples + 0.3 / (2 * samples) * penalty

    def backward(p):
        activations, gradients = forward(p), {}
        dZ = (activations[-1] - Y) / samples
        for k in range(depth, 0, -1):
            gradients[f"W{k}"] = dZ @ activations[k - 1].T + 0.3 / samples * p[f"W{k}"]
            gradients[f"b{k}"] = dZ.sum(axis=1, keepdims=True)
            dZ = (p[f"W{k}"].T @ dZ) * (activations[k - 1] > 0)
        return gradients

    return cost, parameters, backward(parameters)


LARGE = (784, 300, 10)


def planted(make, block, mistake, seed):
    cost, parameters, gradients = make()
    wrong = {name: value.copy() for name, value in gradients.items()}
    mistake(wrong, block, parameters, np.random.default_rng(seed))
    return cost, parameters, wrong


def missing_l2(wrong, block, parameters, rng):
    wrong[block] -= 0.3 / 24 * parameters[block]


def times(factor):
    def mistake(wrong, block, parameters, rng):
        wrong[block] *= factor

    return mistake


def zero(wrong, block, parameters, rng):
    wrong[block][:] = 0


def row_negated(wrong, block, parameters, rng):
    wrong[block][rng.integers(len(wrong[block]))] *= -1


def rows_swapped(wrong, block, parameters, rng):
    one, other = rng.choice(len(wrong[block]), 2, replace=False)
    wrong[block][[one, other]] = wrong[block][[other, one]]


def coordinate_zeroed(wrong, block, parameters, rng):
    wrong[block].flat[rng.integers(wrong[block].size)] = 0


def coordinate_off(wrong, block, parameters, rng):
    wrong[block].flat[rng.integers(wrong[block].size)] += 1e-9 * np.linalg.norm(wrong[block])


MISTAKES = {
    "L2 missing": ("W1", missing_l2),
    "times 1.01": ("W2", times(1.01)),
    "the last bias zero": ("b", zero),
    "a row negated": ("W1", row_negated),
    "two rows swapped": ("W1", rows_swapped),
    "a coordinate zeroed": ("W1", coordinate_zeroed),
    "times 1.000001": ("W1", times(1.000001)),
    "the last bias times 1.000001": ("b", times(1.000001)),
    "a coordinate of W1 off by 1e-9 of the norm": ("W1", coordinate_off),
    "a coordinate of b1 off by 1e-9 of the norm": ("b1", coordinate_off),
    "a coordinate of W2 off by 1e-9 of the norm": ("W2", coordinate_off),
}


def blamed(make, block, mistake, seed, method):
    cost, parameters, wrong = planted(make, block, mistake, seed)
    report = screen(cost, parameters, wrong, seed=seed, method=method)
    assert report.method == WAYS[method]
    return {name for name, one in report.blocks.items() if one.verdict is Verdict.FAIL}


@pytest.mark.parametrize("method", WAYS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found_in_their_block(mistake, method):
    block, how = MISTAKES[mistake]
    block = block if block != "b" else "b3"
    for seed in SEEDS:
        assert blamed(network, block, how, seed, method) == {block}


@pytest.mark.slow
@pytest.mark.parametrize("method", WAYS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found_in_a_large_network(mistake, method):
    block, how = MISTAKES[mistake]
    block = block if block != "b" else "b2"
    for seed in range(20):
        assert blamed(functools.partial(network, LARGE, 24), block, how, seed, method) == {block}


@pytest.mark.parametrize("method", WAYS)
@pytest.mark.parametrize("sizes", [(40, 30, 10, 6), LARGE])
def test_a_right_gradient_is_right_to_1e_12(sizes, method):
    report = screen(*network(sizes), method=method)
    assert report.verdict is Verdict.PASS
    assert report.checked == (0 if method == "difference" else report.size)
    assert report.difference < 1e-14
    for block in report.blocks.values():
        assert block.screened.relative_bound <= 1e-12
        assert block.screened.directions == 4
        assert block.wrong == 0
    assert report.forward_passes < 60


@pytest.mark.parametrize("family", FAMILIES)
def test_right_gradients_of_the_zoo(family):
    for seed in SEEDS:
        case = build(family, seed)
        gradients = case.backward(case.parameters)
        for method, way in WAYS.items():
            report = screen(case.cost, case.parameters, gradients, seed=seed, method=method)
            assert (report.verdict, report.method) == (Verdict.PASS, way)
    assert screen(case.cost, case.parameters, gradients, method="plain").verdict is not Verdict.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_thousand_right_gradients(family):
    for seed in range(60):
        case = build(family, seed)
        for method in WAYS:
            claim = case.backward(case.parameters)
            assert screen(case.cost, case.parameters, claim, seed=seed, method=method).verdict is Verdict.PASS


@pytest.mark.parametrize("method", WAYS)
def test_bounds_hold_where_the_truth_is_known(method):
    """Against a gradient in extended precision: the claim's error is never above its bound."""
    for family in ("L2", "trained", "deep sigmoid", "saturated"):
        for seed in SEEDS:
            case = build(family, seed)
            claimed = case.backward(case.parameters)
            truth = case.backward({k: v.astype(np.longdouble) for k, v in case.parameters.items()})
            report = screen(case.cost, case.parameters, claimed, seed=seed, method=method)
            for name, block in report.blocks.items():
                error = float(np.sqrt(np.sum((claimed[name] - truth[name]) ** 2)))
                size = float(np.sqrt(np.sum(truth[name] ** 2)))
                assert error <= block.screened.bound
                assert error <= block.screened.relative_bound * size


@pytest.mark.parametrize("method", WAYS)
def test_the_bound_is_one_of_a_wrong_gradient_too(method):
    cost, parameters, gradients = network()
    for seed in range(20):
        wrong = gradients | {"W2": gradients["W2"] * 1.01}
        report = screen(cost, parameters, wrong, seed=seed, confidence=0.99, method=method)
        assert (
            0.01 <= report.blocks["W2"].screened.relative_bound <= (1 if method == "difference" else 0.0101)
        )


def test_bounds_hold_with_the_confidence_that_is_asked_for():
    """The same residuals bound the error more closely where it may be larger more often."""
    cost, parameters, gradients = network()
    close, far = (screen(cost, parameters, gradients, confidence=share) for share in (0.5, 0.999_999))
    assert close.certified == far.certified
    for name, block in close.blocks.items():
        assert block.screened.confidence == 0.5
        assert block.screened.bound < far.blocks[name].screened.bound


@pytest.mark.parametrize("method", WAYS)
@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e12, 1e200])
def test_the_scale_of_the_cost_does_not_matter(scale, method):
    cost, parameters, gradients = network()
    scaled = {name: scale * value for name, value in gradients.items()}
    report = screen(lambda p: scale * cost(p), parameters, scaled, method=method)
    assert report.passed
    assert report.method == WAYS[method]
    assert all(block.screened.relative_bound <= 1e-12 for block in report.blocks.values())
    scaled["W2"] = scaled["W2"].copy()
    scaled["W2"][3, 4] += 1e-9 * math.sqrt(scaled["W2"].size) * np.max(np.abs(scaled["W2"]))
    report = screen(lambda p: scale * cost(p), parameters, scaled, method=method)
    assert [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL] == ["W2"]


# --- errors within the tolerance --------------------------------------------------------------------------


@pytest.mark.parametrize("method", WAYS)
def test_a_small_error_everywhere_passes_and_one_in_a_few_places_does_not(method):
    """As `check` would say of each coordinate; but an error in few places is no matter of precision."""
    cost, parameters, gradients = network()
    everywhere = gradients | {"W1": gradients["W1"] * (1 + 1e-8)}
    report = screen(cost, parameters, everywhere, method=method)
    assert report.passed
    assert report.blocks["W1"].checked == (32 if method == "difference" else 1200)
    assert check(cost, parameters, everywhere).passed
    one_row = gradients | {"W1": gradients["W1"].copy()}
    one_row["W1"][3] *= 1 + 1e-8
    report = screen(cost, parameters, one_row, method=method)
    assert report.blocks["W1"].verdict is Verdict.FAIL
    assert any(note.startswith("W1 is wrong in few places") for note in report.notes)


def test_errors_in_few_places_within_the_tolerance_are_named():
    cost, parameters, gradients = network()
    few = gradients | {"W1": gradients["W1"].copy()}
    few["W1"][3, 7] *= 1 + 1e-8
    few["W1"][20, 30] *= 1 - 2e-8
    block = screen(cost, parameters, few).blocks["W1"]
    assert (block.verdict, block.wrong) == (Verdict.FAIL, 2)
    assert {one.index for one in block.worst[:2]} == {(3, 7), (20, 30)}


@pytest.mark.parametrize("method", WAYS)
def test_rounding_that_hides_in_few_places_passes(method):
    """Three units saturate, and 1 - σ has lost four digits there: the errors of their slopes are no mistakes."""
    rng = np.random.default_rng(0)
    X, w, b = rng.standard_normal((50, 30)), rng.standard_normal((40, 50)) / 5, np.zeros((40, 1))
    b[:3] = 12

    def cost(p):
        return -np.sum(np.log(1 - 1 / (1 + np.exp(-(p["w"] @ X + b)))))

    claim = {"w": 1 / (1 + np.exp(-(w @ X + b))) @ X.T}
    report = screen(cost, {"w": w}, claim, method=method)
    assert report.method == WAYS[method]
    assert report.passed


def test_the_epsilon_of_a_logarithm_passes():
    """log(a + 1e-10) in the cost, and not in the gradient."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 30)), (rng.random(30) < 0.5) * 1.0
    p = {"w": 0.3 * rng.standard_normal(6), "b": np.array([0.1])}

    def cost(p):
        a = 1 / (1 + np.exp(-(p["w"] @ X + p["b"])))
        return -np.mean(y * np.log(a + 1e-10) + (1 - y) * np.log(1 - a + 1e-10))

    d = (1 / (1 + np.exp(-(p["w"] @ X + p["b"]))) - y) / 30
    gradients = {"w": X @ d, "b": np.array([d.sum()])}
    for seed in SEEDS:
        assert (
            screen(cost, p, gradients, seed=seed).verdict is check(cost, p, gradients).verdict is Verdict.PASS
        )


def test_a_looser_tolerance_lets_more_pass():
    cost, parameters, gradients = network()
    claim = gradients | {"W1": gradients["W1"] * (1 + 1e-5)}
    assert screen(cost, parameters, claim).verdict is Verdict.FAIL
    assert screen(cost, parameters, claim, tolerance=1e-4).verdict is Verdict.PASS


def test_claims_in_float32_are_held_to_float32():
    cost, parameters, gradients = network()
    single = {name: value.astype(np.float32) for name, value in gradients.items()}
    assert screen(cost, parameters, single).passed
    for factor in (1.001, -1.0):
        wrong = single | {"W2": single["W2"] * np.float32(factor)}
        assert screen(cost, parameters, wrong).blocks["W2"].verdict is Verdict.FAIL


def test_a_gradient_that_is_zero_but_for_rounding():
    case = build("batch normalisation", 0)
    gradients = case.backward(case.parameters)
    report = screen(case.cost, case.parameters, gradients)
    assert report.passed
    assert "zero" in next(line for line in str(report).splitlines() if line.startswith("b1"))
    wrong = gradients | {"b1": gradients["b1"] + 1e-9 * np.max(np.abs(gradients["W1"]))}
    assert screen(case.cost, case.parameters, wrong).blocks["b1"].verdict is Verdict.FAIL


# --- plain evaluation -------------------------------------------------------------------------------------


def by_hand(p):
    """Uses the math module: cannot be followed."""
    return (
        sum(math.exp(-math.ldexp(z, 0)) for z in np.tanh(p["W"] @ DATA + p["b"]).sum(axis=0))
        + 0 * p["dead"][0]
    )


DATA = np.random.default_rng(0).standard_normal((20, 40))


def by_hand_problem():
    rng = np.random.default_rng(1)
    p = {"W": rng.standard_normal((8, 20)), "b": rng.standard_normal((8, 1)), "dead": np.ones(3)}
    H = np.tanh(p["W"] @ DATA + p["b"])
    dZ = -np.exp(-H.sum(axis=0)) * (1 - H**2)
    return p, {"W": dZ @ DATA.T, "b": dZ.sum(axis=1, keepdims=True), "dead": np.zeros(3)}


def test_a_cost_that_cannot_be_followed():
    p, gradients = by_hand_problem()
    for seed in SEEDS:
        report = screen(by_hand, p, gradients, seed=seed)
        assert report.method == "plain"
        assert report.verdict is Verdict.PASS
        assert "Difference propagation stopped at line" in report.notes[0]
    for name, mistake in (("W", coordinate_zeroed), ("W", row_negated), ("b", times(1.0001))):
        wrong = {k: v.copy() for k, v in gradients.items()}
        mistake(wrong, name, p, np.random.default_rng(2))
        report = screen(by_hand, p, wrong)
        assert [k for k, block in report.blocks.items() if block.verdict is Verdict.FAIL] == [name]


def test_noise_that_hides_everything_is_no_verdict():
    p, gradients = by_hand_problem()
    report = screen(lambda p: by_hand(p) + 1e9, p, gradients)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.blocks["W"].cause.startswith("rounding noise: slopes in W are known to ±")
    assert report.blocks["dead"].verdict is Verdict.PASS


def test_wrong_by_less_than_the_noise_is_not_called_right():
    p, gradients = by_hand_problem()
    wrong = gradients | {"W": gradients["W"] * (1 + 3e-7)}
    assert screen(lambda p: by_hand(p) + 1e7, p, wrong).blocks["W"].verdict is Verdict.INCONCLUSIVE


# --- the report, input, and the caller's arrays -----------------------------------------------------------


def test_check_screens_when_it_is_asked_to():
    cost, parameters, gradients = network()
    report = check(cost, parameters, gradients, coordinates="screen", seed=3)
    same = screen(cost, parameters, gradients, seed=3)
    assert dataclasses.replace(report, seconds=0.0) == dataclasses.replace(same, seconds=0.0)
    wrong = check(cost, parameters, lambda p: {k: 2 * v for k, v in gradients.items()}, coordinates="screen")
    assert wrong.verdict is Verdict.FAIL


def test_the_text():
    cost, parameters, gradients = network()
    text = str(screen(cost, parameters, gradients, method="difference"))
    assert text.startswith("PASS  the gradient is right\n1,606 parameters screened by difference propagation")
    assert "along 4 random directions in each block" in text
    assert "holds with 99.9 % confidence" in text
    wrong = gradients | {"W1": gradients["W1"] * 1.01}
    text = str(screen(cost, parameters, wrong, method="difference"))
    assert "Worst coordinates" in text
    zeroed = gradients | {"W1": gradients["W1"].copy()}
    zeroed["W1"][0, 0] = 0
    text = str(screen(cost, parameters, zeroed, method="difference"))
    assert "W1 is wrong in few places" in text
    assert "Worst coordinates" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_text_where_all_coordinates_are_compared():
    cost, parameters, gradients = network()
    text = str(screen(cost, parameters, gradients))
    assert text.startswith(
        "PASS  the gradient is right\nall 1,606 parameters checked by propose and certify\ncertified: every slope"
    )
    assert "in each block" not in text
    assert "holds with 99.9 % confidence" in text
    zeroed = gradients | {"W1": gradients["W1"].copy()}
    zeroed["W1"][0, 0] = 0
    text = str(screen(cost, parameters, zeroed))
    assert "Worst coordinates" in text
    assert "W1[0, 0] " in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_report_survives_json():
    cost, parameters, gradients = network()
    report = screen(cost, parameters, gradients)
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_results_repeat_with_the_seed():
    cost, parameters, gradients = network()
    one, same, other = (screen(cost, parameters, gradients, seed=seed).blocks for seed in (1, 1, 2))
    assert dict(one) == dict(same)
    assert one["W1"].screened != other["W1"].screened


def test_structures():
    report = screen(lambda w: np.sum(w**3), np.arange(1.0, 4.0), 3 * np.arange(1.0, 4.0) ** 2)
    assert report.passed
    p = {"gamma": 0.5, "none": np.empty((0, 3)), "row": np.ones((1, 40)), "cube": np.ones((2, 3, 4))}
    gradients = {
        "gamma": 1.0,
        "none": np.empty((0, 3)),
        "row": 2 * np.ones((1, 40)),
        "cube": np.ones((2, 3, 4)),
    }

    def cost(p):
        return p["gamma"] ** 2 + np.sum(p["row"] ** 2) + np.sum(p["cube"])

    assert list(screen(cost, p, gradients).blocks) == ["gamma", "row", "cube"]
    assert screen(cost, p, gradients).passed
    for name in ("gamma", "row", "cube"):
        wrong = gradients | {name: 1.1 * gradients[name]}
        assert screen(cost, p, wrong).blocks[name].verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"directions": 0}, "directions: expected a whole number of at least 1, got 0"),
        ({"directions": 2.0}, "directions: expected a whole number of at least 1, got 2.0"),
        ({"directions": True}, "directions: expected a whole number"),
        ({"confidence": 1.5}, "confidence: expected a probability between 0 and 1, such as 0.999, got 1.5"),
        ({"confidence": 0}, "confidence: expected a probability"),
        ({"tolerance": 0}, "tolerance: expected"),
        ({"epsilon": -1.0}, "epsilon: expected a positive finite step"),
        ({"seed": -1}, "seed: expected a non-negative whole number"),
        ({"alpha": 0}, "alpha: expected the probability of a wrong certificate, above 0 and at most 0.01"),
        ({"alpha": 0.5}, "alpha: expected the probability of a wrong certificate"),
        (
            {"method": "mlp"},
            "method: expected one of 'auto', 'graph', 'difference', 'plain', 'reference', got 'mlp'",
        ),
        ({"max_memory": 0}, "max_memory: expected a whole number of at least 1, got 0"),
        ({"n_jobs": 0}, "n_jobs: expected"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InvalidProblemError, match=message):
        screen(*network(), **options)


def test_bad_problems():
    cost, parameters, gradients = network()
    with pytest.raises(InvalidProblemError, match="gradients: expected the claimed gradient"):
        screen(cost, parameters, None)
    with pytest.raises(InvalidProblemError, match="missing gradient block"):
        screen(cost, parameters, {"W1": gradients["W1"]})
    with pytest.raises(EvaluationError, match="expected a finite number"):
        screen(lambda p: math.nan, parameters, gradients)


@pytest.mark.parametrize("calls", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("method", ["difference", "plain"])
def test_interruptions_leave_everything_as_it_was(method, error, calls):
    cost, parameters, gradients = network()
    before = {name: value.copy() for name, value in parameters.items()}
    history, done = [], itertools.count(1)

    def interrupted(p):
        history.append(p["b3"] * 1.0)
        if next(done) >= calls:
            raise error
        return cost(p)

    with pytest.raises((error, fastcheck.FastcheckError)):
        screen(interrupted, parameters, gradients, method=method)
    assert all(np.array_equal(parameters[name], before[name]) for name in before)
    assert all(type(value) is np.ndarray for value in history)


@pytest.mark.parametrize("calls", [2, 3, 4, 5, 6])
def test_interruptions_leave_everything_as_it_was_where_slopes_are_found_at_once(calls):
    cost, parameters, gradients = network()
    before = {name: value.copy() for name, value in parameters.items()}
    history, done = [], itertools.count(1)

    def interrupted(p):
        history.append(p["b3"] * 1.0)
        if next(done) >= calls:
            raise KeyboardInterrupt
        return cost(p)

    with pytest.raises(KeyboardInterrupt):
        screen(interrupted, parameters, gradients, method="graph")
    assert all(np.array_equal(parameters[name], before[name]) for name in before)
    assert all(type(value) is np.ndarray for value in history)


def test_progress_reaches_the_end():
    cost, parameters, gradients = network()
    seen = []
    screen(cost, parameters, gradients, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (1606, 1606)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_memory_stays_within_the_limit():
    import tracemalloc

    cost, parameters, gradients = network(LARGE)
    screen(cost, parameters, gradients)
    limit = 24 * 2**20
    tracemalloc.start()
    report = screen(cost, parameters, gradients, max_memory=limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.passed
    assert peak < limit + 8 * 8 * report.size  # and the copies of θ and the claim


@pytest.mark.slow
def test_eight_million_parameters_fit_in_the_default_limit():
    """Beyond the caller's arrays: the copies of θ and of the claim are counted."""
    import tracemalloc

    cost, parameters, gradients = network((3072, 2048, 1024, 10), 64)
    for mib in (512, 400):
        tracemalloc.start()
        report = screen(cost, parameters, gradients, max_memory=mib * 2**20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert report.method == "difference"
        assert report.passed
        assert peak <= 512 * 2**20
        assert peak <= mib * 2**20 + 16 * report.size  # the copies of θ and of the claim


def test_networks_of_several_shapes():
    for sizes in ((3, 1), (5, 4, 1), (30, 2, 40, 1)):
        cost, parameters, gradients = relu_network(sizes, 7, seed=2, lambd=0.1)
        assert screen(cost, parameters, gradients).passed


def test_a_cost_in_single_precision_is_named_as_the_cause():
    theta = np.random.default_rng(0).standard_normal(5000)
    report = screen(lambda p: np.sum(np.sin(p.astype(np.float32))), theta, np.cos(theta))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.blocks["theta"].cause.startswith("float32: slopes in theta are known to ±")


def test_a_cost_of_zero_is_not_taken_for_one_in_single_precision():
    """At an exact fit J is 0, and its noise above any share of that."""
    X = np.random.default_rng(0).standard_normal((20, 3))
    Y = X @ np.ones(3)
    report = fastcheck.screen(
        lambda w: np.sum((X @ w - Y) ** 2) / 20, np.ones(3), np.zeros(3), method="plain"
    )
    assert report.verdict == "inconclusive"
    assert "float32" not in report.blocks["theta"].cause
