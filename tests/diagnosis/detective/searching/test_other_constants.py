"""Claims that are the gradient of the cost with another constant: an ε, a mask, clipping, labels."""

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks

RNG = np.random.default_rng(41)
X = RNG.standard_normal((6, 3))
LABELS = np.array([0, 2, 1, 1, 0, 2])
ONE_HOT = np.eye(3)[LABELS]


def parameters():
    rng = np.random.default_rng(42)
    return {"W": rng.standard_normal((3, 3)), "b": rng.standard_normal(3)}


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def of_scores(dz):
    return {"W": X.T @ dz, "b": dz.sum(axis=0)}


def by_one_hot(p):
    return -np.sum(ONE_HOT * np.log(softmax(X @ p["W"] + p["b"])))


def by_index(p):
    return -np.sum(np.log(softmax(X @ p["W"] + p["b"]))[np.arange(6), LABELS])


@pytest.mark.parametrize("by", [1, -1])
@pytest.mark.parametrize(
    ("cost", "kind"), [(by_one_hot, "of another sample"), (by_index, "index of another sample")]
)
def test_labels_of_another_sample_are_named(cost, kind, by):
    p = parameters()
    A = softmax(X @ p["W"] + p["b"])
    assert wrong_blocks(cost, p, of_scores(A - ONE_HOT)) == []
    found = assert_named(cost, p, of_scores(A - np.roll(ONE_HOT, by, axis=0)), kind)
    assert ("the sample before" if by > 0 else "the next sample") in found.sentence


def test_data_of_another_sample_are_as_good_an_explanation_so_both_are_told():
    p = parameters()
    A = softmax(X @ p["W"] + p["b"])
    found = explanations(by_one_hot, p, of_scores(A - np.roll(ONE_HOT, 1, axis=0)))
    of_samples = [hypothesis for hypothesis in found if hypothesis.kind == "of another sample"]
    assert len({hypothesis.statement for hypothesis in of_samples}) == 2
    assert "ONE_HOT * np.log" in found[0].sentence
    assert "X @ p" in of_samples[1].sentence


def guarded(epsilon):
    def cost(p):
        A = 1 / (1 + np.exp(-(X @ p["W"] + p["b"])))
        return -np.sum(ONE_HOT * np.log(A + epsilon) + (1 - ONE_HOT) * np.log(1 - A + epsilon))

    return cost


def of_guarded(p, epsilon):
    A = 1 / (1 + np.exp(-(X @ p["W"] + p["b"])))
    dA = (1 - ONE_HOT) / (1 - A + epsilon) - ONE_HOT / (A + epsilon)
    return of_scores(dA * A * (1 - A))


@pytest.mark.parametrize(
    ("epsilon", "other", "kind"), [(1e-3, 0.0, "ε of the cost left out"), (1e-3, 1e-5, "another ε")]
)
def test_another_epsilon_of_a_logarithm_is_named(epsilon, other, kind):
    p = parameters()
    assert wrong_blocks(guarded(epsilon), p, of_guarded(p, epsilon)) == []
    found = assert_named(guarded(epsilon), p, of_guarded(p, other), kind)
    assert "0.001" in found.sentence


def normalised(p):
    Z = X @ p["W"] + p["b"] ** 2
    deviation = np.sqrt(Z.var(axis=0) + 0.01)
    return np.sum(ONE_HOT * ((Z - Z.mean(axis=0)) / deviation + p["b"]))


def of_normalised(p, epsilon):
    Z = X @ p["W"] + p["b"] ** 2
    deviation = np.sqrt(Z.var(axis=0) + epsilon)
    N = (Z - Z.mean(axis=0)) / deviation
    dZ = (ONE_HOT - ONE_HOT.mean(axis=0) - N * (ONE_HOT * N).mean(axis=0)) / deviation
    return {"W": X.T @ dZ, "b": ONE_HOT.sum(axis=0) + dZ.sum(axis=0) * 2 * p["b"]}


def test_the_epsilon_of_a_deviation_is_named():
    p = parameters()
    assert wrong_blocks(normalised, p, of_normalised(p, 0.01)) == []
    kinds = {hypothesis.kind for hypothesis in explanations(normalised, p, of_normalised(p, 0.0))}
    assert kinds & {"ε of the cost left out", "ε left out"}


