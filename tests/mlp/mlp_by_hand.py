"""The networks of `fastcheck.MLP` written out once more, the slow and obvious way, in NumPy and in mpmath.

Nothing here is stable or fast, and nothing is taken from fastcheck. With `EXACT` functions on object arrays
the same lines compute with as many digits as mpmath is told to.
"""

import mpmath
import numpy as np
import scipy.special
from mpmath import mp

HIDDEN = [
    "relu",
    "leaky_relu",
    ("leaky_relu", 0.2),
    "elu",
    ("elu", 0.5),
    "softplus",
    "silu",
    "gelu",
    "gelu_tanh",
    "tanh",
    "sigmoid",
    "identity",
]
OUTPUTS = {"sigmoid": "binary_cross_entropy", "softmax": "cross_entropy", "identity": "mean_squared_error"}
LAYOUTS = ["features_first", "samples_first"]


def numpy_activations():
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    return {
        "relu": lambda z: np.maximum(z, 0),
        "leaky_relu": lambda z, c=0.01: np.where(z > 0, z, c * z),
        "elu": lambda z, c=1.0: np.where(z > 0, z, c * (np.exp(np.minimum(z, 0)) - 1)),
        "softplus": lambda z: np.log(1 + np.exp(z)),
        "silu": lambda z: z * sigmoid(z),
        "gelu": lambda z: z * (1 + scipy.special.erf(z / np.sqrt(2))) / 2,
        "gelu_tanh": lambda z: z / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
        "tanh": np.tanh,
        "sigmoid": sigmoid,
        "identity": lambda z: z,
    }


def exact_activations():
    def sigmoid(z):
        return 1 / (1 + mp.exp(-z))

    def twice_v(z):
        return 2 * mp.sqrt(2 / mp.pi) * (z + mp.mpf(0.044715) * z**3)

    scalars = {
        "relu": lambda z: max(z, mp.mpf(0)),
        "leaky_relu": lambda z, c=0.01: z if z > 0 else mp.mpf(c) * z,
        "elu": lambda z, c=1.0: z if z > 0 else mp.mpf(c) * mp.expm1(z),
        "softplus": lambda z: mp.log1p(mp.exp(z)),
        "silu": lambda z: z * sigmoid(z),
        "gelu": lambda z: z * mp.erfc(-z / mp.sqrt(2)) / 2,
        "gelu_tanh": lambda z: z * sigmoid(twice_v(z)),  # (1 + tanh v) / 2 = σ(2v)
        "tanh": mp.tanh,
        "sigmoid": sigmoid,
        "identity": lambda z: z,
    }
    return {name: elementwise(f) for name, f in scalars.items()}


def elementwise(f):
    def of_array(z, *constants):
        return np.frompyfunc(lambda x: f(x, *constants), 1, 1)(z)

    return of_array


NUMPY = {**numpy_activations(), "exp": np.exp, "log": np.log}
EXACT = {**exact_activations(), "exp": elementwise(mpmath.exp), "log": elementwise(mpmath.log)}


def exact(array):
    """The array of floats, or of mpmath's numbers already, with mpmath's numbers in it."""
    return np.frompyfunc(mpmath.mpf, 1, 1)(array)


def apply(functions, activation, z):
    name, *constants = (activation,) if isinstance(activation, str) else activation
    return functions[name](z, *constants)


def output(functions, kind, z, units):
    """The output; softmax is taken along the axis of the units."""
    if kind != "cross_entropy":
        return apply(functions, {v: k for k, v in OUTPUTS.items()}[kind], z)
    e = functions["exp"](z)
    return e / e.sum(axis=units, keepdims=True)


def loss_terms(functions, kind, a, y):
    if kind == "mean_squared_error":
        return (a - y) ** 2
    if kind == "cross_entropy":
        return -y * functions["log"](a)
    return -y * functions["log"](a) - (1 - y) * functions["log"](1 - a)


def one_hot(labels, units):
    return np.eye(units)[np.ravel(labels).astype(int)].T


class ByHand:
    """The cost of a network, for dense Y of the layout's shape."""

    def __init__(self, activations, l2=0.0, masks=None, layout="features_first", reduction=None, factor=1):
        self.activations, self.l2, self.layout = activations, l2, layout
        self.masks = masks or [None] * len(activations)
        self.kind = OUTPUTS[activations[-1]]
        self.reduction = reduction or ("entries" if self.kind == "mean_squared_error" else "samples")
        self.factor = factor

    def cost(self, parameters, X, Y, functions=NUMPY):
        first = self.layout == "features_first"
        A, m, squares = X, X.shape[1 if first else 0], 0
        for layer, activation in enumerate(self.activations, start=1):
            W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
            b = b.reshape((-1, 1) if first else (1, -1))
            Z = W @ A + b if first else A @ W + b
            squares = squares + (W * W).sum()
            if layer == len(self.activations):
                A = output(functions, self.kind, Z, units=0 if first else 1)
            else:
                A = apply(functions, activation, Z)
                if self.masks[layer - 1] is not None:
                    A = A * self.masks[layer - 1]
        count = {"samples": m, "entries": A.size, "sum": 1}[self.reduction]
        total = loss_terms(functions, self.kind, A, Y).sum()
        return self.factor * total / count + self.l2 / (2 * m) * squares

    def exact_cost(self, parameters, X, Y):
        """The cost with mpmath's numbers; masks and λ are what float64 says they are."""
        arrays = {name: exact(array) for name, array in parameters.items()}
        return self.cost(arrays, exact(X), exact(Y), EXACT)
