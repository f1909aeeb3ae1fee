"""Files as different people write them, each with a mistake to plant: what ``fastcheck check`` must find in them.

A style is a file, a replacement that makes it wrong, and the verdicts of all problems in it before and after.
"""

from __future__ import annotations

import textwrap
from typing import NamedTuple

PASS, FAIL = "pass", "fail"


class Style(NamedTuple):
    """``problems`` are all that are found; ``wrong`` those of them that the mistake spoils, with the blocks."""

    name: str
    source: str
    right: str
    mistake: str
    problems: tuple[str, ...]
    wrong: dict[str, set[str]]

    def text(self, *, planted: bool) -> str:
        """Return the file, right or with the mistake."""
        text = textwrap.dedent(self.source)
        assert text.count(self.right) == 1, (self.name, text.count(self.right))
        return text.replace(self.right, self.mistake) if planted else text


COURSE_NETWORK = """
    import numpy as np

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def forward_propagation_n(X, Y, parameters):
        m = X.shape[1]
        W1, b1 = parameters["W1"], parameters["b1"]
        W2, b2 = parameters["W2"], parameters["b2"]
        W3, b3 = parameters["W3"], parameters["b3"]
        Z1 = np.dot(W1, X) + b1
        A1 = np.maximum(0, Z1)
        Z2 = np.dot(W2, A1) + b2
        A2 = np.maximum(0, Z2)
        Z3 = np.dot(W3, A2) + b3
        A3 = sigmoid(Z3)
        log_probs = np.multiply(-np.log(A3), Y) + np.multiply(-np.log(1 - A3), 1 - Y)
        return 1.0 / m * np.sum(log_probs), (Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, A3, W3, b3)
"""

COURSE_BACKWARD = """
    import numpy as np

    def backward_propagation_n(X, Y, cache):
        m = X.shape[1]
        (Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, A3, W3, b3) = cache
        dZ3 = A3 - Y
        dW3 = 1.0 / m * np.dot(dZ3, A2.T)
        db3 = 1.0 / m * np.sum(dZ3, axis=1, keepdims=True)
        dZ2 = np.multiply(np.dot(W3.T, dZ3), np.int64(A2 > 0))
        dW2 = 1.0 / m * np.dot(dZ2, A1.T)
        db2 = 1.0 / m * np.sum(dZ2, axis=1, keepdims=True)
        dZ1 = np.multiply(np.dot(W2.T, dZ2), np.int64(A1 > 0))
        dW1 = 1.0 / m * np.dot(dZ1, X.T)
        db1 = 1.0 / m * np.sum(dZ1, axis=1, keepdims=True)
        return {"dZ3": dZ3, "dW3": dW3, "db3": db3, "dW2": dW2, "db2": db2, "dW1": dW1, "db1": db1}
"""

TWO_LAYERS = """
    import numpy as np

    def forward_propagation(X, parameters):
        W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
        Z1 = W1 @ X + b1
        A1 = np.tanh(Z1)
        A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
        return A2, {"Z1": Z1, "A1": A1, "A2": A2}

    def compute_cost(A2, Y):
        m = Y.shape[1]
        return float(np.squeeze(-np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m))

    def backward_propagation(parameters, cache, X, Y):
        m = X.shape[1]
        A1, A2 = cache["A1"], cache["A2"]
        dZ2 = A2 - Y
        dZ1 = parameters["W2"].T @ dZ2 * (1 - np.power(A1, 2))
        return {
            "dW1": dZ1 @ X.T / m,
            "db1": dZ1.sum(axis=1, keepdims=True) / m,
            "dW2": dZ2 @ A1.T / m,
            "db2": dZ2.sum(axis=1, keepdims=True) / m,
        }
"""

