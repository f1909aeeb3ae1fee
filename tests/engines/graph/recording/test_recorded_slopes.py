"""What is recorded of a cost is the cost, and its slopes are those of the cost, in every style."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from network_styles import STYLES, Shapes
from random_aliasing import (
    ALIASING,
    OVERLAPS,
    SOURCES,
    VIEWS,
    WHOLE,
    WRITES,
    overlap,
    source,
    view,
    whole,
    write,
)
from random_programs import Builder, random_parameters, random_program
from random_statements import STATEMENTS, kinked
from recorded_costs import assert_recorded, blocks_of, recorded
from scenarios import EVERY_SCENARIO, scenario
from writes_in_place import COSTS

from fastcheck.engines.graph.nodes.products import Matmul
from fastcheck.engines.graph.recording.lifting import LiftedCost
from fastcheck.engines.graph.recording.record import record
from fastcheck.engines.graph.recording.session import session_of
from fastcheck.engines.graph.tracing.tracing_error import TracingError

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("name", [name for name in EVERY_SCENARIO if not name.startswith("at kinks")])
def test_every_scenario_is_recorded(name):
    found = scenario(name)
    assert_recorded(found.cost, found.parameters, steps=(1e-1, 1e-3), least=0.4)


@pytest.mark.parametrize(("cost", "x"), COSTS, ids=lambda c: getattr(c, "__name__", ""))
def test_writes_in_place(cost, x):
    assert_recorded(cost, x, least=0.4)


def program_of(seed, length, kinds):
    rng = random.Random(seed)
    parameters = random_parameters(rng)
    if rng.random() < 0.3:  # times one: the values do not change, and the differences do
        last = list(parameters)[-1]
        parameters[last] = np.ones_like(parameters[last])
    program, _ = random_program(rng, kinds, length, parameters)
    note(str(program))
    return program


def assert_recorded_or_named(program):
    """Writes into results of NumPy that lie in memory in an order of their own are not followed."""
    try:
        assert_recorded(program.cost(), program.parameters)
    except TracingError as stopped:
        assert "does not lie in memory as NumPy's new arrays do" in str(stopped)  # noqa: PT017 — either is right


KINDS = {"numbers": STATEMENTS, "memory": ALIASING, "kinks": [*STATEMENTS, *[kinked] * 10]}


@pytest.mark.parametrize("kinds", KINDS)
@settings(max_examples=30)
@given(seed=SEEDS, length=st.integers(1, 9))
def test_random_programs(kinds, seed, length):
    assert_recorded_or_named(program_of(seed, length, KINDS[kinds]))


@pytest.mark.slow
@pytest.mark.parametrize("kinds", KINDS)
@settings(max_examples=3000)
@given(seed=SEEDS, length=st.integers(1, 24))
def test_many_random_programs(kinds, seed, length):
    assert_recorded_or_named(program_of(seed, length, KINDS[kinds]))


WRITTEN = {source: SOURCES, view: VIEWS, write: WRITES, whole: WHOLE, overlap: OVERLAPS}


@pytest.mark.parametrize(
    ("kind", "form"), [(kind, form) for kind in WRITTEN for form in sorted(set(WRITTEN[kind]))]
)
def test_every_form_of_statement_about_memory(kind, form):
    made = 0
    for seed in range(100):
        rng = random.Random(seed)
        builder = Builder(rng, random_parameters(rng), wanted=form)
        builder.statement(source)
        builder.statement(view)
        if builder.statement(kind) and builder.is_used:
            assert_recorded_or_named(builder.finish())
            made += 1
        if made == 3:
            return
    raise AssertionError(f"{form} does not fit anywhere")


@pytest.mark.parametrize(("kinds", "length"), [(STATEMENTS, 7), (ALIASING, 14)])
def test_every_kind_of_statement_occurs(kinds, length):
    used = set()
    for seed in range(80):
        used |= random_program(random.Random(seed), kinds, length)[1]
    assert used == {kind.__name__ for kind in kinds}


@pytest.mark.parametrize("rule", ["backward", "tangent", "difference"])
def test_a_rule_that_is_wrong_in_the_ninth_digit_is_noticed(rule, monkeypatch):
    right = getattr(Matmul, rule)

    def wrong(self, *arguments):
        found = right(self, *arguments)
        if rule == "backward":
            return [None if x is None else x * (1 + 1e-9) for x in found]
        return found * (1 + 1e-9)

    cost, parameters = STYLES[0](Shapes(0))
    assert_recorded(cost, parameters)
    monkeypatch.setattr(Matmul, rule, wrong)
    with pytest.raises(AssertionError):
        assert_recorded(cost, parameters)


def test_writes_into_arrays_that_lie_in_memory_in_an_order_of_their_own():
    """NumPy lays ``b[:, indices]`` out with the axis of ``b`` last."""
    weights = np.cos(np.arange(12.0)).reshape(3, 1, 4)

    def cost(p):
        v = p["b"][:, np.array([[-1, 0, -3, 1]])]
        np.add.at(v, [-3], p["c"])
        v[1] *= 2.0
        return np.sum(np.sin(v) * weights)

    rng = np.random.default_rng(0)
    assert_recorded(cost, {"b": rng.standard_normal((3, 3)), "c": rng.standard_normal((1, 4))}, least=1.0)


def test_a_loop_that_ends_by_what_it_computed():
    """J is used once more, by the comparison that ends the loop."""

    def cost(p):
        x = np.sum(p["w"] ** 2)
        while x > 1:
            x = x / 2
        return x

    assert_recorded(cost, {"w": np.array([1.5, -2.0, 0.5])}, least=0.4)


# --- thorough recordings: all plain arrays that the cost loads are followed -------------------------------------------


def followed_thoroughly(cost, parameters):
    """Assert that recording thoroughly gives the value of the cost, and the slopes of the usual recording."""
    leaves, assemble = blocks_of(parameters)
    with session_of(cost) as session, np.errstate(all="ignore"):
        session.look_closer()
        recording = record(LiftedCost(cost), assemble, leaves, 10**9, thorough=True)
        slopes = recording.slopes()
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(recording.value, float(cost(assemble(leaves))), rtol=1e-12, atol=1e-13)
    try:
        usual = recorded(cost, parameters).slopes()
    except TracingError:
        return
    for found, expected in zip(slopes, usual, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_plain_arrays_that_are_followed_change_nothing_in_networks(style):
    followed_thoroughly(*style(Shapes(3)))


@pytest.mark.parametrize("seed", range(12))
def test_plain_arrays_that_are_followed_change_nothing_in_random_programs(seed):
    rng = random.Random(seed)
    kinds = ALIASING if seed % 2 else STATEMENTS
    program, _ = random_program(rng, kinds, 1 + seed % 8, random_parameters(rng))
    followed_thoroughly(program.cost(), program.parameters)
