"""Random NumPy programs: the numerical gradient is the central difference of 50-digit arithmetic, at any step."""

from __future__ import annotations

import random
import sys
from itertools import pairwise

import joined
import numpy as np
import pytest
from hypothesis import currently_in_test_context, example, given, note, settings
from hypothesis import strategies as st
from random_programs import Program, random_parameters, random_program
from random_statements import STATEMENTS, kinked

from benchmarks import exact_numpy
from benchmarks.exact_numpy import EXACT, exact
from fastcheck import numerical_gradient
from fastcheck.engines.difference.engine import STEP, DifferenceEngine
from fastcheck.plan import make_plan
from fastcheck.problem import pose

SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.integers(1, 7)
FEW = 4
"""Coordinates of each block that are computed with 50 digits."""


def program_of(seed, length, wide=False, grid=False):
    """Return a random program; with more coordinates if wide, with values on and just beside kinks if grid."""
    rng = random.Random(seed)
    sizes = [rng.randint(4, 6), rng.randint(2, 5), rng.choice([1, 3])] if wide else None
    parameters = random_parameters(rng, sizes=sizes)
    if grid:
        beside = np.random.default_rng(seed)
        parameters = {
            k: np.round(x) / 2 + beside.choice([0, 0, 0.004, -0.003], x.shape) for k, x in parameters.items()
        }
    program, _ = random_program(rng, STATEMENTS + [kinked] * 10 * grid, length, parameters)
    if currently_in_test_context():
        note(str(program))
    return program


def exact_slopes(program, step):
    """Yield block, flat index and central difference for a few coordinates of every block, with 50 digits."""
    cost, step = program.exact_cost(), EXACT.mpf(step)
    parameters = {name: exact(x) for name, x in program.parameters.items()}
    for name, x in parameters.items():
        for i in np.unique(np.linspace(0, x.size - 1, FEW).astype(int)):
            ends = []
            for h in (step, -step):
                moved = {k: y.copy() for k, y in parameters.items()}
                moved[name].flat[i] += h
                ends.append(cost(moved))
            yield name, i, (ends[0] - ends[1]) / (2 * step)


def assert_right(program, found, step, relative=1e-10):
    """Assert agreement relative to each block's RMS, down to the rounding units of what cancels."""
    value = program.cost()(copied(program.parameters))
    largest = max(1.0, abs(value), *(np.max(np.abs(g)) for g in found.values()))
    for name, i, slope in exact_slopes(program, step):
        allowed = relative * exact_numpy.scale_of(found[name].ravel()) + 1e-14 * largest
        error = abs(EXACT.mpf(float(found[name].flat[i])) - slope)
        assert error <= allowed, (
            f"{name}.flat[{i}] at {step:g}: {found[name].flat[i]!r}, exactly {float(slope)!r}"
        )


def copied(parameters):
    return {name: x.copy() for name, x in parameters.items()}


def finite_differences_are_exact(seed, length, **options):
    finite_differences_of(program_of(seed, length, **options))


def finite_differences_of(program):
    for step in (1e-2, 1e-4):
        found = numerical_gradient(program.cost(), program.parameters, epsilon=step, method="difference")
        assert_right(program, found, step)


def slopes_are_within_their_bounds(seed, length):
    program = program_of(seed, length)
    problem = pose(program.cost(), program.parameters)
    plan = make_plan(problem.layout, problem.theta, "all", None, 0)
    estimates = joined.estimated(DifferenceEngine(), problem, plan)
    assert not estimates.plain.size
    starts = {block.name: block.start for block in problem.layout.blocks}
    for name, i, slope in exact_slopes(program, STEP):
        k = starts[name] + i
        error = abs(EXACT.mpf(float(estimates.numerical[k])) - slope)
        assert error <= estimates.bound[k] + 1e-20
    scales = [exact_numpy.scale_of(estimates.numerical[b.start : b.stop]) for b in problem.layout.blocks]
    for block, scale in zip(problem.layout.blocks, scales, strict=True):
        assert (estimates.bound[block.start : block.stop] <= 1e-8 * max(scale, 1e-3 * max(scales))).all()


@given(SEEDS, LENGTHS)
def test_finite_differences_are_those_of_50_digits(seed, length):
    finite_differences_are_exact(seed, length)


@given(SEEDS, LENGTHS)
@settings(max_examples=60)
@example(seed=1002684, length=6)  # cube roots of several zeros
def test_and_so_they_are_where_many_values_are_on_kinks_and_ties(seed, length):
    finite_differences_are_exact(seed, length, grid=True)


@given(SEEDS, LENGTHS)
@settings(max_examples=15)
def test_and_so_they_are_where_coordinates_are_grouped_into_batches(seed, length):
    finite_differences_are_exact(seed, length, wide=True)


@given(SEEDS, LENGTHS)
def test_default_steps_give_derivatives_within_the_stated_bound(seed, length):
    slopes_are_within_their_bounds(seed, length)