STYLES = (
    Style(
        "the network of the course, on its test case",
        COURSE_NETWORK + COURSE_BACKWARD,
        "dW2 = 1.0 / m * np.dot(dZ2, A1.T)",
        "dW2 = 1.0 / m * np.dot(dZ2, A1.T) * 2",
        ("backward_propagation_n",),
        {"backward_propagation_n": {"W2"}},
    ),
    Style(
        "a backward pass of the course without its forward pass",
        COURSE_BACKWARD,
        "db1 = 1.0 / m",
        "db1 = 4.0 / m",
        ("backward_propagation_n",),
        {"backward_propagation_n": {"b1"}},
    ),
    Style(
        "forward from the course, backward of one's own",
        "from fastcheck.course import *\n" + textwrap.dedent(COURSE_BACKWARD),
        "np.dot(W2.T, dZ2)",
        "np.dot(W2.T, dZ2) * 0.5",
        ("backward_propagation_n",),
        {"backward_propagation_n": {"W1", "b1"}},
    ),
    Style(
        "one dimension",
        """
        x, theta = 3, 4

        def forward_propagation(x, theta):
            J = theta * x
            return J

        def backward_propagation(x, theta):
            dtheta = x
            return dtheta
        """,
        "dtheta = x\n",
        "dtheta = theta\n",
        ("backward_propagation",),
        {"backward_propagation": {"theta"}},
    ),
    Style(
        "two layers, a cost of its own, parameters before data",
        TWO_LAYERS,
        "(1 - np.power(A1, 2))",
        "(1 - A1)",
        ("backward_propagation",),
        {"backward_propagation": {"W1", "b1"}},
    ),
    Style(
        "layers in a loop, with an output and caches",
        """
        import numpy as np

        def L_model_forward(X, parameters):
            caches, A, L = [], X, len(parameters) // 2
            for l in range(1, L + 1):
                W, b = parameters["W" + str(l)], parameters["b" + str(l)]
                Z = W @ A + b
                caches.append((A, W, Z))
                A = 1 / (1 + np.exp(-Z)) if l == L else np.maximum(Z, 0)
            return A, caches

        def compute_cost(AL, Y):
            return np.squeeze(-np.mean(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)))

        def L_model_backward(AL, Y, caches):
            grads, m = {}, AL.shape[1]
            dZ = AL - Y
            for l in reversed(range(len(caches))):
                A_prev, W, Z = caches[l]
                grads["dW" + str(l + 1)] = dZ @ A_prev.T / m
                grads["db" + str(l + 1)] = dZ.sum(axis=1, keepdims=True) / m
                if l > 0:
                    dZ = W.T @ dZ * (caches[l - 1][2] > 0)
            return grads
        """,
        "dZ.sum(axis=1, keepdims=True) / m",
        "dZ.sum(axis=1, keepdims=True)",
        ("L_model_backward",),
        {"L_model_backward": {"b1", "b2", "b3"}},
    ),
    Style(
        "with L2",
        TWO_LAYERS.replace("def compute_cost(A2, Y):", "def cross_entropy(A2, Y):")
        .replace(
            "def backward_propagation(parameters, cache, X, Y):",
            "def backward_propagation_with_regularization(X, Y, parameters, cache, lambd):",
        )
        .replace("dZ2 @ A1.T / m", 'dZ2 @ A1.T / m + lambd / m * parameters["W2"]')
        .replace("dZ1 @ X.T / m", 'dZ1 @ X.T / m + lambd / m * parameters["W1"]')
        + """
    def compute_cost_with_regularization(A2, Y, parameters, lambd):
        squares = np.sum(parameters["W1"] ** 2) + np.sum(parameters["W2"] ** 2)
        return cross_entropy(A2, Y) + lambd / (2 * Y.shape[1]) * squares
        """,
        ' + lambd / m * parameters["W1"]',
        "",
        ("backward_propagation_with_regularization",),
        {"backward_propagation_with_regularization": {"W1"}},
    ),
    Style(
        "with dropout, its seed in the forward pass",
        """
        import numpy as np

        def forward_propagation_with_dropout(X, parameters, keep_prob=0.5):
            np.random.seed(1)
            W1, b1, W2, b2 = parameters["W1"], parameters["b1"], parameters["W2"], parameters["b2"]
            A1 = np.maximum(0, W1 @ X + b1)
            D1 = (np.random.rand(A1.shape[0], A1.shape[1]) < keep_prob).astype(int)
            A1 = A1 * D1 / keep_prob
            A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
            return A2, (D1, A1, W2, A2)

        def backward_propagation_with_dropout(X, Y, cache, keep_prob):
            m = X.shape[1]
            D1, A1, W2, A2 = cache
            dZ2 = A2 - Y
            dA1 = W2.T @ dZ2 * D1 / keep_prob
            dZ1 = dA1 * (A1 > 0)
            return {
                "dW2": dZ2 @ A1.T / m, "db2": dZ2.sum(1, keepdims=True) / m,
                "dW1": dZ1 @ X.T / m, "db1": dZ1.sum(1, keepdims=True) / m,
            }
        """,
        "W2.T @ dZ2 * D1 / keep_prob",
        "W2.T @ dZ2 * D1",
        ("backward_propagation_with_dropout",),
        {"backward_propagation_with_dropout": {"W1", "b1"}},
    ),
    Style(
        "samples first, data and parameters in the file, camel case",
        """
        import numpy as np

        rng = np.random.default_rng(7)
        X_train = rng.normal(size=(9, 4))
        y_train = rng.integers(0, 3, 9)
        params = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}

        def forwardProp(X, y, params):
            scores = X.dot(params["W"]) + params["b"]
            scores -= scores.max(axis=1, keepdims=True)
            p = np.exp(scores)
            p /= p.sum(axis=1, keepdims=True)
            loss = -np.log(p[range(len(y)), y]).mean()
            return loss, p

        def backProp(X, y, cache):
            d = cache.copy()
            d[range(len(y)), y] -= 1
            d /= len(y)
            return {"W": X.T.dot(d), "b": d.sum(axis=0)}

        if __name__ == "__main__":
            raise RuntimeError("not to be run")
        """,
        "d /= len(y)",
        "d /= 3",
        ("backProp",),
        {"backProp": {"W", "b"}},
    ),
    Style(
        "a test case of its own",
        TWO_LAYERS
        + """
    def backward_propagation_test_case():
        np.random.seed(3)
        shapes = {"W1": (2, 5), "b1": (2, 1), "W2": (1, 2), "b2": (1, 1)}
        parameters = {name: np.random.randn(*shape) for name, shape in shapes.items()}
        X_assess, Y_assess = np.random.randn(5, 8), np.random.randn(1, 8) > 0
        return parameters, X_assess, Y_assess
        """,
        "dZ2 @ A1.T / m",
        "dZ2 @ A1.T / (m - 1)",
        ("backward_propagation",),
        {"backward_propagation": {"W2"}},
    ),
    Style(
        "layers with shapes in their docstrings",
        '''
        import numpy as np

        def affine_forward(x, w, b):
            """A fully connected layer; every x[i] is taken as a vector of D = d_1 * ... * d_k numbers.

            Inputs:
            - x: the data, of shape (N, d_1, ..., d_k)
            - w: the weights, of shape (D, M)
            - b: the biases, of shape (M,)

            Returns the outputs, of shape (N, M), and a cache.
            """
            return x.reshape(len(x), -1) @ w + b, (x, w)

        def affine_backward(dout, cache):
            x, w = cache
            return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)

        def batchnorm_forward(x, gamma, beta, bn_param):
            """Normalise over the batch.

            - x: data of shape (N, D)
            - gamma, beta: scale and shift, of shape (D,)
            - bn_param: a dictionary with the keys
              - mode: 'train' or 'test'
              - eps: for numerical stability
            """
            assert bn_param["mode"] == "train"
            eps = bn_param.get("eps", 1e-5)
            std = np.sqrt(x.var(axis=0) + eps)
            normed = (x - x.mean(axis=0)) / std
            return gamma * normed + beta, (normed, gamma, std)

        def batchnorm_backward(dout, cache):
            normed, gamma, std = cache
            d = dout * gamma
            dx = (d - d.mean(axis=0) - normed * (d * normed).mean(axis=0)) / std
            return dx, (dout * normed).sum(axis=0), dout.sum(axis=0)

        def leaky_forward(x):
            """x: of any shape."""
            return np.where(x > 0, x, 0.1 * x), x

        def leaky_backward(dout, cache):
            return np.where(cache > 0, dout, 0.1 * dout)

        def embedding_forward(words, E):
            """Look up words.

            words: integer array of shape (N, T), 0 <= words[i, j] < V
            E: one row for each word, shape (V, D)
            """
            return E[words], (words, E.shape)

        def embedding_backward(dout, cache):
            words, shape = cache
            dE = np.zeros(shape)
            np.add.at(dE, words, dout)
            return dE
        ''',
        "d - d.mean(axis=0) - normed",
        "d - normed",
        ("affine_backward", "batchnorm_backward", "leaky_backward", "embedding_backward"),
        {"batchnorm_backward": {"x"}},
    ),
    Style(
        "convolution by loops, with settings in a dict",
        '''
        import numpy as np

        def conv_forward_naive(x, w, b, conv_param):
            """Slide filters over images.

            Input:
            - x: images of shape (N, C, H, W)
            - w: filters of shape (F, C, HH, WW)
            - b: biases, of shape (F,)
            - conv_param: a dictionary with the keys
              - 'stride': pixels between windows
              - 'pad': pixels of zeros around
            """
            out, windows, _ = slide(x, w, conv_param)
            for place, window, _ in windows:
                out[(slice(None), slice(None), *place)] = np.einsum("nchw,fchw->nf", window, w) + b
            return out, (x, w, conv_param)

        def conv_backward_naive(dout, cache):
            x, w, conv_param = cache
            _, windows, padded = slide(x, w, conv_param)
            dpadded, dw, db = np.zeros_like(padded), np.zeros_like(w), np.sum(dout, axis=(0, 2, 3))
            for (i, j), window, where in windows:
                dw += np.einsum("nf,nchw->fchw", dout[:, :, i, j], window)
                dpadded[where] += np.einsum("nf,fchw->nchw", dout[:, :, i, j], w)
            pad = conv_param["pad"]
            return dpadded[:, :, pad:-pad, pad:-pad], dw, db

        def slide(x, w, conv_param):
            stride, pad = conv_param["stride"], conv_param["pad"]
            padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
            hh, ww = w.shape[2:]
            rows, cols = 1 + (padded.shape[2] - hh) // stride, 1 + (padded.shape[3] - ww) // stride
            windows = []
            for i in range(rows):
                for j in range(cols):
                    where = np.s_[:, :, i * stride : i * stride + hh, j * stride : j * stride + ww]
                    windows.append(((i, j), padded[where], where))
            return np.zeros((len(x), len(w), rows, cols)), windows, padded
        ''',
        "dpadded[where] += ",
        "dpadded[where] = ",
        ("conv_backward_naive",),
        {"conv_backward_naive": {"x"}},
    ),
    Style(
        "layers of a course, gradients averaged over the samples",
        '''
        import numpy as np

        def linear_forward(A, W, b):
            """
            Arguments:
            A -- activations of the layer before: (size of previous layer, number of examples)
            W -- weights, an array of shape (size of current layer, size of previous layer)
            b -- biases, an array of shape (size of the current layer, 1)
            """
            return W @ A + b, (A, W, b)

        def linear_backward(dZ, cache):
            A_prev, W, b = cache
            m = A_prev.shape[1]
            dW = 1 / m * np.dot(dZ, A_prev.T)
            db = 1 / m * np.sum(dZ, axis=1, keepdims=True)
            return np.dot(W.T, dZ), dW, db

        def relu(Z):
            """
            Z -- output of the linear layer, of any shape
            """
            return np.maximum(0, Z), Z

        def relu_backward(dA, cache):
            return dA * (cache > 0)
        ''',
        "1 / m * np.sum(dZ, axis=1, keepdims=True)",
        "np.sum(dZ, axis=1, keepdims=True)",
        ("linear_backward", "relu_backward"),
        {"linear_backward": {"W"}},
    ),
    Style(
        "one step of an LSTM, with two outputs",
        '''
        import numpy as np

        def logistic(z):
            return 1 / (1 + np.exp(-z))

        def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
            """One step in time.

            x: input, of shape (N, D)
            prev_h, prev_c: the states before, of shape (N, H)
            Wx: of shape (D, 4H)
            Wh: of shape (H, 4H)
            b: of shape (4H,)
            """
            a = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
            i, f, o, g = logistic(a[0]), logistic(a[1]), logistic(a[2]), np.tanh(a[3])
            next_c = f * prev_c + i * g
            next_h = o * np.tanh(next_c)
            return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, np.tanh(next_c))

        def lstm_step_backward(dnext_h, dnext_c, cache):
            x, prev_h, prev_c, Wx, Wh, i, f, o, g, t = cache
            dc = dnext_c + dnext_h * o * (1 - t**2)
            da = np.hstack(
                [dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g**2)]
            )
            return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)
        ''',
        "dc = dnext_c + dnext_h",
        "dc = dnext_h",
        ("lstm_step_backward",),
        {"lstm_step_backward": {"x", "prev_h", "prev_c", "Wx", "Wh", "b"}},
    ),
    Style(
        "shapes in annotations, and in numpydoc",
        '''
        from __future__ import annotations
        import numpy as np

        def gate_fwd(x: Float[np.ndarray, "batch dim"], w: Float[np.ndarray, "dim"]):
            g = 1 / (1 + np.exp(-x * w))
            return x * g, (x, w, g)

        def gate_bwd(grad_out, cache):
            x, w, g = cache
            slope = x * g * (1 - g)
            return grad_out * (g + slope * w), (grad_out * slope * x).sum(0)

        def attention_forward(q, k, v, scale=0.5):
            """Attend.

            Parameters
            ----------
            q : ndarray of shape (n, d)
                Queries.
            k : (m, d) ndarray
                Keys.
            v : array_like, shape [m, e]
                Values.

            Returns
            -------
            ndarray of shape (n, e)
            """
            s = scale * q @ k.T
            p = np.exp(s - s.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            return p @ v, (q, k, v, p, scale)

        def attention_backward(dout, cache):
            q, k, v, p, scale = cache
            dp = dout @ v.T
            ds = p * (dp - (p * dp).sum(axis=1, keepdims=True))
            return scale * ds @ k, scale * ds.T @ q, p.T @ dout
        ''',
        "(dp - (p * dp).sum(axis=1, keepdims=True))",
        "(1 - p) * dp",
        ("gate_bwd", "attention_backward"),
        {"attention_backward": {"q", "k"}},
    ),
    Style(
        "losses that return their gradients",
        '''
        import numpy as np

        def svm_loss(x, y):
            """
            Inputs:
            - x: scores, of shape (N, C)
            - y: labels, of shape (N,), where 0 <= y[i] < C
            Returns a tuple of:
            - loss, and its gradient dx
            """
            n = np.arange(len(x))
            margins = np.maximum(0, x - x[n, y][:, None] + 1.0)
            margins[n, y] = 0
            dx = (margins > 0).astype(float)
            dx[n, y] -= dx.sum(axis=1)
            return margins.sum() / len(x), dx / len(x)

        def ridge_loss(W, X, y, reg):
            """Penalised least squares.

            W: weights of shape (D,)
            X: data of shape (N, D)
            y: targets of shape (N,)
            reg: (float) strength of the penalty
            """
            error = X @ W - y
            dW = 2 * X.T @ error + 2 * reg * W
            return error @ error + reg * W @ W, dW
        ''',
        "2 * X.T @ error + 2 * reg * W",
        "2 * X.T @ error + reg * W",
        ("svm_loss", "ridge_loss"),
        {"ridge_loss": {"W"}},
    ),
    Style(
        "a class with default sizes, parameters in a dict",
        """
        import numpy as np

        class TwoLayerNet:
            def __init__(self, input_dim=3 * 32 * 32, hidden_dim=100, num_classes=10, weight_scale=1e-3, reg=0.0):
                self.reg = reg
                self.params = {
                    "W1": weight_scale * np.random.randn(input_dim, hidden_dim), "b1": np.zeros(hidden_dim),
                    "W2": weight_scale * np.random.randn(hidden_dim, num_classes), "b2": np.zeros(num_classes),
                }

            def loss(self, X, y=None):
                p = self.params
                h = np.maximum(0, X @ p["W1"] + p["b1"])
                scores = h @ p["W2"] + p["b2"]
                if y is None:
                    return scores
                e = np.exp(scores - scores.max(axis=1, keepdims=True))
                probs = e / e.sum(axis=1, keepdims=True)
                loss = -np.log(probs[np.arange(len(y)), y]).mean()
                loss += 0.5 * self.reg * (np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2))
                d = probs.copy()
                d[np.arange(len(y)), y] -= 1
                d /= len(y)
                dh = d @ p["W2"].T * (h > 0)
                grads = {"W2": h.T @ d + self.reg * p["W2"], "b2": d.sum(axis=0)}
                grads["W1"] = X.T @ dh + self.reg * p["W1"]
                grads["b1"] = dh.sum(axis=0)
                return loss, grads
        """,
        'X.T @ dh + self.reg * p["W1"]',
        "X.T @ dh",
        ("TwoLayerNet",),
        {"TwoLayerNet": {"W1"}},
    ),
    Style(
        "a class that keeps gradients beside its weights, features first",
        """
        import numpy as np

        class Net:
            def __init__(self, n_in: int, n_hidden: int, n_out: int):
                rng = np.random.RandomState(4)
                self.W1, self.W2 = rng.randn(n_hidden, n_in), rng.randn(n_out, n_hidden)

            def loss(self, X, Y):
                self.X, self.H = X, np.tanh(self.W1 @ X)
                self.E = self.W2 @ self.H - Y
                return 0.5 * np.sum(self.E * self.E)

            def backward(self):
                self.dW2 = self.E @ self.H.T
                self.dW1 = (self.W2.T @ self.E * (1 - self.H**2)) @ self.X.T
        """,
        "(1 - self.H**2)",
        "self.H",
        ("Net",),
        {"Net": {"W1"}},
    ),
    Style(
        "an object and its data in the file",
        """
        import numpy as np

        class LogisticRegression:
            def __init__(self, weights, bias):
                self.w, self.b = weights, np.array([bias])

            def cost(self, X, y):
                z = X @ self.w + self.b
                return np.sum(np.logaddexp(0, z) - y * z)

            def gradient(self, X, y):
                p = 1 / (1 + np.exp(-(X @ self.w + self.b)))
                return {"w": X.T @ (p - y), "b": np.array([np.sum(p - y)])}

        X = np.random.default_rng(0).standard_normal((7, 3))
        y = np.arange(7) % 2
        model = LogisticRegression(np.array([0.3, -0.2, 0.1]), 0.5)
        """,
        "np.array([np.sum(p - y)])",
        "np.array([np.mean(p - y)])",
        ("model",),
        {"model": {"b"}},
    ),
    Style(
        "layers that are objects",
        """
        import numpy as np

        class Layer:
            def forward(self, x):
                raise NotImplementedError

            def backward(self, dout):
                raise NotImplementedError

        class Linear(Layer):
            def __init__(self, in_features, out_features):
                self.W = np.random.randn(in_features, out_features)
                self.b = np.zeros(out_features)

            def forward(self, x):
                self.x = x
                return x @ self.W + self.b

            def backward(self, dout):
                self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
                return dout @ self.W.T

        class Affine(Layer):
            def __init__(self, W, b):
                self.params, self.grads = [W, b], [np.zeros_like(W), np.zeros_like(b)]

            def forward(self, x):
                self.x = x
                return x @ self.params[0] + self.params[1]

            def backward(self, grad_output):
                self.grads[0][...] = self.x.T @ grad_output
                self.grads[1][...] = grad_output.sum(axis=0)
                return grad_output @ self.params[0].T

        class Tanh(Layer):
            def forward(self, x):
                self.out = np.tanh(x)
                return self.out

            def backward(self, dout):
                return dout * (1 - self.out**2)

        class Dropout(Layer):
            def __init__(self, p=0.5):
                self.p = p

            def forward(self, x):
                self.mask = np.random.rand(*x.shape) > self.p
                return x * self.mask / (1 - self.p)

            def backward(self, dout):
                return dout * self.mask / (1 - self.p)
        """,
        "self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)",
        "self.dW, self.db = self.x.T @ dout, dout.mean(axis=0)",
        ("Linear", "Linear.parameters", "Affine", "Affine.parameters", "Tanh", "Dropout"),
        {"Linear.parameters": {"b"}},
    ),
    Style(
        "cost, parameters and gradients",
        """
        import numpy as np

        parameters = {"w": np.array([1.0, -2.0]), "b": np.array([0.5])}

        def cost(p):
            return np.sum(np.tanh(p["w"]) ** 2) + 3 * p["b"][0]

        def gradients(p):
            t = np.tanh(p["w"])
            return {"dw": 2 * t * (1 - t**2), "db": np.array([3.0])}
        """,
        "np.array([3.0])",
        "np.array([1.5])",
        ("cost",),
        {"cost": {"b"}},
    ),
    Style(
        "f, fprime and x0 of an optimiser",
        """
        import numpy as np

        x0 = np.array([1.3, 0.7, 0.8])

        def f(x):
            return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

        def fprime(x):
            g = np.zeros_like(x)
            g[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
            g[1:] += 200 * (x[1:] - x[:-1] ** 2)
            return g
        """,
        "g[1:] += 200",
        "g[1:] = 200",
        ("f",),
        {"f": {"theta"}},
    ),
    Style(
        "a cost function that returns the gradient, with data in the file",
        """
        import numpy as np

        X = np.column_stack([np.ones(6), np.linspace(-1, 2, 6)])
        y = np.array([0, 0, 1, 0, 1, 1])
        initial_theta = np.array([0.2, -0.3])

        def cost_and_gradient(theta, X, y):
            h = 1 / (1 + np.exp(-X @ theta))
            J = -np.mean(y * np.log(h) + (1 - y) * np.log(1 - h))
            return J, X.T @ (h - y) / len(y)
        """,
        "X.T @ (h - y) / len(y)",
        "X.T @ (h - y)",
        ("cost_and_gradient",),
        {"cost_and_gradient": {"theta"}},
    ),
    Style(
        "problems that are declared",
        """
        import numpy as np
        import fastcheck

        w = np.array([0.3, -1.2, 2.0])

        def cost(w):
            return np.sum(np.sin(w))

        def problem_sine():
            return cost, w, np.cos

        def problem_with_options():
            return {"cost": cost, "parameters": w, "gradients": np.cos(w), "method": "plain"}

        def problem_checked_by_itself():
            return fastcheck.check(cost, w, np.cos(w), progress=False)

        @fastcheck.gradient_problem
        def squares():
            return lambda w: w @ w, w, lambda w: 2 * w
        """,
        "lambda w: 2 * w",
        "lambda w: w",
        ("problem_sine", "problem_with_options", "problem_checked_by_itself", "squares"),
        {"squares": {"theta"}},
    ),
)
