"""Causal multi-head self-attention.

Shapes in the einsum strings: b batch, t and s time, e embedding, h heads, d size of a head.
Two bugs are planted; both are wrong in x, Wq and Wk, and right in Wv and Wo, which the scores do not reach:

- "no scale": the backward pass forgets that the scores were divided by sqrt(d).
- "diagonal softmax": the softmax's Jacobian diag(p) - p p^T is replaced by its diagonal p (1 - p).
"""

import numpy as np

PLANTED = {"no scale": {"x", "Wq", "Wk"}, "diagonal softmax": {"x", "Wq", "Wk"}}

HEADS = 2


def split_heads(y):
    b, t, e = y.shape
    return y.reshape(b, t, HEADS, e // HEADS).transpose(0, 2, 1, 3)


def merge_heads(y):
    b, h, t, d = y.shape
    return y.transpose(0, 2, 1, 3).reshape(b, t, h * d)


def softmax(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(x, Wq, Wk, Wv, Wo):
    q, k, v = split_heads(x @ Wq), split_heads(x @ Wk), split_heads(x @ Wv)
    scores = np.einsum("bhtd,bhsd->bhts", q, k) / np.sqrt(q.shape[-1])
    past = np.tril(np.ones(scores.shape[-2:], dtype=bool))
    p = softmax(np.where(past, scores, -1e9))
    merged = merge_heads(np.einsum("bhts,bhsd->bhtd", p, v))
    return merged @ Wo, (x, q, k, v, p, merged, Wq, Wk, Wv, Wo)


def attention_backward(dout, cache, bug=None):
    x, q, k, v, p, merged, Wq, Wk, Wv, Wo = cache

    dWo = np.einsum("bte,btf->ef", merged, dout)
    dmixed = split_heads(dout @ Wo.T)
    dv = np.einsum("bhts,bhtd->bhsd", p, dmixed)
    dp = np.einsum("bhtd,bhsd->bhts", dmixed, v)

    # where the mask is False, p is 0 and so is the gradient
    dscores = p * (dp - (p * dp).sum(-1, keepdims=True))
    if bug == "diagonal softmax":
        dscores = p * (1 - p) * dp
    if bug != "no scale":
        dscores = dscores / np.sqrt(q.shape[-1])

    dq = merge_heads(np.einsum("bhts,bhsd->bhtd", dscores, k))
    dk = merge_heads(np.einsum("bhts,bhtd->bhsd", dscores, q))
    dv = merge_heads(dv)
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    dWq, dWk, dWv = (np.einsum("bte,btf->ef", x, d) for d in (dq, dk, dv))
    return dx, dWq, dWk, dWv, dWo


def cases():
    """The right and the planted backward passes, with the arguments of `fastcheck.check_layer`."""
    rng = np.random.default_rng(2017)
    x = rng.standard_normal((2, 4, 6))
    Wq, Wk, Wv, Wo = rng.standard_normal((4, 6, 6)) / np.sqrt(6)

    def with_bug(bug):
        return lambda dout, cache: attention_backward(dout, cache, bug)

    return [
        {
            "name": bug or "right",
            "check": "check_layer",
            "arguments": (attention, with_bug(bug), x, Wq, Wk, Wv, Wo),
            "wrong": PLANTED.get(bug, set()),
        }
        for bug in (None, *PLANTED)
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check_layer(*case["arguments"]))
