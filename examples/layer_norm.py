"""Layer normalisation of a (batch, time, features) array, with the compact formula for its gradient.

Planted bug ("mean over the wrong axis"): the two means in the backward pass run over the batch (axis 0)
instead of the features (axis -1), which is easily left over from a batch normalisation. Wrong in x; gamma and
beta are right.
"""

import numpy as np

PLANTED = {"mean over the wrong axis": {"x"}}


def forward(x, gamma, beta, eps=1e-6):
    mean = x.mean(axis=-1, keepdims=True)
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    normed = (x - mean) / std
    return gamma * normed + beta, {"normed": normed, "std": std, "gamma": gamma}


def backward(dout, cache, axis=-1):
    normed = cache["normed"]
    g = dout * cache["gamma"]
    along = g.mean(axis=axis, keepdims=True)
    across = (g * normed).mean(axis=axis, keepdims=True)
    return {
        "x": (g - along - normed * across) / cache["std"],
        "gamma": np.einsum("btf,btf->f", dout, normed),
        "beta": np.einsum("btf->f", dout),
    }


def backward_wrong_axis(dout, cache):
    return backward(dout, cache, axis=0)


def cases():
    """The right and the planted backward pass, with the arguments of `fastcheck.check_layer`."""
    rng = np.random.default_rng(1607)
    inputs = rng.normal(2.0, 1.5, size=(3, 2, 5)), rng.normal(1.0, 0.1, size=5), rng.normal(size=5)
    return [
        {
            "name": "right",
            "check": "check_layer",
            "arguments": (forward, backward, *inputs),
            "wrong": set(),
        },
        {
            "name": "mean over the wrong axis",
            "check": "check_layer",
            "arguments": (forward, backward_wrong_axis, *inputs),
            "wrong": PLANTED["mean over the wrong axis"],
        },
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check_layer(*case["arguments"]))
