"""Losses against mpmath, saturated logits included, and against what people write."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlp_by_hand import EXACT, OUTPUTS, exact, loss_terms, one_hot, output
from mpmath import mp

from fastcheck import InvalidProblemError, Loss
from fastcheck.mlp.losses import KINDS, find_loss

KIND = list(OUTPUTS.values())
DIGITS = 400
"""So many that 1 − σ(800) = e⁻⁸⁰⁰ keeps more than 50."""

reductions = st.sampled_from(["samples", "entries", "sum"])
logits = st.one_of(st.floats(-5, 5), st.floats(-40, 40), st.sampled_from([-800.0, 800.0, 0.0]))


@st.composite
def outputs_and_targets(draw, kind, certain=False):
    """Logits (n_out, m) and dense targets; certain ones are 0 or 1."""
    units, samples = draw(st.integers(2 if kind == "cross_entropy" else 1, 4)), draw(st.integers(1, 4))
    Z = np.array(draw(st.lists(logits, min_size=units * samples, max_size=units * samples)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if kind == "cross_entropy":
        Y = rng.dirichlet(np.ones(units), samples).T
        Y = one_hot(rng.integers(0, units, samples), units) if certain else Y
    elif kind == "binary_cross_entropy":
        Y = rng.integers(0, 2, (units, samples)).astype(float) if certain else rng.random((units, samples))
    else:
        Y = rng.normal(0, 3, (units, samples))
    return Z.reshape(units, samples), Y


def exact_value(loss, Z, Y):
    A = output(EXACT, loss.kind, exact(Z), units=0)
    count = {"samples": Z.shape[1], "entries": Z.size, "sum": 1}[loss.reduction]
    return mp.mpf(loss.factor) * loss_terms(EXACT, loss.kind, A, exact(Y)).sum() / count


def exact_gradient(loss, Z, Y):
    A, Y = output(EXACT, loss.kind, exact(Z), units=0), exact(Y)
    slope = {
        "binary_cross_entropy": lambda: A - Y,
        "cross_entropy": lambda: A * Y.sum(axis=0, keepdims=True) - Y,
        "mean_squared_error": lambda: 2 * (A - Y),
    }[loss.kind]()
    count = {"samples": Z.shape[1], "entries": Z.size, "sum": 1}[loss.reduction]
    return mp.mpf(loss.factor) * slope / count


@pytest.mark.parametrize("kind", KIND)
def test_values_are_exact(kind):
    problems = outputs_and_targets(kind) | outputs_and_targets(kind, certain=True)

    @given(problems, reductions, st.sampled_from([1.0, 0.5, 3.0]))
    def check(problem, reduction, factor):
        loss = Loss(kind, reduction, factor)
        with mpmath.workdps(DIGITS):
            truth = exact_value(loss, *problem)
            assert abs(mp.mpf(loss.value(*problem)) - truth) <= 1e-14 * truth + mp.mpf(1e-300)

    check()


@pytest.mark.parametrize("kind", KIND)
def test_gradients_of_certain_targets_are_exact_entry_by_entry(kind):
    @given(outputs_and_targets(kind, certain=True), reductions, st.sampled_from([1.0, 0.5]))
    def check(problem, reduction, factor):
        loss = Loss(kind, reduction, factor)
        with mpmath.workdps(DIGITS):
            error = abs(exact(loss.gradient(*problem)) - exact_gradient(loss, *problem))
            assert (error <= 1e-14 * abs(exact_gradient(loss, *problem)) + mp.mpf(1e-300)).all()

    check()


@pytest.mark.parametrize("kind", KIND)
def test_gradients_of_uncertain_targets_are_exact_up_to_the_rounding_of_their_two_terms(kind):
    @given(outputs_and_targets(kind))
    def check(problem):
        loss = Loss(kind, "sum")
        with mpmath.workdps(DIGITS):
            error = abs(exact(loss.gradient(*problem)) - exact_gradient(loss, *problem))
            assert (error <= 1e-15 * (1 + abs(exact(problem[0])))).all()

    check()


@pytest.mark.parametrize("kind", KIND)
def test_gradients_are_the_derivatives_of_the_values(kind):
    rng = np.random.default_rng(4)
    loss, Z = Loss(kind, "entries", 0.7), rng.normal(0, 2, (3, 2))
    Y = rng.dirichlet(np.ones(3), 2).T
    with mpmath.workdps(60):
        h = mp.mpf(10) ** -25
        for index in np.ndindex(Z.shape):
            ends = [exact(Z), exact(Z)]
            ends[0][index] += h
            ends[1][index] -= h
            plus, minus = (
                loss_terms(EXACT, kind, output(EXACT, kind, end, units=0), exact(Y)).sum() for end in ends
            )
            slope = mp.mpf(0.7) * (plus - minus) / (2 * h) / Z.size
            assert abs(mp.mpf(loss.gradient(Z, Y)[index]) - slope) < 1e-15


def test_saturated_logits_neither_overflow_nor_cancel():
    right, wrong = Loss("binary_cross_entropy"), np.array([[800.0, -800.0]])
    assert right.value(wrong, np.array([[0, 1]])) == 800
    assert right.value(wrong, np.array([[1, 0]])) == 0
    assert right.gradient(np.array([[40.0]]), np.array([[1.0]])) == pytest.approx(
        -np.exp(-40), rel=1e-15, abs=0
    )
    assert right.value(np.array([[40.0]]), [1]) == pytest.approx(np.exp(-40), rel=1e-15, abs=0)
    soft = Loss("cross_entropy")
    assert soft.value(np.array([[800.0], [-800.0]]), [1]) == 1600
    assert soft.value(np.array([[40.0], [0.0]]), [0]) == pytest.approx(np.exp(-40), rel=1e-15, abs=0)
    assert soft.gradient(np.array([[40.0], [0.0]]), [0])[0, 0] == pytest.approx(
        -np.exp(-40), rel=1e-15, abs=0
    )


def test_labels_are_short_for_one_hot_columns():
    rng = np.random.default_rng(0)
    Z, labels, loss = rng.normal(size=(3, 5)), np.array([0, 2, 1, 1, 0]), Loss("cross_entropy")
    dense = one_hot(labels, 3)
    for Y in (labels, labels[None], labels.astype(float), labels.astype(np.uint8), labels.tolist()):
        assert np.array_equal(loss.targets(Y, outputs=3, samples=5), dense)
    for Y in (labels, labels[:, None], dense.T, dense.T.astype(bool)):
        assert np.array_equal(loss.targets(Y, outputs=3, samples=5, samples_first=True), dense)
    assert loss.value(Z, labels) == loss.value(Z, dense)
    assert np.array_equal(loss.gradient(Z, labels), loss.gradient(Z, dense))
    assert loss.value(Z[:2, :2], [0, 1]) == loss.value(Z[:2, :2], np.eye(2))


@pytest.mark.parametrize("kind", ["binary_cross_entropy", "mean_squared_error"])
def test_one_output_takes_a_vector(kind):
    Y, loss = np.array([0.0, 1.0, 1.0]), Loss(kind)
    for samples_first in (False, True):
        assert np.array_equal(loss.targets(Y, outputs=1, samples=3, samples_first=samples_first), Y[None])


def test_float32_probabilities_may_sum_to_nearly_one():
    Y = np.array([[1 / 3, 0.1], [1 / 3, 0.2], [1 / 3, 0.7]], dtype=np.float32)
    assert Loss("cross_entropy").targets(Y, outputs=3, samples=2).dtype == np.float64


@pytest.mark.parametrize("kind", KIND)
def test_a_batch_gives_each_value_and_gradient_to_the_bit(kind):
    rng = np.random.default_rng(2)
    Z, Y, loss = rng.normal(0, 5, (7, 3, 11)), rng.dirichlet(np.ones(3), 11).T, Loss(kind)
    values = loss.value(Z, Y)
    assert values.shape == (7,)
    assert np.array_equal(values, [loss.value(z, Y) for z in Z])
    assert np.array_equal(loss.gradient(Z, Y), [loss.gradient(z, Y) for z in Z])


def test_outputs():
    Z = np.random.default_rng(3).normal(0, 3, (3, 4))
    for kind in KIND:
        A = output(EXACT, kind, exact(Z), units=0).astype(float)
        np.testing.assert_allclose(Loss(kind).output(Z), A, rtol=1e-14)
    assert np.array_equal(Loss("cross_entropy").output(np.array([[800.0], [-800.0]])), [[1.0], [0.0]])


def test_without_a_loss_the_output_decides():
    assert find_loss(None, "sigmoid") == Loss("binary_cross_entropy", "samples")
    assert find_loss(None, "softmax") == Loss("cross_entropy", "samples")
    assert find_loss(None, "identity") == Loss("mean_squared_error", "entries")
    for name, kind in KINDS.items():
        assert find_loss(kind, name) == find_loss(None, name)
    half = Loss("mean_squared_error", "samples", 0.5)
    assert find_loss(half, "identity") is half


def test_the_usual_squared_error_is_numpys_mean():
    rng = np.random.default_rng(5)
    Z, Y = rng.normal(size=(3, 8)), rng.normal(size=(3, 8))
    assert find_loss(None, "identity").value(Z, Y) == pytest.approx(np.mean((Z - Y) ** 2), rel=1e-15, abs=0)


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (("hinge",), "loss: expected 'binary_cross_entropy' or .* got 'hinge'"),
        (("cross_entropy", "mean"), "expected the reduction 'samples' or 'entries' or 'sum', got 'mean'"),
        (("cross_entropy", "sum", 0), "expected a positive factor, got 0"),
        (("cross_entropy", "sum", np.inf), "expected a positive factor, got inf"),
        (("cross_entropy", "sum", "1"), "expected a positive factor, got '1'"),
    ],
)
def test_losses_that_make_no_sense_are_refused(arguments, phrase):
    with pytest.raises(InvalidProblemError, match=phrase):
        Loss(*arguments)


@pytest.mark.parametrize(
    ("loss", "phrase"),
    [
        ("log", "loss: expected None, a Loss, or 'binary_cross_entropy' or .* got 'log'"),
        (3, "got 3"),
        (
            "cross_entropy",
            "needs 'softmax' as the last activation, got 'sigmoid'.* here binary_cross_entropy",
        ),
        (Loss("mean_squared_error"), "mean_squared_error needs 'identity' as the last activation"),
    ],
)
def test_losses_that_do_not_fit_the_output_are_refused(loss, phrase):
    with pytest.raises(InvalidProblemError, match=phrase):
        find_loss(loss, "sigmoid")


@pytest.mark.parametrize(
    ("kind", "Y", "outputs", "samples_first", "phrase"),
    [
        (
            "binary_cross_entropy",
            np.ones((4, 3)),
            3,
            False,
            r"expected shape \(3, 4\), one column .* pass Y.T",
        ),
        ("binary_cross_entropy", np.ones((3, 4)), 3, True, r"expected shape \(4, 3\), one row .* pass Y.T"),
        ("binary_cross_entropy", np.ones(5), 1, False, r"expected shape \(1, 4\) or \(4,\), .* got \(5,\)"),
        (
            "binary_cross_entropy",
            np.ones(4),
            3,
            False,
            r"shape \(3, 4\), one .* got \(4,\). Compare it with X",
        ),
        ("binary_cross_entropy", [[1, 0, 2, 0]], 1, False, "expected numbers from 0 to 1 .* got 2"),
        ("binary_cross_entropy", [[1, 0, np.nan, 0]], 1, False, "expected numbers from 0 to 1 .* got nan"),
        ("cross_entropy", [0, 1, 3, 0], 3, False, "integer labels from 0 to 2, or one-hot columns .* got 3"),
        ("cross_entropy", [0, 1, -1, 0], 3, False, "integer labels .* got -1"),
        ("cross_entropy", [0, 1, 0.5, 0], 3, False, "integer labels .* got 0.5"),
        ("cross_entropy", np.ones((3, 5)), 3, False, r"expected shape \(3, 4\) or \(4,\)"),
        ("cross_entropy", np.ones((3, 4)), 3, False, "sum to 1 .* sum 3 for sample 0. Several labels"),
        ("cross_entropy", np.full((3, 4), -1), 3, False, "expected numbers from 0 to 1 .* got -1"),
        ("cross_entropy", np.zeros((1, 4)), 1, False, "at least two outputs, got one"),
        ("mean_squared_error", [[1, 0, np.inf, 0]], 1, False, "expected finite numbers .* got inf"),
        (
            "mean_squared_error",
            [["a", "b", "c", "d"]],
            1,
            False,
            "expected an array of numbers, got dtype <U1",
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused(kind, Y, outputs, samples_first, phrase):
    with pytest.raises(InvalidProblemError, match=f"Y: .*{phrase}"):
        Loss(kind).targets(Y, outputs=outputs, samples=4, samples_first=samples_first)
