"""Loops over time whose backward pass leaves out iterations, is cut off, or goes the wrong way."""

from types import SimpleNamespace

import numpy as np
import pytest
from explained_claims import assert_named, explanations, graph_of, wrong_blocks

from fastcheck.diagnosis.detective.searching.loops import loops_of

RNG = np.random.default_rng(51)
TIMES, SAMPLES, WIDTH = 6, 3, 4
X, Y = RNG.standard_normal((TIMES, SAMPLES, 2)), RNG.standard_normal((TIMES, SAMPLES, WIDTH))


def parameters():
    rng = np.random.default_rng(52)
    return {
        "h0": rng.standard_normal((SAMPLES, WIDTH)),
        "W": rng.standard_normal((2, WIDTH)),
        "U": rng.standard_normal((WIDTH, WIDTH)),
        "b": rng.standard_normal(WIDTH),
    }


def in_one_loop(p):
    h, loss = p["h0"], 0.0
    for t in range(TIMES):
        h = np.tanh(X[t] @ p["W"] + h @ p["U"] + p["b"])
        loss = loss + np.sum((h - Y[t]) ** 2)
    return loss


def in_two_loops(p):
    states = [p["h0"]]
    for t in range(TIMES):
        states.append(np.tanh(X[t] @ p["W"] + states[t] @ p["U"] + p["b"]))
    return sum(np.sum((states[t + 1] - Y[t]) ** 2) for t in range(TIMES))


def in_an_array(p):
    states = np.zeros((TIMES + 1, SAMPLES, WIDTH))
    states[0] = p["h0"]
    for t in range(TIMES):
        states[t + 1] = np.tanh(X[t] @ p["W"] + states[t] @ p["U"] + p["b"])
    return np.sum((states[1:] - Y) ** 2)


COSTS = (in_one_loop, in_two_loops, in_an_array)


def backward(p, steps=range(TIMES - 1, -1, -1), hand_on=lambda t, dh: dh):
    """Return the gradients; ``hand_on`` changes what iteration t hands to the one before."""
    states = [p["h0"]]
    for t in range(TIMES):
        states.append(np.tanh(X[t] @ p["W"] + states[t] @ p["U"] + p["b"]))
    v = SimpleNamespace(W=0.0, U=0.0, b=0.0, dh=np.zeros((SAMPLES, WIDTH)))
    for t in steps:
        dz = (v.dh + 2 * (states[t + 1] - Y[t])) * (1 - states[t + 1] ** 2)
        v.W, v.U, v.b = v.W + X[t].T @ dz, v.U + states[t].T @ dz, v.b + dz.sum(axis=0)
        v.dh = hand_on(t, dz @ p["U"].T)
    return {"h0": v.dh, "W": v.W, "U": v.U, "b": v.b}


@pytest.mark.slow
@pytest.mark.parametrize("cost", COSTS)
def test_the_right_backward_pass_is_right_and_noise_is_not_explained(cost):
    p = parameters()
    assert wrong_blocks(cost, p, backward(p)) == []
    noise = np.random.default_rng(53).standard_normal((SAMPLES, WIDTH))
    assert explanations(cost, p, backward(p, hand_on=lambda t, dh: dh + noise)) == []


@pytest.mark.parametrize("cost", COSTS)
def test_the_loop_is_found(cost):
    loops = [loop for loop in loops_of(graph_of(cost, parameters())) if loop.times == TIMES]
    assert len(loops) == 1
    assert sorted(loops[0].carried) == list(range(2, TIMES + 1))


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("steps", [2, 3])
def test_a_gradient_that_is_cut_off_is_named(cost, steps):
    p = parameters()
    claim = backward(p, hand_on=lambda t, dh: dh * (t >= TIMES - steps))
    found = assert_named(cost, p, claim, "gradient cut off in time")
    assert f"cut off {steps} iterations before the end" in found.sentence


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("every", [2, 3])
def test_a_gradient_that_is_cut_off_between_chunks_is_named(cost, every):
    p = parameters()
    claim = backward(p, hand_on=lambda t, dh: dh * (t % every != 0 or t == 0))
    one_boundary = every * 2 >= TIMES
    equals = ("factor",) if one_boundary else ()
    found = assert_named(cost, p, claim, "gradient cut off in time", equals=equals)
    assert f"after every {every} iterations" in found.sentence


