"""An inconclusive verdict names the obstacle, and what to do about it."""

import numpy as np
import pytest

from fastcheck import Verdict, check, locate, screen

X = np.array([[0.3, -1.2, 2.0], [1.1, 0.4, -0.7]])


def smooth(p):
    return float(np.sum(np.tanh(p["w"] @ X)))


def right():
    w = np.array([0.7, -0.4])
    return {"w": w}, {"w": X @ (1 - np.tanh(w @ X) ** 2)}


class Shaking:
    """Other threads add up in another order: the last bits of J change from call to call."""

    def __init__(self):
        self.calls = 0

    def __call__(self, p):
        self.calls += 1
        return 1e9 * (1 + (self.calls % 3) * 2e-16) + smooth(p)


def steep(p):
    """A sine so quick that steps short enough for its slope see only the noise of the constant."""
    return 1e8 + float(np.sum(np.sin(4e6 * p["w"])))


def right_steep():
    w = np.array([0.7, -0.4])
    return {"w": w}, {"w": 4e6 * np.cos(4e6 * w)}


CASES = {
    "rounding noise": (lambda p: 1e11 + smooth(p), right(), {}),
    "truncation": (steep, right_steep(), {"epsilon": 0.05}),
    "non-determinism": (Shaking(), right(), {}),
    "float32": (lambda p: float(np.float16(smooth(p))), right(), {}),
    "kink": (
        lambda p: float(np.sum(np.maximum(p["w"] @ X, 0) * [1.0, -2.0, 3.0])),
        ({"w": np.zeros(2)}, {"w": X @ [1.0, -2.0, 3.0]}),
        {},
    ),
}


@pytest.mark.parametrize("cause", CASES)
def test_the_cause_is_named(cause):
    cost, (parameters, gradients), options = CASES[cause]
    report = check(cost, parameters, gradients, method="plain", **options)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.blocks["w"].cause.startswith(f"{cause}: the numerical gradient of w is known to ± ")
    advice = report.blocks["w"].cause.split(". ")[-1]
    first, _, rest = " ".join(str(report).split()).partition(f": {cause} ")
    assert first == "INCONCLUSIVE could not tell for w"
    assert advice in rest


def pooled(p):
    return float(np.sum(p["z"].reshape(6, 10, 2).max(2) ** 2))


PAIRS = 1e3 * np.repeat(np.random.default_rng(0).normal(size=60), 2)
"""Inputs of a maximum over pairs, all of which are tied; the slopes on the two sides of each are 0 and 2z."""


@pytest.mark.parametrize("epsilon", [None, 1e-4, 1e-2])
@pytest.mark.parametrize("method", ["plain", "reference"])
def test_a_tie_that_noise_leaves_undecided_is_called_a_kink(method, epsilon):
    for claim in (2 * PAIRS, np.zeros(120), np.tile([2.0, 0.0], 60) * PAIRS):
        report = check(pooled, {"z": PAIRS}, {"z": claim}, method=method, epsilon=epsilon)
        assert report.verdict is Verdict.INCONCLUSIVE
        cause = report.blocks["z"].cause
        assert cause.startswith("kink: the numerical gradient of z is known to ± ")
        assert "(exact zeros or ties)" in cause
        assert "epsilon" not in cause


@pytest.mark.parametrize("method", ["plain", "reference"])
def test_and_a_claim_well_between_the_slopes_is_right_however_noisy_they_are(method):
    for share in (0.5, 1.5, 1.9):
        report = check(pooled, {"z": PAIRS}, {"z": share * PAIRS}, method=method, epsilon=1e-4)
        assert report.blocks["z"].undecided == 0
        assert report.verdict is Verdict.PASS
    for share in (-0.01, 2.01):
        assert check(pooled, {"z": PAIRS}, {"z": share * PAIRS}, method=method).verdict is Verdict.FAIL


T = np.array([[0.5, -1.0, 0.2], [0.1, 0.9, -0.4]])


def normalised(p):
    z = p["w"] @ X + p["b"]
    z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-5)
    return np.sum((z - T) ** 2)


def cubed(p):
    return normalised(p) + np.sum(p["c"] ** 3)


def without_gradient(block):
    """A network and its right gradient, of which that of one block is zero, or zero but for rounding."""
    w, b, c = np.array([[0.7, -0.4], [0.2, 1.3]]), np.array([[0.3], [-0.2]]), np.zeros(4)
    z = w @ X + b
    spread = np.sqrt(z.var(1, keepdims=True) + 1e-5)
    h = (z - z.mean(1, keepdims=True)) / spread
    d = 2 * (h - T)
    dz = (d - d.mean(1, keepdims=True) - h * (d * h).mean(1, keepdims=True)) / spread
    parameters = {"w": w, "b": b, "c": c}
    gradients = {"w": dz @ X.T, "b": dz.sum(1, keepdims=True), "c": 0 * c}
    return {k: parameters[k] for k in ("w", "b", block)}, {k: gradients[k] for k in ("w", "b", block)}


