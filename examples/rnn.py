"""A vanilla recurrent network that predicts the next symbol; backpropagation through time by hand.

h[t] = tanh(x[t] Wxh + h[t-1] Whh + bh), and a softmax on h[t] Why + by. Two bugs are planted:

- "not accumulated": dWxh is overwritten at each time step instead of added to, so only the first step (the
  last one visited) is left. Wrong in Wxh alone.
- "cut in time": the gradient is not handed on to the previous time step. Wrong in Wxh, Whh and bh; the
  output layer, Why and by, is right.
"""

import numpy as np

PLANTED = {"not accumulated": {"Wxh"}, "cut in time": {"Wxh", "Whh", "bh"}}

T, batch, vocabulary, hidden = 5, 3, 4, 6


def run(p, x):
    """Hidden states of all time steps; out[0] is the state before the first one."""
    out = np.zeros((T + 1, batch, hidden))
    h = out[0]
    for t in range(T):
        h = np.tanh(x[t] @ p["Wxh"] + h @ p["Whh"] + p["bh"])
        out[t + 1] = h
    return out


def loss(p, x, target):
    """Cross-entropy per symbol, the hidden states, and the predicted probabilities."""
    h = run(p, x)
    total = 0.0
    probs = []
    for t in range(T):
        logits = h[t + 1] @ p["Why"] + p["by"]
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        prob = e / e.sum(axis=1, keepdims=True)
        total -= np.log(prob[np.arange(batch), target[t]]).sum()
        probs.append(prob)
    return total / (T * batch), h, probs


def bptt(p, x, target, bug=None):
    _, h, probs = loss(p, x, target)
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dh_next = np.zeros((batch, hidden))
    for t in reversed(range(T)):
        dlogits = probs[t].copy()
        dlogits[np.arange(batch), target[t]] -= 1
        dlogits /= T * batch
        grads["Why"] += h[t + 1].T @ dlogits
        grads["by"] += dlogits.sum(axis=0)
        dh = dlogits @ p["Why"].T + dh_next
        draw = (1 - h[t + 1] ** 2) * dh
        if bug == "not accumulated":
            grads["Wxh"] = x[t].T @ draw
        else:
            grads["Wxh"] += x[t].T @ draw
        grads["Whh"] += h[t].T @ draw
        grads["bh"] += draw.sum(axis=0)
        if bug != "cut in time":
            dh_next = draw @ p["Whh"].T
    return grads


def cases():
    """The right gradients and each planted bug, with the arguments of `fastcheck.check`."""
    random = np.random.RandomState(42)
    text = random.randint(vocabulary, size=(T + 1, batch))
    x = np.eye(vocabulary)[text[:-1]]  # one-hot
    target = text[1:]
    p = {
        "Wxh": 0.5 * random.randn(vocabulary, hidden),
        "Whh": 0.4 * random.randn(hidden, hidden),
        "Why": 0.5 * random.randn(hidden, vocabulary),
        "bh": 0.1 * random.randn(hidden),
        "by": 0.1 * random.randn(vocabulary),
    }

    def cost(p):
        return loss(p, x, target)[0]

    todo = {"right": set(), **PLANTED}
    return [
        {"name": name, "check": "check", "arguments": (cost, p, bptt(p, x, target, name)), "wrong": wrong}
        for name, wrong in todo.items()
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check(*case["arguments"]))
