"""A softmax classifier: one linear layer, cross-entropy loss, L2 regularisation.

`softmax_loss` returns the loss and its gradients together, as loss functions of course assignments do.
Two bugs are planted, each chosen by its name:

- "not averaged": the data gradient is summed over the samples instead of averaged. Wrong in W and in b.
- "no regularisation": the gradient forgets the penalty that the loss contains. Wrong in W only, because
  the bias is not regularised.
"""

import numpy as np

PLANTED = {"not averaged": {"W", "b"}, "no regularisation": {"W"}}


def softmax_loss(params, X, y, reg, bug=None):
    """
    Inputs:
    - params: dict with W of shape (D, C) and b of shape (C,)
    - X: samples, shape (N, D)
    - y: labels, shape (N,), with 0 <= y[i] < C
    - reg: regularisation strength

    Returns a tuple (loss, grads).
    """
    W, b = params["W"], params["b"]
    N = X.shape[0]

    # forward pass
    scores = X.dot(W) + b
    scores -= np.max(scores, axis=1, keepdims=True)  # for numeric stability
    exp_scores = np.exp(scores)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    data_loss = -np.sum(np.log(probs[range(N), y])) / N
    reg_loss = 0.5 * reg * np.sum(W * W)
    loss = data_loss + reg_loss

    # backward pass
    dscores = probs
    dscores[range(N), y] -= 1
    if bug != "not averaged":
        dscores /= N
    grads = {"W": X.T.dot(dscores), "b": np.sum(dscores, axis=0)}
    if bug != "no regularisation":
        grads["W"] += reg * W

    return loss, grads


def cases():
    """The right gradients and each planted bug, with the arguments of `fastcheck.check`."""
    rng = np.random.default_rng(231)
    X = rng.standard_normal((8, 5))
    y = rng.integers(0, 3, size=8)
    reg = 0.1
    params = {"W": 0.5 * rng.standard_normal((5, 3)), "b": 0.1 * rng.standard_normal(3)}

    def cost(p):
        return softmax_loss(p, X, y, reg)[0]

    return [
        {
            "name": bug or "right",
            "check": "check",
            "arguments": (cost, params, softmax_loss(params, X, y, reg, bug)[1]),
            "wrong": PLANTED.get(bug, set()),
        }
        for bug in [None, *PLANTED]
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check(*case["arguments"]))