@pytest.mark.parametrize("epsilon", [None, 1e-5, 1e-7])
@pytest.mark.parametrize("method", ["plain", "reference"])
@pytest.mark.parametrize(("cost", "block"), [(normalised, "b"), (cubed, "c")])
def test_a_gradient_that_noise_hides_is_compared_with_the_largest_claim(cost, block, method, epsilon):
    parameters, gradients = without_gradient(block)
    report = check(cost, parameters, gradients, method=method, epsilon=epsilon)
    cause = report.blocks[block].cause
    assert report.blocks["w"].verdict is Verdict.PASS
    wrong = gradients | {block: gradients[block] + 1e-3}
    assert check(cost, parameters, wrong, method=method).verdict is Verdict.FAIL
    assert check(cost, parameters, gradients, method="difference").passed
    chooses_steps = method == "plain" and epsilon is None
    if cost is normalised and chooses_steps:  # J is flat there: a long step shows it
        assert report.passed
        return
    assert cause.startswith(f"rounding noise: the numerical gradient of {block} is known to ± ")
    assert f"the largest claim of the network is {np.abs(gradients['w']).max():.1e}." in cause
    assert "epsilon" not in cause


def test_where_all_claims_are_zero_there_is_nothing_to_compare_with():
    report = check(lambda p: float(np.sum(p**2)), np.zeros(3), np.zeros(3), method="plain")
    assert "and zero within that; all claims of the network are zero." in report.blocks["theta"].cause


def test_float32_is_the_cause_before_a_gradient_that_its_noise_hides():
    parameters, gradients = without_gradient("b")
    report = check(lambda p: np.float32(normalised(p)), parameters, gradients, method="reference")
    assert report.blocks["b"].cause.startswith("float32: the numerical gradient of b is known to ± ")


@pytest.mark.parametrize(
    ("zeros", "words"), [(1, "1 coordinate is at a kink,"), (2, "2 coordinates are at kinks,")]
)
def test_coordinates_at_kinks_are_counted_in_words(zeros, words):
    theta = np.array([0.0, 0.0, 1.0])[2 - zeros :]
    report = check(lambda w: np.sum(np.maximum(w, 0)), theta, (theta > 0).astype(float))
    assert report.passed
    assert any(note.startswith(words) for note in report.notes)


@pytest.mark.parametrize("offset", [1e8, 1e9])
@pytest.mark.parametrize("method", ["plain", "reference"])
def test_an_offset_is_rounding_and_a_step_is_left_out_only_if_one_was_given(method, offset):
    parameters, gradients = right()
    for epsilon in (None, 1e-5):
        report = check(
            lambda p: offset + smooth(p),
            parameters,
            gradients,
            method=method,
            epsilon=epsilon,
            tolerance=1e-9,
        )
        cause = report.blocks["w"].cause
        assert cause.startswith("rounding noise: the numerical gradient of w is known to ± ")
        assert ("epsilon" in cause) == (epsilon is not None)


def test_a_verdict_of_difference_propagation_does_not_advise_it():
    X = np.array([[0.1] * 3, [1.0, 2.0, 4.0]])
    right = np.zeros((2, 3))
    right[1] = (X[1] - X[1].mean()) / (3 * X[1].std())
    report = check(lambda p: np.sum(np.std(p["X"], axis=1)), {"X": X}, {"X": right}, method="difference")
    assert "method='difference'" not in str(report.blocks["X"].cause)


# --- difference propagation is advised where it may help --------------------------------------------------------


def rounded_at_a_jump(p):
    """A cost that plain evaluation hardly sees, at a jump where no slopes are certified."""
    return 1e11 + np.sum(np.tanh(p["w"] @ X)) + np.sum(np.floor(p["b"]))


@pytest.mark.parametrize("call", [check, screen, locate])
def test_difference_propagation_is_not_advised_where_it_was_tried_in_vain(call):
    parameters, gradients = right()
    parameters["b"], gradients["b"] = np.zeros(2), np.zeros(2)
    plain = call(rounded_at_a_jump, parameters, gradients, method="plain")
    automatic = call(rounded_at_a_jump, parameters, gradients)
    assert (plain.verdict, automatic.verdict) == ("inconclusive", "inconclusive")
    assert "method='difference'" in str(plain)
    assert "method='difference'" not in str(automatic)
    assert "stands on a kink or a jump" in " ".join(automatic.notes)


def test_several_kinks_are_no_reason_to_advise_it_then():
    rng = np.random.default_rng(0)
    inputs, targets, outer = rng.normal(size=(3, 6)), rng.normal(size=(1, 6)), rng.normal(size=(1, 4))

    def several(p):
        hidden = np.maximum(p["W"] @ inputs, 0)
        return np.sum((outer @ hidden - targets) ** 2) + np.sum(np.floor(p["b"]))

    parameters = {"W": np.zeros((4, 3)), "b": np.zeros(2)}
    gradients = {"W": outer.T @ (-2 * targets) @ inputs.T, "b": np.zeros(2)}
    plain = check(several, parameters, gradients, method="plain").notes
    automatic = check(several, parameters, gradients).notes
    assert any("or check at parameters without exact zeros." in note for note in plain)
    assert any("there. Check at parameters without exact zeros." in note for note in automatic)


@pytest.mark.parametrize("size", [1, 3])
def test_a_note_about_larger_steps_counts_in_words_that_agree(size):
    def noisy(p):
        return 10 + np.sum(np.sin(p["w"]))

    w = np.linspace(0.3, 0.9, size)
    report = check(noisy, {"w": w}, {"w": np.cos(w)}, method="plain", epsilon=1e-8)
    expected = "1 coordinate of w; larger steps decided it." if size == 1 else "3 coordinates of w; larger"
    assert expected in " ".join(report.notes)
