"""A bag of words: look up word vectors by integer ids, average them, apply a linear layer.

Planted bug ("repeated words overwritten"): `dE[ids] = ...` where `np.add.at(dE, ids, ...)` is needed. A word
that occurs twice keeps only the gradient of one occurrence. Wrong in E; W and b are right, and the integer
ids have no gradient at all.
"""

import numpy as np

PLANTED = {"repeated words overwritten": {"E"}}


def forward(ids, E, W, b):
    """ids (texts, words) int; E (vocabulary, d); W (d, classes); b (classes,)"""
    vecs = E[ids]
    mean = vecs.mean(axis=1)
    return mean @ W + b, (ids, E.shape, mean, W)


def backward(dout, cache):
    ids, shape, mean, W = cache
    dmean = dout @ W.T
    dvecs = np.repeat(dmean[:, None, :] / ids.shape[1], ids.shape[1], axis=1)
    dE = np.zeros(shape)
    np.add.at(dE, ids, dvecs)
    return dE, mean.T @ dout, dout.sum(0)


def backward_buggy(dout, cache):
    ids, shape, mean, W = cache
    dmean = dout @ W.T
    dvecs = np.repeat(dmean[:, None, :] / ids.shape[1], ids.shape[1], axis=1)
    dE = np.zeros(shape)
    dE[ids] = dvecs
    return dE, mean.T @ dout, dout.sum(0)


def cases():
    """The right and the planted backward pass, with the arguments of `fastcheck.check_layer`."""
    rng = np.random.default_rng(7)
    sentences = ["the cat saw the dog", "the dog saw a bird", "a bird saw the cat"]
    words = sorted(set(" ".join(sentences).split()))
    ids = np.array([[words.index(w) for w in s.split()] for s in sentences])
    inputs = ids, rng.normal(size=(len(words), 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    todo = [("right", backward), ("repeated words overwritten", backward_buggy)]
    return [
        {
            "name": name,
            "check": "check_layer",
            "arguments": (forward, function, *inputs),
            "wrong": PLANTED.get(name, set()),
        }
        for name, function in todo
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check_layer(*case["arguments"]))
