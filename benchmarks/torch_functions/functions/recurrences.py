"""Recurrent cells, layers that are undone going back, and steps through a differential equation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from benchmarks.torch_functions.numbers import Numbers
from benchmarks.torch_functions.planting import CustomFunction, mistake

# ---- the cell of the tutorial on extensions: an LSTM without a forget gate, with ELU


def d_sigmoid(z):
    s = torch.sigmoid(z)
    return (1 - s) * s


def d_tanh(z):
    return 1 - torch.tanh(z) ** 2


def d_elu(z):
    return torch.where(z > 0, torch.ones_like(z), z.exp())


class LLTMFunction(Function):
    @staticmethod
    def forward(ctx, input, weights, bias, old_h, old_cell):
        X = torch.cat([old_h, input], dim=1)
        gates = F.linear(X, weights, bias).chunk(3, dim=1)
        input_gate, output_gate = torch.sigmoid(gates[0]), torch.sigmoid(gates[1])
        candidate = F.elu(gates[2])
        new_cell = old_cell + candidate * input_gate
        new_h = torch.tanh(new_cell) * output_gate
        ctx.save_for_backward(X, weights, input_gate, output_gate, candidate, new_cell, *gates)
        return new_h, new_cell

    @staticmethod
    def backward(ctx, grad_h, grad_cell):
        X, weights, input_gate, output_gate, candidate, new_cell, *gates = ctx.saved_tensors
        d_output_gate = torch.tanh(new_cell) * grad_h
        d_new_cell = d_tanh(new_cell) * output_gate * grad_h + grad_cell
        d_candidate = input_gate * d_new_cell
        d_input_gate = candidate * d_new_cell
        d_gates = torch.cat(
            [
                d_input_gate * d_sigmoid(gates[0]),
                d_output_gate * d_sigmoid(gates[1]),
                d_candidate * d_elu(gates[2]),
            ],
            dim=1,
        )
        d_weights = d_gates.t().mm(X)
        d_bias = d_gates.sum(dim=0)
        d_X = d_gates.mm(weights)
        size = grad_h.shape[1]
        return d_X[:, size:], d_weights, d_bias, d_X[:, :size], d_new_cell


def lltm(input, weights, bias, old_h, old_cell):
    return LLTMFunction.apply(input, weights, bias, old_h, old_cell)


# ---- an LSTM over a sequence, back through time


class LSTMSequence(Function):
    """x (time, batch, inputs), W (4 units, inputs + units): gates i, f, g, o; all states, and the last cell."""

    @staticmethod
    def forward(ctx, x, W, b, h, c):
        cells, gates, hidden = [c], [], [h]
        for x_t in x:
            i, f, g, o = (torch.cat((x_t, h), 1) @ W.T + b).chunk(4, 1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            c = f * c + i * g
            h = o * c.tanh()
            cells.append(c)
            hidden.append(h)
            gates.append(torch.stack((i, f, g, o)))
        ctx.save_for_backward(x, W, torch.stack(cells), torch.stack(gates), torch.stack(hidden))
        return torch.stack(hidden[1:]), c

    @staticmethod
    def backward(ctx, d_hidden, d_last):
        x, W, cells, gates, hidden = ctx.saved_tensors
        dx, dW, db = torch.zeros_like(x), torch.zeros_like(W), W.new_zeros(W.shape[0])
        dh, dc = torch.zeros_like(hidden[0]), d_last
        for t in range(len(x) - 1, -1, -1):
            i, f, g, o = gates[t]
            dh = dh + d_hidden[t]
            tanh_c = torch.tanh(cells[t + 1])
            dc = dc + dh * o * (1 - tanh_c**2)
            pre = torch.cat(
                (
                    dc * g * i * (1 - i),
                    dc * cells[t] * f * (1 - f),
                    dc * i * (1 - g * g),
                    dh * tanh_c * o * (1 - o),
                ),
                1,
            )
            dW += pre.T @ torch.cat((x[t], hidden[t]), 1)
            db += pre.sum(0)
            back = pre @ W
            dx[t], dh = back[:, : x.shape[2]], back[:, x.shape[2] :]
            dc = dc * f
        return dx, dW, db, dh, dc


def lstm(x, W, b, h, c):
    return LSTMSequence.apply(x, W, b, h, c)


# ---- couplings whose inputs are computed from their outputs


class Reversible(Function):
    """y1 = x1 + tanh(x2 U), y2 = x2 + tanh(y1 V), layer after layer; only the last outputs are kept."""

    @staticmethod
    def forward(ctx, x1, x2, *weights):
        for U, V in zip(weights[::2], weights[1::2], strict=True):
            x1 = x1 + torch.tanh(x2 @ U)
            x2 = x2 + torch.tanh(x1 @ V)
        ctx.save_for_backward(x1, x2, *weights)
        return x1, x2

    @staticmethod
    def backward(ctx, d1, d2):
        y1, y2, *weights = ctx.saved_tensors
        found = [None] * len(weights)
        for layer in range(len(weights) - 2, -1, -2):
            U, V = weights[layer : layer + 2]
            a = torch.tanh(y1 @ V)
            x2 = y2 - a
            da = d2 * (1 - a * a)
            found[layer + 1] = y1.T @ da
            d1 = d1 + da @ V.T
            c = torch.tanh(x2 @ U)
            x1 = y1 - c
            dc = d1 * (1 - c * c)
            found[layer] = x2.T @ dc
            d2 = d2 + dc @ U.T
            y1, y2 = x1, x2
        return d1, d2, *found


def reversible(x1, x2, U1, V1, U2, V2):
    return Reversible.apply(x1, x2, U1, V1, U2, V2)


# ---- the adjoint of Euler's steps through an ordinary differential equation


class EulerAdjoint(Function):
    """y′ = tanh(y A + t b) with steps of a fixed length; states are kept, slopes are computed again."""

    @staticmethod
    def forward(ctx, y, A, b, step, steps):
        ys = []
        for n in range(steps):
            ys.append(y)
            y = y + step * torch.tanh(y @ A + n * step * b)
        ctx.step = step
        ctx.save_for_backward(A, b, torch.stack(ys))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, adjoint):
        A, b, ys = ctx.saved_tensors
        step = ctx.step
        dA, db = torch.zeros_like(A), torch.zeros_like(b)
        for n in reversed(range(len(ys))):
            f = torch.tanh(ys[n] @ A + n * step * b)
            w = step * adjoint * (1 - f**2)
            dA += ys[n].T @ w
            db += n * step * w.sum(0)
            adjoint = adjoint + w @ A.T
        return adjoint, dA, db, None, None


def euler(y, A, b):
    return EulerAdjoint.apply(y, A, b, 0.2, 4)


def of_lltm():
    draw = Numbers(71)
    return (
        draw.normal(3, 4),
        draw.normal(6, 6, scale=0.7),
        draw.normal(6, scale=0.3),
        draw.normal(3, 2),
        draw.normal(3, 2),
    )


def of_lstm():
    draw = Numbers(72)
    return (
        draw.normal(4, 2, 3),
        draw.normal(12, 6, scale=0.6),
        draw.normal(12, scale=0.3),
        draw.normal(2, 3),
        draw.normal(2, 3),
    )


def of_reversible():
    draw = Numbers(73)
    return (draw.normal(3, 4), draw.normal(3, 4), *(draw.normal(4, 4, scale=0.6) for _ in range(4)))


def of_euler():
    draw = Numbers(74)
    return draw.normal(3, 4), draw.normal(4, 4), draw.normal(4)


FUNCTIONS = (
    CustomFunction(
        name="LLTM cell",
        known_from="PyTorch's tutorial on C++ and CUDA extensions",
        call=lltm,
        of=LLTMFunction,
        inputs=of_lltm,
        mistakes=(
            mistake(
                "the cell's own gradient forgotten",
                "output_gate * grad_h + grad_cell",
                "output_gate * grad_h",
            ),
            mistake("tanh' of the output", "d_tanh(new_cell)", "d_tanh(torch.tanh(new_cell))"),
            mistake(
                "σ' of the gate, not of what went into it", "d_sigmoid(gates[1])", "d_sigmoid(output_gate)"
            ),
            mistake("ELU' is one", "d_candidate * d_elu(gates[2])", "d_candidate"),
            mistake(
                "gates in another order",
                "d_weights = d_gates.t().mm(X)",
                "d_gates = d_gates.roll(2, 1)\n        d_weights = d_gates.t().mm(X)",
            ),
            mistake(
                "h and input exchanged where X is cut",
                "d_X[:, size:], d_weights, d_bias, d_X[:, :size]",
                "d_X[:, :-size], d_weights, d_bias, d_X[:, -size:]",
            ),
            mistake(
                "the old cell is multiplied by a gate",
                "d_X[:, :size], d_new_cell",
                "d_X[:, :size], d_new_cell * input_gate",
            ),
        ),
    ),
    CustomFunction(
        name="LSTM over a sequence",
        known_from="haste",
        call=lstm,
        of=LSTMSequence,
        inputs=of_lstm,
        mistakes=(
            mistake(
                "the last cell's gradient ignored",
                "torch.zeros_like(hidden[0]), d_last",
                "torch.zeros_like(hidden[0]), torch.zeros_like(d_last)",
            ),
            mistake("dh is replaced, not added to", "dh = dh + d_hidden[t]", "dh = d_hidden[t]"),
            mistake("dc is not carried on", "dc = dc + dh * o", "dc = dh * o"),
            mistake("the cell after the step", "dc * cells[t] * f", "dc * cells[t + 1] * f"),
            mistake("the forget gate left out", "dc = dc * f", "dc = dc * 1"),
            mistake("dW of the first step alone", "dW += pre.T", "dW = pre.T"),
            mistake("g is a σ going back", "dc * i * (1 - g * g)", "dc * i * g * (1 - g)"),
            mistake(
                "the hidden state after the step",
                "torch.cat((x[t], hidden[t]), 1)",
                "torch.cat((x[t], hidden[t + 1]), 1)",
            ),
        ),
    ),
    CustomFunction(
        name="reversible coupling",
        known_from="RevNet, Reformer, MemCNN",
        call=reversible,
        of=Reversible,
        inputs=of_reversible,
        mistakes=(
            mistake("inputs of the layer after", "y1, y2 = x1, x2", "y1, y2 = y1, x2"),
            mistake("the second half's gradient as it was", "d2 = d2 + dc @ U.T", "d2 = d2"),
            mistake(
                "d1 before it is complete", "dc = d1 * (1 - c * c)", "dc = (d1 - da @ V.T) * (1 - c * c)"
            ),
            mistake("y2 for x2", "found[layer] = x2.T @ dc", "found[layer] = y2.T @ dc"),
            mistake(
                "U and V exchanged", "U, V = weights[layer : layer + 2]", "V, U = weights[layer : layer + 2]"
            ),
        ),
    ),
    CustomFunction(
        name="adjoint of Euler's method",
        known_from="torchdiffeq",
        call=euler,
        of=EulerAdjoint,
        inputs=of_euler,
        mistakes=(
            mistake(
                "the state after the step",
                "f = torch.tanh(ys[n] @ A + n",
                "f = torch.tanh(ys[min(n + 1, len(ys) - 1)] @ A + n",
            ),
            mistake("time of the step's end", "db += n * step * w.sum(0)", "db += (n + 1) * step * w.sum(0)"),
            mistake(
                "the step forgotten in the adjoint",
                "adjoint = adjoint + w @ A.T",
                "adjoint = adjoint + w @ A.T / step",
            ),
            mistake("a sign", "adjoint = adjoint + w @ A.T", "adjoint = adjoint - w @ A.T"),
            mistake(
                "one step too few",
                "for n in reversed(range(len(ys))):",
                "for n in reversed(range(1, len(ys))):",
            ),
        ),
    ),
)
