"""Gated recurrent unit, samples in columns, forward_propagation and backward_propagation as in a course.

z = sigmoid(Wz [h, x] + bz), r = sigmoid(Wr [h, x] + br), c = tanh(Wc [r * h, x] + bc),
h' = (1 - z) * h + z * c, and a sigmoid on Wy h' + by at the last time step.

Planted bug ("no reset path"): the previous state also acts through the reset gate, and the gradient handed
to the previous time step leaves this path out. Wrong in all blocks of the unit (Wz, bz, Wr, br, Wc, bc);
the output layer (Wy, by) is right.
"""

import numpy as np

PLANTED = {"no reset path": {"Wz", "bz", "Wr", "br", "Wc", "bc"}}


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def forward_propagation(X, Y, parameters):
    """X of shape (n_x, m, T), Y of shape (1, m); returns the cost and the caches."""
    Wz, bz = parameters["Wz"], parameters["bz"]
    Wr, br = parameters["Wr"], parameters["br"]
    Wc, bc = parameters["Wc"], parameters["bc"]
    Wy, by = parameters["Wy"], parameters["by"]
    n_h, m = Wz.shape[0], X.shape[1]

    h = np.zeros((n_h, m))
    steps = []
    for t in range(X.shape[2]):
        xt = X[:, :, t]
        hx = np.vstack((h, xt))
        z = sigmoid(np.dot(Wz, hx) + bz)
        r = sigmoid(np.dot(Wr, hx) + br)
        rhx = np.vstack((r * h, xt))
        c = np.tanh(np.dot(Wc, rhx) + bc)
        steps.append((h, hx, z, r, rhx, c))
        h = (1 - z) * h + z * c

    A = sigmoid(np.dot(Wy, h) + by)
    logprobs = np.multiply(-np.log(A), Y) + np.multiply(-np.log(1 - A), 1 - Y)
    cost = 1.0 / m * np.sum(logprobs)
    return cost, (steps, h, A, parameters)


def backward_propagation(X, Y, cache, reset_path=True):
    steps, h, A, parameters = cache
    Wz, Wr, Wc, Wy = (parameters[name] for name in ("Wz", "Wr", "Wc", "Wy"))
    n_h, m = h.shape

    dZy = 1.0 / m * (A - Y)
    gradients = {"dWy": np.dot(dZy, h.T), "dby": np.sum(dZy, axis=1, keepdims=True)}
    for gate in "zrc":
        gradients["dW" + gate] = np.zeros_like(Wz)
        gradients["db" + gate] = np.zeros((n_h, 1))

    dh = np.dot(Wy.T, dZy)
    for h_prev, hx, z, r, rhx, c in reversed(steps):
        dZc = dh * z * (1 - c**2)
        dZz = dh * (c - h_prev) * z * (1 - z)
        drh = np.dot(Wc[:, :n_h].T, dZc)
        dZr = drh * h_prev * r * (1 - r)
        for gate, dZ, source in (("z", dZz, hx), ("r", dZr, hx), ("c", dZc, rhx)):
            gradients["dW" + gate] += np.dot(dZ, source.T)
            gradients["db" + gate] += np.sum(dZ, axis=1, keepdims=True)
        dh = dh * (1 - z) + np.dot(Wz[:, :n_h].T, dZz) + drh * r
        if reset_path:
            dh += np.dot(Wr[:, :n_h].T, dZr)
    return gradients


def backward_propagation_no_reset(X, Y, cache):
    return backward_propagation(X, Y, cache, reset_path=False)


def cases():
    """Both backward passes, with the arguments of `fastcheck.check_backprop`."""
    rs = np.random.RandomState(3)
    n_x, n_h, m, T = 3, 4, 5, 4
    X = rs.randn(n_x, m, T)
    Y = (rs.rand(1, m) > 0.5).astype(float)
    parameters = {}
    for gate in "zrc":
        parameters["W" + gate] = 0.7 * rs.randn(n_h, n_h + n_x)
        parameters["b" + gate] = 0.1 * rs.randn(n_h, 1)
    parameters["Wy"] = rs.randn(1, n_h)
    parameters["by"] = np.zeros((1, 1))

    passes = {"right": backward_propagation, "no reset path": backward_propagation_no_reset}
    return [
        {
            "name": name,
            "check": "check_backprop",
            "arguments": (forward_propagation, backward, parameters, X, Y),
            "wrong": PLANTED.get(name, set()),
        }
        for name, backward in passes.items()
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check_backprop(*case["arguments"]))
