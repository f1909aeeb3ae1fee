"""An autoencoder as an object: a list of layers that hold their own arrays, and attributes W1, b1, ... .

`cost()` takes no parameters, it reads the arrays of the object. With tied weights the decoder uses the
encoder's matrix, transposed: one array is then found in three places (W1, layers[0].W, layers[1].W).

Planted bug ("counted once"): with tied weights the two gradients of W1 have to be added, and the decoder's
overwrites the encoder's. Wrong in W1; the biases b1 and b2 are right. Without tied weights nothing is wrong.
"""

import numpy as np

PLANTED = {"counted once": {"W1"}}


class Dense:
    """y = tanh(x W + b), or y = tanh(x W^T + b) if transposed."""

    def __init__(self, W, b, transposed=False):
        self.W = W
        self.b = b
        self.transposed = transposed

    def forward(self, x):
        self.x = x
        W = self.W.T if self.transposed else self.W
        self.y = np.tanh(np.matmul(x, W) + self.b)
        return self.y

    def backward(self, dy):
        dz = dy * (1 - self.y**2)
        self.db = dz.sum(axis=0)
        if self.transposed:
            self.dW = dz.T @ self.x
            return dz @ self.W
        self.dW = self.x.T @ dz
        return dz @ self.W.T


class Autoencoder:
    def __init__(self, data, n_hidden, tied=True, seed=0):
        rng = np.random.default_rng(seed)
        n = data.shape[1]
        self.data = data
        self.tied = tied
        self.W1 = rng.normal(0, 0.6, (n, n_hidden))
        self.b1 = rng.normal(0, 0.1, n_hidden)
        self.b2 = rng.normal(0, 0.1, n)
        if tied:
            decoder = Dense(self.W1, self.b2, transposed=True)
        else:
            self.W2 = rng.normal(0, 0.6, (n_hidden, n))
            decoder = Dense(self.W2, self.b2)
        self.layers = [Dense(self.W1, self.b1), decoder]

    def parameters(self):
        names = ["W1", "b1", "b2"] if self.tied else ["W1", "b1", "W2", "b2"]
        return {name: getattr(self, name) for name in names}

    def cost(self):
        x = self.data
        for layer in self.layers:
            x = layer.forward(x)
        self.difference = x - self.data
        return 0.5 * np.sum(self.difference**2) / len(self.data)

    def gradients(self):
        self.cost()
        dy = self.difference / len(self.data)
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        encoder, decoder = self.layers
        grads = {"dW1": encoder.dW, "db1": encoder.db, "db2": decoder.db}
        if self.tied:
            grads["dW1"] = self.tie(encoder.dW, decoder.dW)
        else:
            grads["dW2"] = decoder.dW
        return grads

    def tie(self, dW_encoder, dW_decoder):
        return dW_encoder + dW_decoder


class ForgetfulAutoencoder(Autoencoder):
    def tie(self, dW_encoder, dW_decoder):
        return dW_decoder


def cases():
    """Tied or not, right and planted, with the arguments of `fastcheck.check_object`."""
    data = np.tanh(np.random.default_rng(2006).normal(size=(7, 5)))
    networks = {
        "right, tied": Autoencoder(data, 3),
        "right, not tied": Autoencoder(data, 3, tied=False),
        "counted once": ForgetfulAutoencoder(data, 3),
    }
    return [
        {
            "name": name,
            "check": "check_object",
            "arguments": (net, net.cost, net.parameters(), net.gradients()),
            "wrong": PLANTED.get(name, set()),
        }
        for name, net in networks.items()
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check_object(*case["arguments"]))
