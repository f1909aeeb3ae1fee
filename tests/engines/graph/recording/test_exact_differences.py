"""Differences of random recorded programs, forwards, are those of 50-digit arithmetic, at any step."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import currently_in_test_context, example, given, note, settings
from hypothesis import strategies as st
from random_programs import Program, random_parameters, random_program
from random_statements import STATEMENTS, kinked
from recorded_costs import TINY, plain_slopes, recorded

from benchmarks import exact_numpy
from benchmarks.exact_numpy import EXACT, exact
from fastcheck import check

SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.integers(1, 7)
STEPS = (1e-2, -1e-2, 1e-4)
FEW = 4
"""Coordinates of each block that are computed with 50 digits."""


def program_of(seed, length, grid=False):
    """Return a random program; with values on and just beside kinks if ``grid``."""
    rng = random.Random(seed)
    parameters = random_parameters(rng)
    if grid:
        near = np.random.default_rng(seed)
        parameters = {
            k: np.round(x) / 2 + near.choice([0, 0, 0.004, -0.003], x.shape) for k, x in parameters.items()
        }
    program, _ = random_program(rng, STATEMENTS + [kinked] * 10 * grid, length, parameters)
    if currently_in_test_context():
        note(str(program))
    return program


def copied(parameters):
    return {name: x.copy() for name, x in parameters.items()}


def places_of(parameters):
    """Return a few coordinates of every block."""
    return [
        (name, int(i))
        for name, x in parameters.items()
        for i in np.unique(np.linspace(0, x.size - 1, FEW).astype(int))
    ]


def recorded_differences(program, places, step):
    """Return how J changes over the step at each place, and where it is known."""
    moves = [np.zeros((len(places), x.size)) for x in program.parameters.values()]
    for k, (name, i) in enumerate(places):
        moves[list(program.parameters).index(name)][k, i] = step
    shaped = [
        m.reshape(len(places), *x.shape) for m, x in zip(moves, program.parameters.values(), strict=True)
    ]
    with np.errstate(all="ignore"):
        found = recorded(program.cost(), program.parameters).flow().differences(shaped, len(places))
    return found.change, ~found.elsewhere


def exact_differences(program, places, step):
    """Return the same with 50 digits."""
    cost, found = program.exact_cost(), []
    parameters = {name: exact(x) for name, x in program.parameters.items()}
    here = cost(parameters)
    for name, i in places:
        moved = copied(parameters)
        moved[name].flat[i] += EXACT.mpf(step)
        found.append(cost(moved) - here)
    return found


def assert_exact(program, steps=(*STEPS, TINY, -TINY), factor=1.0):
    """Assert agreement relative to the largest difference, down to the rounding units of what cancels."""
    places = places_of(program.parameters)
    largest = max(1.0, abs(program.cost()(copied(program.parameters))))
    for step in steps:
        found, known = recorded_differences(program, places, step)
        expected = exact_differences(program, places, step)
        size = exact_numpy.scale_of(found[known]) if known.any() else 0.0
        allowed = 1e-10 * size + (1e-14 * largest * abs(step) if abs(step) > TINY else 1e-12 * TINY)
        for k in np.flatnonzero(known):
            error = abs(EXACT.mpf(float(factor * found[k])) - expected[k])
            assert error <= allowed, f"{places[k]} at {step:g}: {found[k]!r}, exactly {float(expected[k])!r}"


@given(SEEDS, LENGTHS)
@settings(max_examples=25)
def test_differences_are_those_of_50_digits(seed, length):
    assert_exact(program_of(seed, length))


@given(SEEDS, LENGTHS)
@settings(max_examples=30)
@example(seed=1002684, length=6)  # cube roots of several zeros
def test_and_so_they_are_where_many_values_are_on_kinks_and_ties(seed, length):
    assert_exact(program_of(seed, length, grid=True), STEPS)


@pytest.mark.slow
@given(SEEDS, st.integers(1, 12), st.booleans())
@settings(max_examples=3000)
@example(seed=7547145, length=5, grid=True)  # cube roots of several zeros
def test_many_differences(seed, length, grid):
    assert_exact(program_of(seed, length, grid), STEPS if grid else (*STEPS, TINY, -TINY))


# The same program, written otherwise


def transposed(cost, parameters):
    return (
        lambda p: cost({name: x.T for name, x in p.items()}),
        {name: np.ascontiguousarray(x.T) for name, x in parameters.items()},
        lambda g: {name: x.T for name, x in g.items()},
    )


def in_one_vector(cost, parameters):
    ends = np.cumsum([0, *(x.size for x in parameters.values())])

    def cut(theta):
        parts = [theta[a:b] for a, b in pairwise(ends)]
        return {name: parts[k].reshape(x.shape) for k, (name, x) in enumerate(parameters.items())}

    vector = np.concatenate([x.ravel() for x in parameters.values()])
    return lambda p: cost(cut(p["all"])), {"all": vector}, lambda g: cut(g["all"])


def backwards(cost, parameters):
    def turned(p):
        return {name: x[::-1] if x.ndim else x for name, x in p.items()}

    return lambda p: cost(turned(p)), {name: x.copy() for name, x in turned(parameters).items()}, turned


def doubled(cost, parameters):
    def half(p):
        return {name: 0.5 * x for name, x in p.items()}

    return (
        lambda p: cost(half(p)),
        {name: 2 * x for name, x in parameters.items()},
        lambda g: {name: 2 * x for name, x in g.items()},
    )


def slopes_of(cost, parameters):
    return dict(zip(parameters, recorded(cost, parameters).slopes(), strict=True))


@pytest.mark.parametrize("rewritten", [transposed, in_one_vector, backwards, doubled])
@given(SEEDS, LENGTHS)
@settings(max_examples=8)
def test_slopes_do_not_depend_on_how_parameters_are_stored(rewritten, seed, length):
    program = program_of(seed, length)
    expected = slopes_of(program.cost(), program.parameters)
    cost, parameters, back = rewritten(program.cost(), program.parameters)
    found = back(slopes_of(cost, parameters))
    largest = max(1.0, *(np.max(np.abs(x)) for x in expected.values()))
    for name, x in expected.items():
        np.testing.assert_allclose(found[name], x, rtol=0, atol=1e-13 * largest, err_msg=name)


# Arrays without entries

EMPTY = [
    "np.sum(e)", "e.sum(axis=0)", "e.sum(axis=1)", "np.mean(e, axis=1)", "np.exp(e) + w[0]", "e * e", "e @ w.T",
    "w @ e.T", "e.T @ e", "np.dot(e, w.T)", "np.einsum('ij,kj->ik', e, w)", "np.einsum('ij,ik->jk', e, e)",
    "np.outer(e, w)", "np.concatenate([e, w])", "np.vstack([w, e])", "np.stack([e, e])", "e.reshape(4, 0)",
    "e.T.ravel()", "np.append(e, w)", "e.max(axis=1)", "np.maximum(e, 0)", "np.where(e > 0, e, 0)",
    "np.cumsum(e, axis=0)", "sp.softmax(e, axis=1)", "sp.logsumexp(e, axis=1)", "np.linalg.norm(e)", "w[w > 100]",
    "w[np.zeros(3, dtype=bool)]", "w[w[:, 0] > 100] * w[0]", "w[np.array([], dtype=int)]", "e[None]", "np.pad(e, 1)",
    "np.split(w, [0, 2])[0]", "np.array_split(w, 5)[4]", "np.tile(w, 0)", "np.repeat(w, 0, axis=0)",
    "np.delete(w, [0, 1, 2], axis=0)", "np.any(e > 0) * w", "e.var(axis=1)", "w[:0, 0] @ e", "e @ w[0]",
    "np.tensordot(w[:, :0], e, axes=([1], [0]))", "np.vdot(e, e)", "sum(list(e), 0.0)", "e / (1 + len(e))",
    "np.inner(w[:, :0], w[:, :0])", "np.inner(w[:0, 0], w[:0, 0])", "np.tensordot(e, e, axes=0)",
]  # fmt: skip


@pytest.mark.parametrize("expression", EMPTY)
def test_no_entries(expression):
    """e has no rows; what is computed from it must neither fail nor matter."""
    program = Program({"w": np.cos(np.arange(12.0)).reshape(3, 4)})
    program.lines = ["e = w[:0]", f"v = {expression}", "total = np.sum(np.sin(v)) + np.sum(np.exp(w) * w)"]
    assert_exact(program)
    assert check(program.cost(), program.parameters, plain_slopes(program.cost(), program.parameters)).passed


# The tests themselves


@pytest.mark.parametrize("seed", range(20))
def test_programs_are_the_same_function_in_exact_arithmetic(seed):
    program = program_of(seed, 7)
    value = float(program.exact_cost()({name: exact(x) for name, x in program.parameters.items()}))
    assert program.cost()(copied(program.parameters)) == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_a_difference_in_the_ninth_digit_is_noticed():
    with pytest.raises(AssertionError, match="exactly"):
        assert_exact(program_of(1, 5), factor=1 + 1e-9)
