"""Where the cost is not defined everywhere: borders of its domain, poles, jumps and steps near the parameters."""

import math

import numpy as np
import pytest

from fastcheck import EvaluationError, Verdict, check, locate, screen

METHODS = ["auto", "plain", "reference"]
LOOKS = [check, screen, locate]


def power(p):
    with np.errstate(invalid="ignore"):
        return float(np.sum(p["x"] ** 1.875))


def raising(error):
    def cost(p):
        if (p["x"] < 0).any():
            raise error("math domain error")
        return float(np.sum(p["x"] ** 1.875))

    return cost


class OddError(Exception):
    """An exception of the user's own."""


COSTS = {
    "nan": power,
    **{
        error.__name__: raising(error)
        for error in (ValueError, ZeroDivisionError, FloatingPointError, OddError)
    },
    "LinAlgError": raising(np.linalg.LinAlgError),
    "complex": lambda p: sum(float(x) ** 1.875 for x in p["x"]),
}


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", COSTS)
def test_a_coordinate_on_a_border_does_not_end_the_check(name, look):
    x = np.array([0.0, 0.5, 2.0])
    right = 1.875 * x**0.875
    for method in ("auto", "plain"):
        report = look(COSTS[name], {"x": x}, {"x": right}, method=method)
        assert report.verdict in ("pass", "inconclusive")
        assert look(COSTS[name], {"x": x}, {"x": right * [1, 1, 1.001]}, method=method).verdict == "fail"
        assert look(COSTS[name], {"x": x}, {"x": right + np.eye(3)[0]}, method=method).verdict == "fail"
        if report.verdict == "inconclusive":
            cause = report.blocks["x"].cause
            assert cause.startswith(
                "domain: the parameters lie at a border of where the cost is defined: at x[0] -"
            )
            words = {
                "nan": "finite number, got nan",
                "complex": "complex number",
                "OddError": "OddError: math domain",
            }
            assert words.get(name, name) in cause


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("epsilon", [None, 1e-8])
def test_a_border_closer_than_the_step(epsilon, method):
    """√x at 1e-6, with steps of 1e-5."""
    x = np.array([1e-6, 1.0, 2.0])

    def cost(p):
        with np.errstate(invalid="ignore"):
            return np.sum(np.sqrt(p["x"]))

    right = 0.5 / np.sqrt(x)
    assert check(cost, {"x": x}, {"x": right}, method=method, epsilon=epsilon).verdict != "fail"
    for wrong in ([1, 1, 1.001], [1.001, 1, 1], [1, -1, 1]):
        assert check(cost, {"x": x}, {"x": right * wrong}, method=method, epsilon=epsilon).verdict == "fail"


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("method", METHODS)
def test_a_one_sided_slope_is_judged(method, side):
    """At a border where the slope is smooth, that of the inside is known as well as others."""

    def cost(p):
        return float(np.sum(np.exp(p["x"]))) if (side * p["x"] >= 0).all() else math.nan

    x = side * np.array([0.0, 0.3, 1.0])
    assert check(cost, {"x": x}, {"x": np.exp(x)}, method=method).verdict == "pass"
    for i in range(3):
        wrong = np.exp(x)
        wrong[i] *= 1 + 1e-4
        assert check(cost, {"x": x}, {"x": wrong}, method=method).verdict == "fail"


@pytest.mark.parametrize("method", METHODS)
def test_powers_of_zero_and_their_exponents(method):
    a, b = np.array([0.0, 3.0]), np.array([2.0, 1.5])

    def cost(p):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sum(p["a"] ** p["b"])

    da, db = np.array([0.0, 1.5 * 3**0.5]), np.array([0.0, 3**1.5 * math.log(3)])
    assert check(cost, {"a": a, "b": b}, {"a": da, "b": db}, method=method).verdict == "pass"
    report = check(cost, {"a": a, "b": b}, {"a": da, "b": 2 * db}, method=method)
    assert (report.blocks["a"].verdict, report.blocks["b"].verdict) == (Verdict.PASS, Verdict.FAIL)


class Batched:
    """A cost that offers batches, and of which one entry ends all of them."""

    def __call__(self, w):
        if w[7] != W[7]:
            raise ValueError("math domain error")
        return float(np.sum(w**3))

    def costs(self, thetas):
        return np.array([self(theta) for theta in thetas])


W = np.linspace(-1, 1, 20)


def test_in_a_batch_the_others_are_not_lost():
    report = check(Batched(), W, 3 * W**2, method="plain")
    assert (report.verdict, report.blocks["theta"].undecided) == (Verdict.INCONCLUSIVE, 1)
    assert "at theta[7]" in report.blocks["theta"].cause
    assert "ValueError: math domain error" in report.blocks["theta"].cause
    assert check(Batched(), W, 3 * W**2 * np.where(W[3] == W, 1.001, 1), method="plain").verdict == "fail"


