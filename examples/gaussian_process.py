"""The log marginal likelihood of a Gaussian process, as a function of the logarithms of its hyperparameters.

K = variance * exp(-1/2 sum_d (x_d - x'_d)^2 / length_d^2) + noise * I, with one length for each dimension.
The cost is the negative log likelihood, once by a Cholesky factorisation and once by solve and slogdet.
There is no network here: any scalar function of NumPy arrays can be checked. Two bugs are planted:

- "trace not halved": the factor 1/2 of the trace term is forgotten. Wrong everywhere.
- "no chain rule": the derivative by the noise is not multiplied by the noise to become the derivative by
  its logarithm. Wrong in log_noise alone.
"""

import numpy as np

PLANTED = {
    "trace not halved": {"log_length", "log_variance", "log_noise"},
    "no chain rule": {"log_noise"},
}


def covariance(hyper, X):
    """The smooth part of K and the scaled squared distances, which the gradient needs too."""
    length = np.exp(hyper["log_length"])
    squares = ((X[:, None, :] - X[None, :, :]) / length) ** 2
    smooth = np.exp(hyper["log_variance"]) * np.exp(-0.5 * squares.sum(axis=-1))
    return smooth, squares


def cost_cholesky(hyper, X, y):
    smooth, _ = covariance(hyper, X)
    L = np.linalg.cholesky(smooth + np.exp(hyper["log_noise"]) * np.eye(len(y)))
    white = np.linalg.solve(L, y)
    return 0.5 * white @ white + np.log(np.diag(L)).sum() + 0.5 * len(y) * np.log(2 * np.pi)


def cost_slogdet(hyper, X, y):
    smooth, _ = covariance(hyper, X)
    K = smooth + np.exp(hyper["log_noise"]) * np.eye(len(y))
    _, logdet = np.linalg.slogdet(K)
    return 0.5 * (y @ np.linalg.solve(K, y) + logdet + len(y) * np.log(2 * np.pi))


def gradient(hyper, X, y, bug=None):
    """d cost = 1/2 trace(K^-1 dK) - 1/2 y^T K^-1 dK K^-1 y, for each hyperparameter's dK."""
    smooth, squares = covariance(hyper, X)
    noise = np.exp(hyper["log_noise"])
    inverse = np.linalg.inv(smooth + noise * np.eye(len(y)))
    alpha = inverse @ y
    half = 1.0 if bug == "trace not halved" else 0.5
    A = half * inverse - 0.5 * np.outer(alpha, alpha)  # d cost / d K
    return {
        "log_length": np.einsum("ij,ij,ijd->d", A, smooth, squares),
        "log_variance": np.sum(A * smooth),
        "log_noise": np.trace(A) * (1.0 if bug == "no chain rule" else noise),
    }


def cases():
    """Both costs, right and planted, with the arguments of `fastcheck.check`."""
    rng = np.random.default_rng(1951)
    X = rng.uniform(-2, 2, size=(8, 2))
    y = np.sin(X[:, 0]) + 0.3 * X[:, 1] + 0.2 * rng.normal(size=8)
    hyper = {
        "log_length": np.log([1.2, 2.0]),
        "log_variance": np.array(0.3),
        "log_noise": np.array(-2.5),
    }

    def by_cholesky(hyper):
        return cost_cholesky(hyper, X, y)

    def by_slogdet(hyper):
        return cost_slogdet(hyper, X, y)

    table = [
        ("right, Cholesky", by_cholesky, gradient(hyper, X, y)),
        ("right, slogdet", by_slogdet, gradient(hyper, X, y)),
        *((bug, by_cholesky, gradient(hyper, X, y, bug)) for bug in PLANTED),
    ]
    return [
        {"name": name, "check": "check", "arguments": (cost, hyper, g), "wrong": PLANTED.get(name, set())}
        for name, cost, g in table
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check(*case["arguments"]))