@pytest.mark.slow
@given(SEEDS, st.integers(1, 12), st.booleans(), st.booleans())
@settings(max_examples=1500)
@example(seed=7547145, length=5, wide=True, grid=True)  # cube roots of several zeros
def test_many_finite_differences(seed, length, wide, grid):
    finite_differences_are_exact(seed, length, wide=wide, grid=grid)


@pytest.mark.slow
@given(SEEDS, st.integers(1, 12))
@settings(max_examples=1500)
def test_many_default_steps(seed, length):
    slopes_are_within_their_bounds(seed, length)


@pytest.mark.slow
def test_compiled_identities(monkeypatch):
    monkeypatch.setattr(sys.modules["fastcheck.engines.difference.sweep"], "COMPILE_FROM", -1)
    monkeypatch.setattr(sys.modules["fastcheck.engines.difference.elementwise"], "FUSED_FROM", 0)
    for seed in range(200):
        finite_differences_are_exact(seed, 8, wide=True)


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

    return lambda theta: cost(cut(theta)), np.concatenate([x.ravel() for x in parameters.values()]), cut


def backwards(cost, parameters):
    def turned(p):
        return {name: x[::-1] if x.ndim else x for name, x in p.items()}

    return lambda p: cost(turned(p)), {name: x.copy() for name, x in turned(parameters).items()}, turned


def row_by_row(cost, parameters):
    def joined(p):
        return {name: np.stack(rows) if isinstance(rows, list) else rows for name, rows in p.items()}

    return lambda p: cost(joined(p)), {k: list(x) if x.ndim > 1 else x for k, x in parameters.items()}, joined


def doubled(cost, parameters):
    def half(p):
        return {name: 0.5 * x for name, x in p.items()}

    return (
        lambda p: cost(half(p)),
        {name: 2 * x for name, x in parameters.items()},
        lambda g: {name: 2 * x for name, x in g.items()},
    )


@pytest.mark.parametrize("rewritten", [transposed, in_one_vector, backwards, row_by_row, doubled])
@given(SEEDS, LENGTHS)
@settings(max_examples=15)
def test_the_gradient_does_not_depend_on_how_parameters_are_stored(rewritten, seed, length):
    program = program_of(seed, length, wide=True)
    found = numerical_gradient(program.cost(), program.parameters, method="difference")
    cost, parameters, back = rewritten(program.cost(), program.parameters)
    assert_same(back(numerical_gradient(cost, parameters, method="difference")), found)


def assert_same(found, expected):
    largest = max(1.0, *(np.max(np.abs(x)) for x in expected.values()))
    for name, x in expected.items():
        np.testing.assert_allclose(found[name], x, rtol=0, atol=1e-13 * largest, err_msg=name)


# However the work is cut


@given(SEEDS, LENGTHS)
@settings(max_examples=15)
def test_batches_of_any_size_give_the_same(seed, length):
    program = program_of(seed, length, wide=True)
    expected = numerical_gradient(program.cost(), program.parameters, method="difference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["fastcheck.engines.difference.sweep"], "TARGET", 64)
        found = numerical_gradient(program.cost(), program.parameters, method="difference")
    assert_same(found, expected)


@given(SEEDS, LENGTHS)
@settings(max_examples=15)
def test_two_workers_give_the_same_bits(seed, length):
    program = program_of(seed, length, wide=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastcheck.execution.WORKERS_PAY_AFTER", {"threads": 0.0, "processes": 0.0})
        one, two = (
            numerical_gradient(
                program.cost(), program.parameters, method="difference", n_jobs=n, epsilon=epsilon
            )
            for n in (1, 2)
            for epsilon in [1e-4]
        )
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)


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
]  # fmt: skip


@pytest.mark.parametrize("expression", EMPTY)
def test_no_entries(expression):
    """e has no rows; what is computed from it must neither fail nor matter."""
    program = Program({"w": np.cos(np.arange(12.0)).reshape(3, 4)})
    program.lines = ["e = w[:0]", f"v = {expression}", "total = np.sum(np.sin(v)) + np.sum(np.exp(w) * w)"]
    finite_differences_of(program)


# The tests themselves


def test_every_kind_of_statement_occurs():
    used = set()
    for seed in range(60):
        used |= random_program(random.Random(seed), STATEMENTS, 7)[1]
    assert used == {kind.__name__ for kind in STATEMENTS}


@pytest.mark.parametrize("seed", range(20))
def test_programs_are_the_same_function_in_exact_arithmetic(seed):
    program = program_of(seed, 7)
    value = float(program.exact_cost()({name: exact(x) for name, x in program.parameters.items()}))
    assert program.cost()(copied(program.parameters)) == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_a_difference_in_the_ninth_digit_is_noticed():
    program = program_of(1, 5)
    found = numerical_gradient(program.cost(), program.parameters, epsilon=1e-2, method="difference")
    assert_right(program, found, 1e-2)
    with pytest.raises(AssertionError, match="exactly"):
        assert_right(program, {name: x * (1 + 1e-9) for name, x in found.items()}, 1e-2)
    with pytest.raises(AssertionError, match="exactly"):
        assert_right(program, found, 1e-4)