@pytest.mark.parametrize("method", ["plain", "reference"])
@pytest.mark.parametrize("error", [TypeError, NameError, ZeroDivisionError])
def test_a_cost_that_raises_wherever_it_is_moved_says_so(error, method):
    x = np.ones(3)

    def cost(p):
        if not np.array_equal(p["x"], x):
            raise error("spoiled")
        return 1.0

    with pytest.raises(
        EvaluationError, match=rf"at x\[0\] ± .* the cost raises {error.__name__}: spoiled"
    ) as raised:
        check(cost, {"x": x}, {"x": x}, method=method)
    assert type(raised.value.__cause__) is error


def test_ctrl_c_is_no_border_and_passes_through():
    x = np.ones(3)

    def cost(p):
        if p["x"][1] != 1:
            raise KeyboardInterrupt
        return float(np.sum(p["x"] ** 2))

    for look in LOOKS:
        with pytest.raises(KeyboardInterrupt):
            look(cost, {"x": x}, {"x": 2 * x}, method="plain")


@pytest.mark.parametrize("wrong", [0, 2])
def test_where_memory_is_scarce_the_rest_is_judged(wrong):
    x = np.ones(3)
    claim = 2 * x
    claim[wrong] *= 1.01

    def cost(p):
        if p["x"][1] != 1:
            raise MemoryError("all is taken")
        return float(np.sum(p["x"] ** 2))

    report = check(cost, {"x": x}, {"x": claim}, method="plain")
    block = report.blocks["x"]
    assert (report.verdict, block.wrong, block.undecided) == (Verdict.FAIL, 1, 1)
    right = check(cost, {"x": x}, {"x": 2 * x}, method="plain").to_text()
    assert "x[1]: there was too little memory, in 3 tries: MemoryError: all is taken" in " ".join(
        right.split()
    )


def test_forward_passes_are_counted_at_borders_too():
    x, calls = np.array([0.0, 1e-6, 0.5, 2.0]), []

    def cost(p):
        calls.append(1)
        return power(p)

    for method in METHODS:
        calls.clear()
        report = check(cost, {"x": x}, {"x": 1.875 * x**0.875}, method=method)
        assert report.forward_passes >= len(calls)
        if method != "auto":
            assert report.forward_passes == len(calls)


# --- poles and jumps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("method", ["auto", "plain"])
def test_a_pole_near_by_spoils_nothing(method, look):
    s, b = np.ones(5), np.array([1.0, 2.0])
    s[3] = 3e-3
    right = {"s": -1 / s**2, "b": 2 * b}
    for cost in (
        lambda p: np.sum(1 / p["s"]) + np.sum(p["b"] ** 2),
        lambda p: sum(1 / float(v) for v in p["s"]) + np.sum(p["b"] ** 2),
    ):
        assert look(cost, {"s": s, "b": b}, right, method=method).verdict != "fail"
        report = look(cost, {"s": s, "b": b}, {k: -v for k, v in right.items()}, method=method)
        assert all(block.verdict == "fail" for block in report.blocks.values())


@pytest.mark.parametrize("method", ["plain", "reference"])
def test_nor_does_a_jump(method):
    x = np.linspace(0.2, 1, 8)

    def cost(p):
        return np.sum(p["x"] ** 2) + (p["x"][0] > 0.201)

    assert check(cost, {"x": x}, {"x": 2 * x}, method=method).verdict == "pass"
    assert check(cost, {"x": x}, {"x": -2 * x}, method=method).verdict == "fail"


@pytest.mark.parametrize(("epsilon", "most"), [(1e-7, 1e-4), (None, 1e-3)])
@pytest.mark.parametrize("method", ["plain", "reference"])
def test_no_evaluation_is_further_away_than_the_answer_needs(method, epsilon, most):
    x, moves = np.array([0.5, 1.0, 2.0]), []

    def cost(p):
        moves.append(np.abs(p["x"] - x).max())
        return np.sum(np.exp(p["x"]))

    assert check(cost, {"x": x}, {"x": np.exp(x)}, method=method, epsilon=epsilon, tolerance=1e-5).passed
    assert max(moves) < most


# --- one huge slope -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("method", ["auto", "plain"])
def test_one_huge_slope_does_not_hide_the_rest_of_its_block(method, look):
    x = np.array([0.0, 0.25, 4.0])

    def cost(p):
        return np.sum(np.sqrt(np.maximum(p["x"], 0) + 1e-12))

    right = np.where(x > 0, 0.5 / np.sqrt(x + 1e-12), 0.0)
    assert look(cost, {"x": x}, {"x": right}, method=method).verdict != "fail"
    assert look(cost, {"x": x}, {"x": right * [1, 2, 1]}, method=method).verdict == "fail"


