"""Checks and screening of large blocks that stand on many kinks: the claim of all coordinates is judged together."""

import itertools

import numpy as np
import pytest
from slow import first_of

from fastcheck import Verdict, check, screen

pytestmark = pytest.mark.verdicts_alone

SEEDS = range(20)
SOME_SEEDS = pytest.mark.parametrize("seeds", first_of([SEEDS[:6], SEEDS[6:]]), ids=["few", "more"])
L1 = 0.3


def sparse(seed, shape, zeros, scale=1.0):
    """Least squares with an L1 term at weights of which some are zero: cost, W, the smooth part's gradient."""
    rng = np.random.default_rng(seed)
    W = rng.standard_normal(shape)
    W.flat[rng.choice(W.size, zeros, replace=False)] = 0
    X, Y = rng.standard_normal((shape[1], 16)), rng.standard_normal((shape[0], 16))

    def cost(p):
        return scale * (np.sum((p["W"] @ X - Y) ** 2) / 32 + L1 * np.sum(np.abs(p["W"])))

    return cost, W, scale * (W @ X - Y) @ X.T / 16


def screened(cost, parameters, claim, **options):
    """Screen by slopes, or raise an error that says why not."""
    return screen(cost, parameters, claim, **({"method": "difference"} | options))


def signs(W, at_zero):
    return L1 * np.where(W == 0, at_zero, np.sign(W))


def verdict(cost, W, claim, **options):
    return screened(cost, {"W": W}, {"W": claim}, **options).blocks["W"].verdict