def truncated(p, steps):
    """Return gradients for which each time goes back so many iterations."""
    total = dict.fromkeys(p, 0.0)
    for last in range(TIMES):
        h = [p["h0"]]
        for t in range(TIMES):
            h.append(np.tanh(X[t] @ p["W"] + h[t] @ p["U"] + p["b"]))
        dh = 2 * (h[last + 1] - Y[last])
        for t in range(last, max(last - steps, -1), -1):
            dz = dh * (1 - h[t + 1] ** 2)
            total["W"] = total["W"] + X[t].T @ dz
            total["U"] = total["U"] + h[t].T @ dz
            total["b"] = total["b"] + dz.sum(axis=0)
            dh = dz @ p["U"].T
            if t == 0:
                total["h0"] = total["h0"] + dh
    return total


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("steps", [2, 4])
def test_a_truncated_gradient_is_named(cost, steps):
    p = parameters()
    assert wrong_blocks(cost, p, truncated(p, TIMES)) == []
    found = assert_named(cost, p, truncated(p, steps), "gradient truncated in time")
    assert f"goes back {steps} iterations" in found.sentence


@pytest.mark.parametrize("cost", COSTS[:2])
@pytest.mark.parametrize("time", [1, 3])
def test_an_iteration_that_is_left_out_is_named(cost, time):
    p = parameters()
    claim = backward(p, steps=[t for t in range(TIMES - 1, -1, -1) if t != time - 1])
    found = assert_named(cost, p, claim, "iteration left out")
    assert f"the {'1st' if time == 1 else '3rd'} of 6 iterations" in found.sentence


@pytest.mark.parametrize("cost", COSTS)
def test_iterations_in_forward_order_are_named(cost):
    p = parameters()
    assert_named(cost, p, backward(p, steps=range(TIMES)), "time in forward order")


def gated(p):
    c = h = np.zeros((SAMPLES, WIDTH))
    total = 0.0
    for t in range(TIMES):
        z = X[t] @ p["W"] + h @ p["U"] + p["b"]
        c = c / (1 + np.exp(-z)) + np.tanh(z)
        h = np.tanh(c)
        total = total + np.sum(h * Y[t])
    return total


def of_gated(p, hand_on):
    cs, hs, zs = [np.zeros((SAMPLES, WIDTH))], [np.zeros((SAMPLES, WIDTH))], []
    for t in range(TIMES):
        zs.append(X[t] @ p["W"] + hs[-1] @ p["U"] + p["b"])
        cs.append(cs[-1] / (1 + np.exp(-zs[-1])) + np.tanh(zs[-1]))
        hs.append(np.tanh(cs[-1]))
    dh, dc = np.zeros((2, SAMPLES, WIDTH))
    found = {"W": 0.0, "U": 0.0, "b": 0.0}
    for t in reversed(range(TIMES)):
        dc = dc + (dh + Y[t]) * (1 - hs[t + 1] ** 2)
        gate = 1 / (1 + np.exp(-zs[t]))
        dz = dc * (cs[t] * gate * (1 - gate) + 1 - np.tanh(zs[t]) ** 2)
        parts = {"W": X[t].T @ dz, "U": hs[t].T @ dz, "b": dz.sum(axis=0)}
        found = {name: found[name] + part for name, part in parts.items()}
        dh, dc = hand_on(t, dz @ p["U"].T), hand_on(t, dc * gate)
    return found


def test_two_states_are_cut_off_together():
    p = {name: value for name, value in parameters().items() if name != "h0"}
    assert wrong_blocks(gated, p, of_gated(p, lambda t, d: d)) == []
    found = assert_named(gated, p, of_gated(p, lambda t, d: d * (t >= TIMES - 2)), "gradient cut off in time")
    assert "2 iterations before the end" in found.sentence


def squashed(z):
    return np.tanh(z)


