"""Batch normalisation in training mode, with the backward pass worked out step by step.

Planted bug ("statistics as constants"): `batchnorm_backward_constant` treats the mean and the variance of the
batch as constants. They depend on every sample: wrong in x, while gamma and beta are right.
"""

import numpy as np

PLANTED = {"statistics as constants": {"x"}}
eps = 1e-5


def batchnorm_forward(x, gamma, beta):
    # step 1: mean
    mu = 1.0 / len(x) * np.sum(x, axis=0)
    # step 2: subtract it from every sample
    xmu = x - mu
    # step 3: variance
    var = 1.0 / len(x) * np.sum(xmu**2, axis=0)
    # step 4: inverse standard deviation
    sqrtvar = np.sqrt(var + eps)
    ivar = 1.0 / sqrtvar
    # step 5: normalise
    xhat = xmu * ivar
    # step 6: scale and shift
    out = gamma * xhat + beta
    return out, (xhat, gamma, xmu, ivar, sqrtvar, var)


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var = cache
    N, D = dout.shape
    # step 6
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    # step 5
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu = dxhat * ivar
    # step 4
    dsqrtvar = -1.0 / sqrtvar**2 * divar
    dvar = 0.5 / np.sqrt(var + eps) * dsqrtvar
    # step 3
    dsq = 1.0 / N * np.ones((N, D)) * dvar
    dxmu += 2 * xmu * dsq
    # step 2
    dmu = -1 * np.sum(dxmu, axis=0)
    # step 1
    dx = dxmu + 1.0 / N * np.ones((N, D)) * dmu
    return dx, dgamma, dbeta


def batchnorm_backward_constant(dout, cache):
    xhat, gamma, _, ivar, _, _ = cache
    dx = dout * gamma * ivar  # steps 1 and 3 forgotten
    return dx, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)


def cases():
    """The right and the planted backward pass, with the arguments of `fastcheck.check_layer`."""
    np_random = np.random.RandomState(1502)
    x = 3 * np_random.randn(6, 4) + 1
    gamma, beta = 1 + 0.2 * np_random.randn(4), np_random.randn(4)
    right = (batchnorm_forward, batchnorm_backward, x, gamma, beta)
    planted = (batchnorm_forward, batchnorm_backward_constant, x, gamma, beta)
    return [
        {"name": "right", "check": "check_layer", "arguments": right, "wrong": set()},
        *(
            {"name": name, "check": "check_layer", "arguments": planted, "wrong": wrong}
            for name, wrong in PLANTED.items()
        ),
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check_layer(*case["arguments"]))