# --- an L1 term -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "zeros"),
    [
        ((50, 100), 65),
        ((50, 100), 5000),
        ((100, 200), 12_345),
        pytest.param((500, 500), 65, marks=pytest.mark.slow),
        pytest.param((500, 500), 200_000, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("at_zero", [-1, 0, 1])
@SOME_SEEDS
def test_right_gradients_with_an_l1_term_pass(shape, zeros, at_zero, seeds):
    for seed in seeds:
        cost, W, smooth = sparse(seed, shape, zeros)
        report = screened(cost, {"W": W}, {"W": smooth + signs(W, at_zero)}, seed=seed)
        assert (report.verdict, report.method) == (Verdict.PASS, "difference")
        assert report.blocks["W"].screened.relative_bound < 1e-10
        assert report.blocks["W"].checked == W.size
        assert (
            f"{zeros:,} coordinates are at kinks, and one choice there gives all of the claim"
            in report.notes[0]
        )
        assert report.forward_passes < 60


MISTAKES = {
    "the sign of the L1 term": lambda smooth, sign, rng: smooth - sign,
    "no L1 term": lambda smooth, sign, rng: smooth,
    "times 1.01": lambda smooth, sign, rng: 1.01 * (smooth + sign),
    "times 1.000001": lambda smooth, sign, rng: 1.000001 * (smooth + sign),
    "a row negated": lambda smooth, sign, rng: (smooth + sign) * np.where(np.arange(50) == 7, -1, 1)[:, None],
    "two rows swapped": lambda smooth, sign, rng: (smooth + sign)[[1, 0, *range(2, 50)]],
}


@pytest.mark.parametrize("mistake", MISTAKES)
@SOME_SEEDS
def test_mistakes_beside_an_l1_term_fail(mistake, seeds):
    for seed in seeds:
        cost, W, smooth = sparse(seed, (50, 100), 4000)
        claim = MISTAKES[mistake](smooth, signs(W, seed % 3 - 1), np.random.default_rng(seed))
        assert verdict(cost, W, claim, seed=seed) is Verdict.FAIL


@SOME_SEEDS
def test_one_wrong_coordinate_beside_an_l1_term(seeds):
    """It fails, however small, but at a kink where it is another subgradient."""
    for seed in seeds:
        cost, W, smooth = sparse(seed, (50, 100), 4000)
        rng = np.random.default_rng(seed)
        right = smooth + signs(W, seed % 3 - 1)
        for zero, size in itertools.product((False, True), (1e-9 * np.linalg.norm(right), 1.0)):
            claim = right.copy()
            place = rng.choice(np.flatnonzero((W == 0) == zero))
            claim.flat[place] += size
            report = screened(cost, {"W": W}, {"W": claim}, seed=seed)
            subgradient = zero and abs(claim.flat[place] - smooth.flat[place]) <= L1
            assert report.verdict is (Verdict.PASS if subgradient else Verdict.FAIL)
            if not subgradient:
                assert report.blocks["W"].wrong == 1
                assert report.blocks["W"].worst[0].index == np.unravel_index(place, W.shape)


@SOME_SEEDS
def test_mixtures_that_differ_from_entry_to_entry_are_right(seeds):
    for seed in seeds:
        cost, W, smooth = sparse(seed, (50, 100), 4000)
        mixed = np.random.default_rng(seed).uniform(-1, 1, W.shape)
        assert verdict(cost, W, smooth + signs(W, mixed), seed=seed) is Verdict.PASS


@pytest.mark.parametrize("scale", [1e-12, 1e12])
@pytest.mark.parametrize("at_zero", [-1, 0, 1])
def test_the_scale_of_the_cost_does_not_matter(scale, at_zero):
    cost, W, smooth = sparse(0, (50, 100), 4000, scale)
    assert verdict(cost, W, smooth + scale * signs(W, at_zero)) is Verdict.PASS
    assert verdict(cost, W, smooth - scale * signs(W, at_zero)) is Verdict.FAIL


def test_claims_in_single_precision():
    cost, W, smooth = sparse(0, (50, 100), 4000)
    W = W.astype(np.float32)
    cost, smooth = (lambda p: np.sum(np.sin(p["W"])) + L1 * np.sum(np.abs(p["W"]))), np.cos(W.astype(float))
    for at_zero in (-1, 0, 1):
        assert verdict(cost, W, (smooth + signs(W, at_zero)).astype(np.float32)) is Verdict.PASS
    assert verdict(cost, W, smooth.astype(np.float32)) is Verdict.FAIL


def test_plain_evaluation_sees_mistakes_away_from_kinks():
    for seed in range(5):
        cost, W, smooth = sparse(seed, (50, 100), 4000)
        for at_zero in (-1, 0, 1):
            right, wrong = smooth + signs(W, at_zero), smooth - signs(W, at_zero)
            assert verdict(cost, W, right, seed=seed, method="plain") is Verdict.INCONCLUSIVE
            assert verdict(cost, W, wrong, seed=seed, method="plain") is Verdict.FAIL


@pytest.mark.parametrize("stationary", first_of([1e-6, 1e-12, 1e-9], 2))
@pytest.mark.parametrize("linear", [False, True])
def test_a_minimum_with_an_l1_term(stationary, linear):
    """Slopes are small beside their terms there, and 0 is the subgradient of zero weights: no claim to fail."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        W, X = rng.standard_normal((60, 100)), rng.standard_normal((100, 130)) / 10
        W[rng.random(W.shape) < 0.5] = 0
        smooth = -L1 * np.sign(W) * (1 + stationary * rng.standard_normal(W.shape))
        smooth += (W == 0) * L1 * 0.5 * rng.uniform(-1, 1, W.shape)
        Y = W @ X - smooth @ np.linalg.inv(X @ X.T) @ X

        def cost(p, smooth=smooth, X=X, Y=Y):
            data = np.sum(smooth * p["W"]) if linear else np.sum((p["W"] @ X - Y) ** 2) / 2
            return data + L1 * np.sum(np.abs(p["W"]))

        gradient = smooth if linear else (W @ X - Y) @ X.T
        claim = np.where(W == 0, 0, gradient + L1 * np.sign(W))
        assert verdict(cost, W, claim, seed=seed) is not Verdict.FAIL
        assert verdict(cost, W, gradient + L1 * np.sign(W), seed=seed) is not Verdict.FAIL


def test_with_little_memory_claims_are_judged_together_as_well():
    """What is kept for each parameter does not count as memory of batches."""
    cost, W, smooth = sparse(0, (100, 200), 12_345)
    right, wrong = smooth + signs(W, 1), smooth - signs(W, 1)
    report = screen(cost, {"W": W}, {"W": right}, max_memory=2**20)
    assert (report.verdict, report.method) == (Verdict.PASS, "difference")
    assert screen(cost, {"W": W}, {"W": wrong}, max_memory=2**20).verdict is Verdict.FAIL


# --- networks ---------------------------------------------------------------------------------------------


def assigned(z):
    a = z.copy()
    a[z < 0] = 0
    return a


RELU = {
    "maximum(z, 0)": lambda z: np.maximum(z, 0),
    "maximum(0, z)": lambda z: np.maximum(0, z),
    "z * (z > 0)": lambda z: z * (z > 0),
    "where": lambda z: np.where(z >= 0, z, 0.0),
    "clip": lambda z: np.clip(z, 0, None),
    "(z + |z|) / 2": lambda z: (z + np.abs(z)) / 2,
    "a[z < 0] = 0": assigned,
}


def network(seed, relu, kinks, l1=0.0, sizes=(100, 60, 20, 5), samples=40):
    """A network without biases at kinks: cost, parameters, and a backward pass by ReLU'(0) and sign(0)."""
    rng = np.random.default_rng(seed)
    layers = range(1, len(sizes))
    p = {f"W{k}": rng.standard_normal((sizes[k], sizes[k - 1])) / np.sqrt(sizes[k - 1]) for k in layers}
    X, Y = rng.standard_normal((sizes[0], samples)), rng.standard_normal((sizes[-1], samples))
    if kinks == "zero":
        p["W1"][:] = 0
    elif kinks == "dead units":
        p["W1"][rng.random(sizes[1]) < 0.5] = 0
    else:  # sums of few whole numbers are often zero
        p["W1"], X = rng.integers(-1, 2, p["W1"].shape).astype(float), np.rint(X)

    def forward(p):
        A, kept = X, [(X, X)]
        for k in layers:
            Z = p[f"W{k}"] @ A
            A = relu(Z) if k < layers[-1] else Z
            kept.append((Z, A))
        return kept

    def cost(p):
        return np.sum((forward(p)[-1][1] - Y) ** 2) / samples + (l1 * np.sum(np.abs(p["W1"])) if l1 else 0)

    def backward(at_zero, sign=0.0):
        kept, gradients = forward(p), {}
        d = 2 * (kept[-1][1] - Y) / samples
        for k in reversed(layers):
            gradients[f"W{k}"] = d @ kept[k - 1][1].T
            Z = kept[k - 1][0]
            d = (p[f"W{k}"].T @ d) * np.where(Z == 0, at_zero, Z > 0)
        gradients["W1"] += l1 * np.where(p["W1"] == 0, sign, np.sign(p["W1"]))
        return gradients

    return cost, p, backward


@pytest.mark.slow
@pytest.mark.parametrize("seed", first_of(SEEDS, 2))
@pytest.mark.parametrize("kinks", ["zero", "dead units", "whole numbers"])
def test_mistakes_in_networks_do_not_pass(kinks, seed):
    cost, p, backward = network(seed, RELU["maximum(z, 0)"], kinks, 0.1, (100, 60, 5), 20)
    at_zero, sign = (0.5, 1)[seed % 2], (-1, 1)[seed // 2 % 2]
    right = backward(at_zero, sign)
    one = right["W1"].copy()
    # Away from what the L1 term allows at a weight of zero.
    one.flat[np.random.default_rng(seed).integers(one.size)] += sign * 1e-6 * np.abs(one).max()
    wrong = {
        "times 1.01": 1.01 * right["W1"],
        "times 1.000001": 1.000001 * right["W1"],
        "a row negated": right["W1"] * np.where(np.arange(60) == 7, -1, 1)[:, None],
        "one coordinate": one,
    }
    if kinks != "zero":  # where all weights are, either sign is right
        wrong["the sign of the L1 term"] = 2 * backward(at_zero, 0)["W1"] - right["W1"]
        wrong["the sign of the L1 term"] -= 0.2 * np.sign(p["W1"])
    for claim in wrong.values():
        block = screened(cost, p, right | {"W1": claim}, seed=seed).blocks["W1"]
        assert block.verdict is not Verdict.PASS
    if kinks != "zero":
        assert block.verdict is Verdict.FAIL


@pytest.mark.slow
def test_a_large_network_of_dead_units():
    cost, p, backward = network(0, RELU["maximum(z, 0)"], "dead units", 0.1, (500, 500, 10), 400)
    for at_zero, sign in itertools.product((0, 0.5, 1), (-1, 0, 1)):
        assert screened(cost, p, backward(at_zero, sign)).passed


def chain(lines):
    """A chain of ReLUs, each in a line of its own as in code that names all layers: its source."""
    body = [f"A{k + 1} = np.maximum(A{k} * w[{k}], 0)" for k in range(lines)]
    return "def forward(A0, w, np):\n    " + "\n    ".join(body) + f"\n    return A{lines}\n"


@pytest.mark.parametrize("lines", first_of([2, 4, 8], 2))
def test_operations_may_differ_in_what_they_take(lines):
    space = {}
    exec(compile(chain(lines), "chain.py", "exec"), space)
    rng = np.random.default_rng(lines)
    w, C = rng.uniform(1, 2, (lines, 20, 30)), rng.standard_normal((20, 30))
    theta = np.abs(rng.standard_normal((20, 30))) * (rng.random((20, 30)) < 0.5)

    def cost(p):
        return np.sum(C * space["forward"](p, w, np)) + L1 * np.sum(np.abs(p))

    for at_zero, sign in itertools.product((0.0, 0.5, 1.0), (-1, 0, 1)):
        claim = C * np.prod(w * np.where(theta == 0, at_zero, 1.0), axis=0) + signs(theta, sign)
        report = screened(cost, theta, claim)
        assert report.passed
        assert screened(cost, theta, 1.01 * claim).verdict is Verdict.FAIL
    same = C * np.prod(w, axis=0) + signs(theta, 1)
    assert screened(cost, theta, same).passed


def test_operations_in_one_line_may_differ_too():
    rng = np.random.default_rng(0)
    C, theta = rng.standard_normal((60, 90)), rng.standard_normal((60, 90))
    theta[rng.random(theta.shape) < 0.5] = 0
    for at_zero, sign in itertools.product((0.0, 0.5, 1.0), (-1, 0, 1)):
        claim = C * np.where(theta == 0, at_zero, theta > 0) + signs(theta, sign)
        assert screened(lambda p: np.sum(C * np.maximum(p, 0) + L1 * np.abs(p)), theta, claim).passed


# --- every coordinate ---------------------------------------------------------------------------------------


def checked(cost, parameters, claim):
    report, other = (ask(cost, parameters, claim) for ask in (check, screen))
    assert (report.method, other.method) == ("difference", "difference")
    assert report.verdict is other.verdict
    return report


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "zeros"), [((50, 100), 65), ((50, 100), 4999), ((100, 200), 12_345)])
def test_a_check_of_every_coordinate_beside_an_l1_term(shape, zeros):
    cost, W, smooth = sparse(0, shape, zeros)
    rng = np.random.default_rng(zeros)
    for at_zero in (-1, 0, 1, 0.3, rng.uniform(-1, 1, shape)):
        right = smooth + signs(W, at_zero)
        report = checked(cost, {"W": W}, {"W": right})
        assert report.passed
        assert f"{zeros:,} coordinates are at kinks, and one choice there gives all" in report.notes[0]
        for place, size in (
            (np.flatnonzero(W)[0], 1e-6 * np.abs(right).max()),
            (np.flatnonzero(W == 0)[7], 3 * L1),
        ):
            wrong = right.copy()
            wrong.flat[place] += size
            block = checked(cost, {"W": W}, {"W": wrong}).blocks["W"]
            assert (block.verdict, block.wrong) == (Verdict.FAIL, 1)
            assert block.worst[0].index == np.unravel_index(place, shape)
    for mistake in ("no L1 term", "times 1.000001"):
        claim = MISTAKES[mistake](smooth, signs(W, 1), rng)
        assert checked(cost, {"W": W}, {"W": claim}).verdict is Verdict.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("seed", first_of(range(2)))
@pytest.mark.parametrize("kinks", ["zero", "dead units", "whole numbers"])
def test_no_check_of_every_coordinate_passes_mistakes_in_networks(kinks, seed):
    cost, p, backward = network(seed, RELU["maximum(z, 0)"], kinks, 0.1, (100, 60, 5), 20)
    at_zero, sign = (0.5, 1)[seed], (1, -1)[seed]
    right = backward(at_zero, sign)["W1"]
    one = right.copy()
    one[np.argmax(np.abs(right).sum(axis=1))] *= 1.5
    for claim in (1.01 * right, right * np.where(np.arange(60) == 7, -1, 1)[:, None], one, -right):
        assert checked(cost, p, backward(at_zero, sign) | {"W1": claim}).verdict is not Verdict.PASS


@pytest.mark.parametrize("kinks", ["zero", "dead units", "whole numbers"])
@pytest.mark.parametrize("relu", first_of(RELU, 4))
def test_a_check_of_every_coordinate_of_networks(relu, kinks):
    passes_by_every_convention(relu, kinks, 0.0, (0,))


@pytest.mark.slow
@pytest.mark.parametrize("kinks", ["zero", "dead units", "whole numbers"])
@pytest.mark.parametrize("relu", first_of(RELU))
def test_and_so_it_is_with_an_l1_term(relu, kinks):
    passes_by_every_convention(relu, kinks, 0.1, (-1, 0, 1))


def passes_by_every_convention(relu, kinks, l1, signs):
    """Each operation by its own convention: one choice is found that gives the claim."""
    cost, p, backward = network(0, RELU[relu], kinks, l1)
    for at_zero, sign in itertools.product((0, 0.5, 1), signs):
        claim = backward(at_zero, sign)
        report = checked(cost, p, claim)
        assert report.passed
        assert any("and one choice there gives all of the claim" in note for note in report.notes)
    wrong = checked(cost, p, claim | {"W1": -claim["W1"]})
    assert wrong.verdict is Verdict.FAIL or (kinks == "zero" and wrong.verdict is Verdict.INCONCLUSIVE)
