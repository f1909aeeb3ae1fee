"""Slopes of the recorded cost with any weights at its ties: intervals, responses, and what certifies them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from networks_at_kinks import RELU, Network
from recorded_costs import recorded

from fastcheck import check
from fastcheck.engines.graph.certificate import NotCertifiedError, expect_confirmed
from fastcheck.engines.graph.kinks import slopes_at_kinks, ties, widths
from fastcheck.engines.graph.kinks.slopes_at_kinks import kinks_of


def kinks(cost, parameters):
    recording = recorded(cost, parameters)
    found = kinks_of(recording, recording.flow(), 0)
    assert found is not None
    return found


def network(seed=0, relu="maximum(z, 0)", layers=2, pooled=True, l1=0.3):
    net = Network(seed, relu, layers, pooled, l1)
    return kinks(net.cost, net.parameters)


COSTS = {
    "sort": (
        lambda p: np.sum(np.sin(np.sort(p["x"])) * np.arange(6.0)),
        {"x": np.array([1.0, 2, 1, 2, 1, 0])},
    ),
    "norm": (lambda p: np.sum(np.linalg.norm(p["x"] * 2.0, axis=1)), {"x": np.array([[0.0, 0], [1, 2]])}),
    "leaky": (lambda p: np.sum(np.maximum(p["x"], 0.1 * p["x"]) ** 2 + np.abs(p["x"])), {"x": np.zeros(3)}),
    "solve": (
        lambda p: np.sum(np.linalg.solve(np.array([[2.0, 1], [-1, 3]]) + p["b"], np.maximum(p["x"], 0))),
        {"x": np.zeros((2, 2)), "b": np.full((2, 2), 0.1)},
    ),
    "product": (
        lambda p: np.sum(np.prod(1 + np.maximum(p["x"], 0), axis=0) + np.cumsum(np.abs(p["x"]), axis=0)[-1]),
        {"x": np.array([[0.0, 1], [0, -1]])},
    ),
}


def all_kinks():
    yield from (network(seed, relu) for seed, relu in enumerate(RELU))
    yield from (kinks(*COSTS[name]) for name in COSTS)


def test_no_weights_give_slopes_outside_of_the_interval():
    rng = np.random.default_rng(0)
    for found in all_kinks():
        interval = found.interval()
        feasible = found.feasible
        usual = (found.usual, feasible.first(), feasible.last(), feasible.split())
        for weights in (*usual, *(feasible.random(rng) for _ in range(20))):
            slopes, at = found.slopes(weights)
            size = 1e-12 * (1 + np.abs(interval.centre) + interval.radius)
            assert (np.abs(slopes - interval.centre) <= interval.radius + size).all()
            assert (np.abs(at - interval.of_ties) <= interval.radius_of_ties + 1e-12).all()


def test_one_layer_of_kinks_has_the_interval_of_the_slopes_themselves():
    found = kinks(
        lambda p: np.sum(np.maximum(p["x"], 0) * np.arange(1.0, 4.0)), {"x": np.array([0.0, 1.0, 0.0])}
    )
    interval = found.interval()
    np.testing.assert_array_equal(interval.centre - interval.radius, [0, 2, 0])
    np.testing.assert_array_equal(interval.centre + interval.radius, [1, 2, 3])


def test_slopes_with_any_weights_are_those_that_go_forwards():
    rng = np.random.default_rng(1)
    for found in all_kinks():
        weights = found.feasible.random(rng)
        slopes, _ = found.slopes(weights)
        sizes = [leaf.value.size for leaf in found.recording.leaves]
        blocks = np.split(slopes, np.cumsum(sizes)[:-1])
        with np.errstate(all="ignore"):
            relative = expect_confirmed(found.with_weights(weights), blocks, 1e-12, 0).relative
        assert relative < 1e-9


def test_responses_are_the_differences_of_slopes_and_the_transpose_of_moves():
    rng = np.random.default_rng(2)
    for found in all_kinks():
        weights, other = found.feasible.random(rng), found.feasible.random(rng)
        at = found.slopes(weights)
        change = 2.0**-20 * (other - weights)
        response = found.response(change, at.of_ties, weights)
        difference = found.slopes(weights + change).slopes - found.slopes(weights - change).slopes
        scale = np.abs(response).max()
        np.testing.assert_allclose(response, difference / 2, rtol=0, atol=1e-8 * scale)
        direction = rng.standard_normal(at.slopes.size)
        moves = found.moves(direction[None], weights)[0]
        along = float((at.of_ties[found.feasible.row] * change * moves).sum())
        assert along == pytest.approx(float(response @ direction), rel=1e-9, abs=1e-12 * scale)


def test_widths_are_those_that_each_entry_by_itself_shows():
    """Rules with absolute values in the place of factors, beside turning operations round entry by entry."""
    compared = set()
    rng = np.random.default_rng(3)
    for found in all_kinks():
        for node in found.flow.nodes:
            rule = widths.RULES.get(type(node))
            if not node.live or rule is None or node.value is None or np.size(node.value) > 200:
                continue
            width = rng.random(np.shape(node.value))
            pairs = zip(rule(node, width), widths.by_entry(node, width), node.operands, strict=True)
            for one, other, operand in pairs:
                assert (one is None) == (other is None)
                if one is not None:
                    shape = np.shape(operand.value)
                    np.testing.assert_allclose(
                        *(widths_of(x, shape) for x in (one, other)), rtol=1e-12, atol=1e-15
                    )
            compared.add(type(node).__name__)
    assert {
        "Matmul",
        "Elementwise",
        "Extremum",
        "Selected",
        "Absolute",
        "Choice",
        "Multiply",
        "Total",
    } <= compared


def widths_of(share, shape):
    from fastcheck.engines.graph.nodes.node import summed_to

    return summed_to(np.asarray(share), shape)


def test_ties_are_those_of_exactly_equal_numbers():
    near = np.array([0.0, 1e-300, -1e-300, np.nextafter(0, 1)])
    found = kinks(lambda p: np.sum(np.maximum(p["x"], 0)), {"x": near})
    assert [ties.entries.tolist() for ties in found.ties.values()] == [[0]]


def test_ties_that_move_alike_are_none():
    recording = recorded(
        lambda p: np.sum(np.maximum(p["x"] * 2.0, p["x"] + p["x"])), {"x": np.array([1.0, -2.0])}
    )
    assert kinks_of(recording, recording.flow(), 0) is None


def test_jumps_are_left_to_other_engines():
    report = check(
        lambda p: np.sum((p["x"] > 0) * 1.0 + p["x"]), {"x": np.array([0.0, 1.0])}, {"x": np.ones(2)}
    )
    assert report.method != "difference"


def at_kinks(p):
    return np.sum(np.maximum(p["x"], 0) * np.arange(1.0, 4.0)) + np.sum(np.abs(p["x"]) * p["x"].max())


THETA = {"x": np.array([0.0, -1.0, 0.0])}
CLAIM = {"x": np.array([0.5, -0.0, 2.0])}


def test_wrong_slopes_at_ties_are_not_certified(monkeypatch):
    """A rule that shares wrongly backwards, and rightly forwards."""
    right = ties.Ties.shared
    monkeypatch.setattr(ties.Ties, "shared", lambda self, amounts: right(self, amounts * (1 + 1e-6)))
    with pytest.raises(NotCertifiedError, match="did not confirm the slopes"):
        check(at_kinks, THETA, CLAIM, method="difference")


def test_wrong_options_of_ties_are_not_certified(monkeypatch):
    """Backwards and forwards alike: only exact differences to both sides show it."""
    right = slopes_at_kinks.ties_of

    def wrong(node, masks):
        found = right(node, masks)
        return found and dataclasses.replace(found, factor=found.factor * (1 + 1e-6))

    monkeypatch.setattr(slopes_at_kinks, "ties_of", wrong)
    with pytest.raises(NotCertifiedError, match="Exact differences of single operations"):
        check(at_kinks, THETA, CLAIM, method="difference")


def test_a_missed_tie_is_not_certified(monkeypatch):
    right = slopes_at_kinks.ties_of

    def blind(node, masks):
        found = right(node, masks)
        return None if type(node).__name__ == "Absolute" else found

    monkeypatch.setattr(slopes_at_kinks, "ties_of", blind)
    with pytest.raises(NotCertifiedError, match="kink"):
        check(at_kinks, THETA, CLAIM, method="difference")


def test_numbers_that_are_equal_and_do_not_move_are_no_kink():
    def entropy(p):
        s = np.maximum(p, 0)
        return np.sum(np.where(s > 0, s * np.log(np.where(s > 0, s, 1.0)), 0))

    x = np.array([-1.0, 0.5, 2.0, -0.3])
    right = np.where(x > 0, np.log(np.abs(x)) + 1, 0)
    report = check(entropy, x, right, method="difference")
    assert (report.verdict, report.notes) == ("pass", ())
    assert not check(entropy, x, right + np.array([0, 0, 0, 1e-3]), method="difference").passed


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_numbers_that_move_to_one_side_alone_are_a_kink(slope):
    def cost(p):
        s = np.maximum(0, p)
        return np.sum(np.where(s > 0, s, 0) + p)

    x = np.array([0.0, 1.0, -1.0])
    assert check(cost, x, np.array([1 + slope, 2.0, 1.0])).passed
    assert not check(cost, x, np.array([2.5 + slope, 2.0, 1.0])).passed
