"""Linear support vector machine for several classes, with the hinge loss.

A sample costs max(0, s_j - s_y + 1), summed over the wrong classes j. The cost has kinks where a margin is
exactly 0; the data here stay away from them.

Planted bug ("right class counted"): the gradient counts the violated margins before the margin of the right
class, which is always 1, has been set to 0. Each sample pushes its right class once too often: wrong in W and
b.
"""

import numpy as np

PLANTED = {"right class counted": {"W", "b"}}
LAMBDA = 0.05


def forward(X, Y, theta):
    n = len(X)
    scores = X @ theta["W"] + theta["b"]
    right = scores[np.arange(n), Y]
    margins = np.maximum(0, scores - right[:, np.newaxis] + 1.0)
    raw = margins.copy()
    margins[np.arange(n), Y] = 0
    cost = margins.sum() / n + LAMBDA * (theta["W"] ** 2).sum()
    return cost, {"raw": raw, "margins": margins, "W": theta["W"]}


def gradient_from(margins, X, Y, W):
    n = len(X)
    violated = (margins > 0).astype(float)
    count = violated.sum(axis=1)
    violated[np.arange(n), Y] = -count
    return {"W": X.T @ violated / n + 2 * LAMBDA * W, "b": violated.mean(axis=0)}


def backward(X, Y, cache):
    return gradient_from(cache["margins"], X, Y, cache["W"])


def backward_buggy(X, Y, cache):
    return gradient_from(cache["raw"], X, Y, cache["W"])


def cases():
    """The right and the planted backward pass, with the arguments of `fastcheck.check_backprop`."""
    rng = np.random.default_rng(11)
    Y = np.arange(9) % 3
    X = rng.normal(size=(9, 4)) + Y[:, np.newaxis]
    theta = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
    return [
        {
            "name": "right",
            "check": "check_backprop",
            "arguments": (forward, backward, theta, X, Y),
            "wrong": set(),
        },
        {
            "name": "right class counted",
            "check": "check_backprop",
            "arguments": (forward, backward_buggy, theta, X, Y),
            "wrong": PLANTED["right class counted"],
        },
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check_backprop(*case["arguments"]))