def clipped(p):
    A = np.clip(softmax(2 * (X @ p["W"]) + p["b"]), 0.2, 0.8)
    return -np.sum(ONE_HOT * np.log(A))


def test_clipping_that_is_left_out_is_named():
    p = parameters()
    A = softmax(2 * (X @ p["W"]) + p["b"])
    assert ((A < 0.2) | (A > 0.8)).any()
    dz = A - ONE_HOT
    claim = {"W": 2 * X.T @ dz, "b": dz.sum(axis=0)}
    assert_named(clipped, p, claim, "clipping left out")


MASK = np.tril(np.ones((6, 6), dtype=bool))
SCORED = RNG.standard_normal((6, 6))
MASKED = {
    "where": lambda scores: np.where(MASK, scores, -1e9),
    "where, the other way round": lambda scores: np.where(~MASK, -1e9, scores),
    "a number that is added": lambda scores: scores + np.where(MASK, 0.0, -1e9),
}


def attended(mask):
    def cost(p):
        queries = X @ p["W"] + p["b"]
        return np.sum(SCORED * softmax(mask(queries @ X.T)))

    return cost


def of_attended(p, mask):
    A = softmax(mask((X @ p["W"] + p["b"]) @ X.T))
    d_scores = A * (SCORED - (A * SCORED).sum(axis=1, keepdims=True))
    return of_scores(d_scores @ X)


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_that_is_left_out_is_named(name):
    p = parameters()
    cost = attended(MASKED[name])
    assert wrong_blocks(cost, p, of_attended(p, MASKED[name])) == []
    assert_named(cost, p, of_attended(p, lambda scores: scores), "mask left out")


def test_noise_is_not_explained():
    p = parameters()
    noise = np.random.default_rng(43).standard_normal((6, 3))
    for cost in (by_one_hot, by_index, guarded(1e-3), clipped, attended(MASKED["where"])):
        A = softmax(X @ p["W"] + p["b"])
        assert explanations(cost, p, of_scores(A + noise)) == []


SMOOTHED = 0.9 * ONE_HOT + 0.1 / 3


def by_smoothed_labels(p):
    return -np.sum(SMOOTHED * np.log(softmax(X @ p["W"] + p["b"])))


def test_label_smoothing_that_is_left_out_is_named():
    p = parameters()
    A = softmax(X @ p["W"] + p["b"])
    assert wrong_blocks(by_smoothed_labels, p, of_scores(A - SMOOTHED)) == []
    assert_named(by_smoothed_labels, p, of_scores(A - ONE_HOT), "label smoothing left out")


def guarded_in_two_lines(p):
    A = 1 / (1 + np.exp(-(X @ p["W"] + p["b"])))
    of_right = ONE_HOT * np.log(A + 1e-3)
    of_wrong = (1 - ONE_HOT) * np.log(1 - A + 1e-3)
    return -np.sum(of_right + of_wrong)


def test_an_epsilon_that_is_left_out_of_several_lines_is_named_with_all_of_them():
    p = parameters()
    assert wrong_blocks(guarded_in_two_lines, p, of_guarded(p, 1e-3)) == []
    found = assert_named(guarded_in_two_lines, p, of_guarded(p, 0.0), "ε of the cost left out")
    first = guarded_in_two_lines.__code__.co_firstlineno
    assert [line.number for line in found.lines] == [first + 2, first + 3]
    assert found.sentence.endswith(f", and line {first + 3}")


def scaled_by(constant):
    def cost(p):
        return np.sum(np.sin(constant * np.tanh(X @ p["W"] + p["b"])))

    return cost


def of_scaled(p, constant):
    a = np.tanh(X @ p["W"] + p["b"])
    return of_scores(np.cos(constant * a) * constant * (1 - a**2))


@pytest.mark.parametrize("short", [0.8, 0.79, 0.7979, 0.79788])
def test_a_constant_that_is_written_short_is_named(short):
    p, constant = parameters(), np.sqrt(2 / np.pi)
    assert wrong_blocks(scaled_by(constant), p, of_scaled(p, constant)) == []
    kinds = "constant written short", "constant of the derivative written short"
    found = explanations(scaled_by(constant), p, of_scaled(p, short))
    assert found[0].kind in kinds
    assert f"{short} in place of 0.7978845608" in found[0].sentence