def test_a_loop_that_calls_one_function_several_times_is_found():
    def cost(p):
        h, total = p["h0"], 0.0
        for t in range(TIMES):
            h = squashed(squashed(X[t] @ p["W"] + h @ p["U"]) + p["b"])
            total = total + np.sum((squashed(h) - Y[t]) ** 2)
        return total

    def claim(p, hand_on):
        states, inner = [p["h0"]], []
        for t in range(TIMES):
            inner.append(np.tanh(X[t] @ p["W"] + states[t] @ p["U"]))
            states.append(np.tanh(inner[t] + p["b"]))
        found, dh = {"W": 0.0, "U": 0.0, "b": 0.0}, np.zeros((SAMPLES, WIDTH))
        for t in reversed(range(TIMES)):
            out = np.tanh(states[t + 1])
            du = (dh + 2 * (out - Y[t]) * (1 - out**2)) * (1 - states[t + 1] ** 2)
            dz = du * (1 - inner[t] ** 2)
            parts = {"W": X[t].T @ dz, "U": states[t].T @ dz, "b": du.sum(axis=0)}
            found = {name: found[name] + part for name, part in parts.items()}
            dh = hand_on(t, dz @ p["U"].T)
        return {"h0": dh, **found}

    p = parameters()
    assert wrong_blocks(cost, p, claim(p, lambda t, dh: dh)) == []
    cut = claim(p, lambda t, dh: dh * (t >= TIMES - 2))
    assert_named(cost, p, cut, "gradient cut off in time")


def from_zeros(p):
    h = np.zeros((SAMPLES, WIDTH))
    for t in range(TIMES):
        h = np.tanh(X[t] @ p["W"] + h @ p["U"] + p["b"])
    return np.sum(Y[0] * h)


def of_from_zeros(p, state):
    """Return what a backward pass makes of `from_zeros` that takes dU from ``state(states, t)``."""
    states = [np.zeros((SAMPLES, WIDTH))]
    for t in range(TIMES):
        states.append(np.tanh(X[t] @ p["W"] + states[t] @ p["U"] + p["b"]))
    d = {name: np.zeros(p[name].shape) for name in "WUb"}
    dh = Y[0]
    for t in reversed(range(TIMES)):
        da = dh * (1 - states[t + 1] ** 2)
        d["W"] += X[t].T @ da
        d["U"] += state(states, t).T @ da
        d["b"] += da.sum(axis=0)
        dh = da @ p["U"].T
    return d


def test_the_last_state_in_place_of_each_is_named():
    p = {name: value for name, value in parameters().items() if name != "h0"}
    assert wrong_blocks(from_zeros, p, of_from_zeros(p, lambda states, t: states[t])) == []
    claim = of_from_zeros(p, lambda states, t: states[-1])
    found = assert_named(from_zeros, p, claim, "factor of the last time")
    assert found.blocks == ("U",)
    assert "the last value of line" in found.sentence


# --- a factor every time ----------------------------------------------------------------------------------------------


def products_in_a_loop(p):
    h, loss = p["h0"], 0.0
    for t in range(TIMES):
        z = 1 / (1 + np.exp(-(X[t] @ p["W"])))
        h = (1 - z) * np.tanh(h @ p["U"] + p["b"])
        loss = loss + np.sum((h - Y[t]) ** 2)
    return loss


def gradients_of_products(p, of_gate):
    """Return the gradients of `products_in_a_loop`; ``of_gate`` changes what goes back to 1 − z."""
    h, tape = p["h0"], []
    for t in range(TIMES):
        z, n = 1 / (1 + np.exp(-(X[t] @ p["W"]))), np.tanh(h @ p["U"] + p["b"])
        tape.append((h, z, n))
        h = (1 - z) * n
    g, dh = {name: np.zeros_like(value) for name, value in p.items()}, 0.0
    for t in reversed(range(TIMES)):
        before, z, n = tape[t]
        dh = dh + 2 * ((1 - z) * n - Y[t])
        g["W"] -= X[t].T @ (of_gate(dh * n) * z * (1 - z))
        dn = dh * (1 - z) * (1 - n**2)
        g["U"] += before.T @ dn
        g["b"] += dn.sum(axis=0)
        dh = dn @ p["U"].T
    return g | {"h0": dh}


@pytest.mark.parametrize(
    ("of_gate", "says"),
    [
        (lambda slope: 0 * slope, "leaves out what it passes back to `1 - z`"),
        (lambda slope: -slope, "has the wrong sign in what it passes back to `1 - z`"),
    ],
)
def test_of_several_operands_the_one_is_named_that_gets_a_factor_every_time(of_gate, says):
    p = parameters()
    claim = gradients_of_products(p, of_gate)
    sentences = [hypothesis.sentence for hypothesis in explanations(products_in_a_loop, p, claim)]
    assert any(says in sentence for sentence in sentences)
    assert not any("nothing back through" in sentence and "(1 - z) *" in sentence for sentence in sentences)
