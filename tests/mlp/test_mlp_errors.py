"""What an MLP refuses, and what it says."""

import numpy as np
import pytest

from fastcheck import MLP, InvalidProblemError

SIZES = (4, 5, 3)


def network(layout="features_first", **options):
    return MLP(("relu", "softmax"), layout=layout, **options)


def problem(layout="features_first"):
    """Parameters, X and Y of seven samples that fit."""
    X, Y = np.ones((4, 7)), np.arange(7) % 3
    return network(layout).initialize(SIZES, 0), X if layout == "features_first" else X.T, Y


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        ({"activations": "relu"}, "activations: expected a list of names, one for each layer, got 'relu'"),
        ({"activations": ()}, r"activations: expected a list of names, one for each layer, got \(\)"),
        ({"activations": ("relu",)}, "'sigmoid' or 'softmax' or 'identity' as the last one, .* got 'relu'"),
        ({"activations": ("softmax", "sigmoid")}, "activations: expected one of 'relu'.* got 'softmax'"),
        ({"activations": ("reLU", "sigmoid")}, "activations: expected one of 'relu'.* got 'reLU'"),
        ({"loss": "cross_entropy"}, "loss: cross_entropy needs 'softmax' as the last activation"),
        ({"l2": -1}, "l2: expected a finite number λ ≥ 0, got -1"),
        ({"l2": np.nan}, "l2: expected a finite number λ ≥ 0, got nan"),
        ({"l2": "0.1"}, "l2: expected a finite number λ ≥ 0, got '0.1'"),
        ({"layout": "columns"}, "layout: expected 'features_first' or 'samples_first', got 'columns'"),
        ({"dropout_masks": np.ones((3, 5, 7))}, "one entry for each of the 3 layers, .* got ndarray"),
        ({"dropout_masks": [None, None]}, "one entry for each of the 3 layers, .* got 2 entries"),
        (
            {"dropout_masks": [None, None, np.ones((1, 2))]},
            "and None for the output layer, got a mask for the",
        ),
        (
            {"dropout_masks": [np.ones(3), None, None]},
            r"dropout_masks\[0\]: .* \(n_l, m\), .* got shape \(3,\)",
        ),
        ({"dropout_masks": [None, [[np.nan]], None]}, r"dropout_masks\[1\]: expected finite numbers"),
        ({"dropout_masks": [[["x"]], None, None]}, r"dropout_masks\[0\]: .* and dtype <U1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, phrase):
    with pytest.raises(InvalidProblemError, match=phrase):
        MLP(**options)


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (
            {"b2": None},
            "parameters: expected the keys W1, b1, W2, b2, .* 2 activations, got W1, b1, W2 .b2 missing.",
        ),
        ({"W1": None, "b1": None}, r"got W2, b2 \(W1, b1 missing\)"),
        ({"W3": np.ones((3, 3)), "b3": np.ones(3)}, "got W3, b3 besides. Give as many activations as there"),
        ({"W1": [[1.0] * 4] * 5}, "W1: expected a NumPy array of float64, float32 or float16, got list"),
        ({"W1": np.ones((5, 4), dtype=int)}, "W1: expected a NumPy array .* got dtype int64. Convert it"),
        ({"b1": 0.0}, "b1: expected a NumPy array of float64.* got float"),
        ({"W1": np.ma.masked_array(np.ones((5, 4)))}, "W1: expected a NumPy array"),
        ({"W1": np.ones((5, 6))}, r"W1: expected shape \(n1, 4\), got \(5, 6\). X gives it 4 inputs"),
        (
            {"W1": np.ones((4, 5))},
            r"W1: .* got \(4, 5\). .* transposed: if your .* say layout='samples_first'",
        ),
        ({"W1": np.ones(4)}, r"W1: expected shape \(n1, 4\), got \(4,\)"),
        ({"W1": np.ones((0, 4))}, r"W1: expected shape \(n1, 4\), got \(0, 4\)"),
        ({"W2": np.ones((3, 6))}, r"W2: expected shape \(n2, 5\), got \(3, 6\). W1 gives it 5 inputs"),
        (
            {"b1": np.ones((5, 7))},
            r"b1: expected shape \(5,\), \(5, 1\) or \(1, 5\), .* that W1 has, got \(5, 7\)",
        ),
        ({"b2": np.ones(5)}, r"b2: expected shape \(3,\), \(3, 1\) or \(1, 3\), .* got \(5,\)"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change, phrase):
    parameters, X, Y = problem()
    parameters = {k: v for k, v in {**parameters, **change}.items() if v is not None}
    for method in (network().cost, network().gradients, network().arrange):
        with pytest.raises(InvalidProblemError, match=phrase):
            method(parameters, X, Y)


def test_messages_of_the_other_layout():
    parameters, X, Y = problem("samples_first")
    model = network("samples_first")
    with pytest.raises(
        InvalidProblemError, match=r"W1: expected shape \(4, n1\), .* layout='features_first'"
    ):
        model.cost({**parameters, "W1": np.ones((5, 4))}, X, Y)
    with pytest.raises(InvalidProblemError, match=r"X: expected shape \(m, features\) .* to \(1, features\)"):
        model.cost(parameters, X[0], Y)
    with pytest.raises(
        InvalidProblemError, match=r"Y: expected shape \(7, 3\) or \(7,\), one row per sample"
    ):
        model.cost(parameters, X, np.ones((3, 7)))
    masked = network("samples_first", dropout_masks=[np.ones((7, 6)), None])
    with pytest.raises(
        InvalidProblemError, match=r"dropout_masks\[0\]: expected shape \(7, 5\), .* got \(7, 6\)"
    ):
        masked.cost(parameters, X, Y)


def test_parameters_that_are_no_dict_are_refused():
    parameters, X, Y = problem()
    with pytest.raises(InvalidProblemError, match="expected a dict with the keys W1, b1, W2, b2, got list"):
        network().cost(list(parameters.values()), X, Y)
    with pytest.raises(
        InvalidProblemError, match=r"keys W1, b1, …, W4, b4, .* got W1, b1, W2, b2 \(W3, b3, W4, b4 missing\)"
    ):
        MLP(("relu", "relu", "relu", "softmax")).cost(parameters, X, Y)


@pytest.mark.parametrize(
    ("X", "phrase"),
    [
        (np.ones(4), r"X: expected shape \(features, m\) .* got \(4,\). Reshape .* to \(features, 1\)"),
        (np.ones((4, 0)), r"X: .* with at least one sample, got \(4, 0\)"),
        (np.where(np.eye(4, 7), np.inf, 0), r"X: expected finite numbers, got inf at \[0, 0\]"),
        (np.full((4, 7), "a"), "X: expected an array of numbers, got dtype <U1"),
        (np.ones((7, 4)), r"W1: expected shape \(n1, 7\), got \(5, 4\). X gives it 7 inputs"),
        (np.ones((4, 6)), r"Y: expected shape \(3, 6\) or \(6,\), one column per sample, got \(7,\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(X, phrase):
    parameters, _, Y = problem()
    with pytest.raises(InvalidProblemError, match=phrase):
        network().cost(parameters, X, Y)


def test_masks_of_other_samples_are_refused():
    parameters, X, Y = problem()
    model = network(dropout_masks=[np.ones((5, 6)), None])
    with pytest.raises(
        InvalidProblemError, match=r"dropout_masks\[0\]: expected shape \(5, 7\), .* layer 1 .* got \(5, 6\)"
    ):
        model.cost(parameters, X, Y)


@pytest.mark.parametrize("sizes", [(4, 5), (4, 5, 3, 1), (4, 0, 3), (4, 5.0, 3), ()])
def test_sizes_that_do_not_fit_are_refused(sizes):
    _, X, Y = problem()
    for call in (
        lambda: network().initialize(sizes, 0),
        lambda: network().costs(np.ones((1, 43)), X, Y, sizes),
    ):
        with pytest.raises(
            InvalidProblemError, match=r"sizes: expected 3 positive integers, .* each of the 2 layers"
        ):
            call()


@pytest.mark.parametrize("shape", [(43,), (2, 42), (1, 2, 43)])
def test_rows_of_another_length_are_refused(shape):
    _, X, Y = problem()
    with pytest.raises(InvalidProblemError, match=r"thetas: expected shape \(batch, 43\) .*\(4, 5, 3\), got"):
        network().costs(np.ones(shape), X, Y, SIZES)


def test_costs_refuses_data_of_other_sizes():
    _, X, Y = problem()
    with pytest.raises(InvalidProblemError, match=r"W1: expected shape \(n1, 3\), got \(5, 4\)"):
        network().costs(np.ones((1, 43)), X[:3], Y, SIZES)
