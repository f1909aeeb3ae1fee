"""A long short-term memory network as a class: all gates in one matrix, one cache for each time step.

The network reads a sequence and its last hidden state predicts a vector; the cost is the mean square error.
The parameters are a nested dictionary, with blocks called cell.W, cell.b, output.W and output.b, and the
gradients are given to the check as a function of them.

Planted bug ("stale state"): the forget gate multiplies the *previous* cell state, but its gradient is
computed with the new one. Wrong in cell.W and cell.b, which hold all four gates; the output layer is right.
"""

import numpy as np

PLANTED = {"stale state": {"cell.W", "cell.b"}}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class LSTM:
    def __init__(self, parameters):
        self.W = parameters["cell"]["W"]  # (inputs + H, 4 H), in the order input, forget, output, candidate
        self.b = parameters["cell"]["b"]
        self.W_out = parameters["output"]["W"]
        self.b_out = parameters["output"]["b"]
        self.H = self.W_out.shape[0]
        self.caches = []

    def step(self, x, h, c):
        H = self.H
        xh = np.concatenate([x, h], axis=1)
        z = xh @ self.W + self.b
        gates = sigmoid(z[:, : 3 * H])
        i, f, o = gates[:, :H], gates[:, H : 2 * H], gates[:, 2 * H :]
        g = np.tanh(z[:, 3 * H :])
        c_new = f * c + i * g
        tanh_c = np.tanh(c_new)
        self.caches.append({"c_prev": c, "c": c_new, "tanh_c": tanh_c, "xh": xh, "gates": (i, f, o, g)})
        return o * tanh_c, c_new

    def cost(self, X, Y):
        """X is (samples, time, inputs), Y is (samples, outputs)."""
        h = c = np.zeros((len(X), self.H))
        for t in range(X.shape[1]):
            h, c = self.step(X[:, t], h, c)
        self.h = h
        self.error = h @ self.W_out + self.b_out - Y
        return np.mean(self.error**2)

    def step_back(self, dh, dc, cache):
        (i, f, o, g), xh, tanh_c = cache["gates"], cache["xh"], cache["tanh_c"]
        dc = dc + dh * o * (1 - tanh_c**2)
        dz = np.concatenate(
            [
                dc * g * i * (1 - i),
                dc * self.forget_gate_input(cache) * f * (1 - f),
                dh * tanh_c * o * (1 - o),
                dc * i * (1 - g**2),
            ],
            axis=1,
        )
        dxh = dz @ self.W.T
        return dxh[:, -self.H :], dc * f, xh.T @ dz, dz.sum(axis=0)

    def forget_gate_input(self, cache):
        return cache["c_prev"]

    def gradients(self):
        derror = 2 * self.error / self.error.size
        dW, db = np.zeros_like(self.W), np.zeros_like(self.b)
        dh, dc = derror @ self.W_out.T, 0
        for cache in reversed(self.caches):
            dh, dc, dW_t, db_t = self.step_back(dh, dc, cache)
            dW += dW_t
            db += db_t
        output = {"W": self.h.T @ derror, "b": derror.sum(axis=0)}
        return {"cell": {"W": dW, "b": db}, "output": output}


class LSTMWithStaleState(LSTM):
    def forget_gate_input(self, cache):
        return cache["c"]


def cases():
    """The right and the planted network, with the arguments of `fastcheck.check`."""
    rng = np.random.default_rng(1997)
    inputs, H, outputs = 3, 4, 2
    X, Y = rng.normal(size=(5, 4, inputs)), rng.normal(size=(5, outputs))
    parameters = {
        "cell": {
            "W": rng.normal(scale=0.5, size=(inputs + H, 4 * H)),
            "b": rng.normal(scale=0.1, size=4 * H),
        },
        "output": {
            "W": rng.normal(scale=0.5, size=(H, outputs)),
            "b": rng.normal(scale=0.1, size=outputs),
        },
    }
    parameters["cell"]["b"][H : 2 * H] += 1  # remember at first

    def cost(parameters):
        return LSTM(parameters).cost(X, Y)

    def gradients(parameters):
        network = LSTM(parameters)
        network.cost(X, Y)
        return network.gradients()

    def gradients_stale(parameters):
        network = LSTMWithStaleState(parameters)
        network.cost(X, Y)
        return network.gradients()

    right, stale = (cost, parameters, gradients), (cost, parameters, gradients_stale)
    return [
        {"name": "right", "check": "check", "arguments": right, "wrong": set()},
        {"name": "stale state", "check": "check", "arguments": stale, "wrong": PLANTED["stale state"]},
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check(*case["arguments"]))
