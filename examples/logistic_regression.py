"""Regularised logistic regression on one parameter vector, as one would hand it to an optimiser.

Planted bug ("intercept penalised"): the cost does not penalise the intercept theta[0], but the gradient does.
The parameters are a single array, and one of its five entries is wrong: theta[0].
"""

import numpy as np

PLANTED = {"intercept penalised": {"theta"}}

rng = np.random.default_rng(1958)
m = 10
X = np.c_[np.ones(m), rng.normal(size=(m, 4))]  # the intercept's column first
y = (X @ [0.5, 1, -2, 0, 1] + rng.logistic(size=m) > 0).astype(float)
lam = 2.0


def cost(theta):
    z = X @ theta
    # log(1 + exp(z)) - y z is the usual cross-entropy, without logarithms of 0
    return np.mean(np.logaddexp(0, z) - y * z) + lam / (2 * m) * np.sum(theta[1:] ** 2)


def gradient(theta):
    h = 1 / (1 + np.exp(-(X @ theta)))
    penalty = lam / m * theta
    penalty[0] = 0
    return X.T @ (h - y) / m + penalty


def gradient_buggy(theta):
    h = 1 / (1 + np.exp(-(X @ theta)))
    return X.T @ (h - y) / m + lam / m * theta


def cases():
    """The right and the planted gradient, with the arguments of `fastcheck.check`."""
    theta = np.array([0.8, 0.4, -1.1, 0.3, 0.6])
    return [
        {
            "name": "right",
            "check": "check",
            "arguments": (cost, theta, gradient(theta)),
            "wrong": set(),
        },
        {
            "name": "intercept penalised",
            "check": "check",
            "arguments": (cost, theta, gradient_buggy(theta)),
            "wrong": PLANTED["intercept penalised"],
        },
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check(*case["arguments"]))