@pytest.mark.parametrize("constant", [0.1, 0.5])
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("method", ["auto", "plain"])
def test_nor_does_a_constant_row_of_a_standard_deviation(method, look, constant):
    X = np.array([[constant] * 3, [1.0, 2.0, 4.0]])
    right = np.zeros((2, 3))
    right[1] = (X[1] - X[1].mean()) / (3 * X[1].std())

    def cost(p):
        return np.sum(np.std(p["X"], axis=1))

    assert look(cost, {"X": X}, {"X": right}, method=method).verdict in ("pass", "inconclusive")
    assert look(cost, {"X": X}, {"X": 2 * right}, method=method).verdict == "fail"
    if constant == 0.5:
        assert look(cost, {"X": X}, {"X": right}, method=method).verdict == "pass"


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("method", ["auto", "plain"])
def test_a_small_standard_deviation(method, look):
    rng = np.random.default_rng(123)
    p = {name: rng.random((5, 5)) for name in ("x", "gamma", "std")}
    p["std"][2, 3] = 1e-3

    def cost(p):
        return np.sum((p["x"] * p["gamma"] / p["std"]) ** 2)

    y = p["x"] * p["gamma"] / p["std"]
    right = {
        "x": 2 * y * p["gamma"] / p["std"],
        "gamma": 2 * y * p["x"] / p["std"],
        "std": -2 * y * y / p["std"],
    }
    assert look(cost, p, right, method=method).verdict == "pass"
    report = look(cost, p, right | {"std": right["std"] * p["std"]}, method=method)
    assert [block.verdict for block in report.blocks.values()] == ["pass", "pass", "fail"]


@pytest.mark.parametrize("method", ["auto", "plain"])
@pytest.mark.parametrize("look", LOOKS)
def test_the_step_grows_with_the_noise(look, method):
    """At 1e6, log Γ is 1e7, and its slope 14."""
    from scipy.special import digamma, gammaln

    a = np.array([1e6])
    for factor, verdict in ((1.0, "pass"), (1 + 1e-4, "fail")):
        claimed = {"a": factor * digamma(a)}
        assert look(lambda p: gammaln(p["a"][0]), {"a": a}, claimed, method=method).verdict == verdict


# --- functions with steps -------------------------------------------------------------------------------------

STEPS = [
    "np.round(4 * x) / 4", "np.round(x, 1)", "x.round(1)", "np.round(100 * x, -1) / 100", "np.around(x, 1)",
    "np.fix(4 * x) / 4", "np.rint(4 * x) / 4", "np.floor(4 * x) / 4",
]  # fmt: skip


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("steps", STEPS)
def test_the_slope_of_a_function_with_steps_is_zero(steps, look):
    x, w = np.random.default_rng(2).standard_normal(8), np.arange(1.0, 9)
    function = eval(f"lambda x: {steps}", {"np": np})

    def cost(p):
        return np.sum(w * function(p["x"]))

    report = look(cost, {"x": x}, {"x": 0 * w})
    assert (report.verdict, report.method) == ("pass", "difference")
    assert look(cost, {"x": x}, {"x": w}).verdict == "fail"
    assert look(cost, {"x": x}, {"x": 0 * w}, method="plain").verdict != "fail"
    straight_through = look(cost, {"x": x}, {"x": w}, method="plain")
    assert straight_through.verdict != "pass"
    assert "float32" not in str(straight_through.blocks["x"].cause)


@pytest.mark.parametrize("returned", [math.nan, math.inf, None])
@pytest.mark.parametrize("wrong", [False, True])
def test_a_block_that_cannot_be_moved_leaves_the_others_to_be_judged(returned, wrong):
    """Of one number say, at which a solver fails: hours of evaluations of the other blocks are not lost by it."""

    def cost(p):
        if p["rate"] != 1.0:
            if returned is None:
                raise ArithmeticError("the solver did not converge")
            return returned
        return float(np.sum(p["w"] ** 2))

    theta = {"rate": 1.0, "w": np.arange(1.0, 4.0)}
    report = check(cost, theta, {"rate": 0.0, "w": (3 if wrong else 2) * theta["w"]}, method="plain")
    assert report.blocks["rate"].verdict is Verdict.INCONCLUSIVE
    assert report.blocks["w"].verdict is (Verdict.FAIL if wrong else Verdict.PASS)
    assert ("did not converge" if returned is None else "finite") in str(report)
