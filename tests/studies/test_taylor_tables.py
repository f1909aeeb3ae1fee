"""Taylor remainders: rates 1 and 2 of right claims, linear terms of wrong ones, and what rates cannot see."""

import json
import math
import pickle

import numpy as np
import pytest

import fastcheck
from fastcheck import InvalidProblemError
from fastcheck.errors import PictureError
from fastcheck.studies.taylor_tables import linear_term_of, visible_error

RNG = np.random.default_rng(0)
W, X, Y = RNG.standard_normal((16, 20)) / 5, RNG.standard_normal((20, 8)), RNG.standard_normal((16, 8))


def cost(p):
    return np.sum((np.tanh(p["W"] @ X + p["b"]) - Y) ** 2) / 8 + 0.05 * np.sum(p["W"] ** 2)


THETA = {"W": W, "b": np.linspace(-1, 1, 16)[:, None]}


def right(p):
    T = np.tanh(p["W"] @ X + p["b"])
    dZ = 2 * (T - Y) * (1 - T * T) / 8
    return {"W": dZ @ X.T + 0.1 * p["W"], "b": dZ.sum(axis=1, keepdims=True)}


GRADIENT = right(THETA)


def without_penalty():
    return GRADIENT | {"W": GRADIENT["W"] - 0.1 * W}


def one_coordinate_doubled():
    dW = GRADIENT["W"].copy()
    dW[3, 5] *= 2
    return GRADIENT | {"W": dW}


def one_row_negated():
    dW = GRADIENT["W"].copy()
    dW[3] *= -1
    return GRADIENT | {"W": dW}


def times(factor):
    return {name: factor * g for name, g in GRADIENT.items()}


MISTAKES = {
    "x 1.01": times(1.01),
    "x 1.0001": times(1.0001),
    "no penalty": without_penalty(),
    "one coordinate": one_coordinate_doubled(),
    "one row": one_row_negated(),
}


@pytest.fixture(scope="module")
def report():
    return fastcheck.check(cost, THETA, GRADIENT)


def test_a_right_claim_has_rates_1_and_2_and_no_linear_term(report):
    table = report.taylor(directions=3)
    assert table.value == cost(THETA)
    assert len(table.directions) == 3
    for rows in table.directions:
        np.testing.assert_allclose(rows.change_rates[-2:], 1, atol=0.05)
        np.testing.assert_allclose(rows.remainder_rates, 2, atol=0.1)
        assert rows.above_noise.all()
        assert not rows.has_linear_term
        assert rows.linear_error < rows.visible / 5
    assert table.lowest_rate > 1.9


@pytest.mark.parametrize("claim", MISTAKES.values(), ids=MISTAKES)
def test_wrong_claims_have_the_linear_term_by_which_they_are_off(claim):
    report = fastcheck.check(cost, THETA, claim)
    assert not report.passed
    v = {"W": RNG.standard_normal(W.shape) / 5, "b": RNG.standard_normal((16, 1)) / 5}
    (rows,) = report.taylor(v).directions
    off = sum(float(np.sum((GRADIENT[name] - claim[name]) * v[name])) for name in v)
    assert rows.has_linear_term
    assert abs(rows.linear_term - off) <= rows.linear_error < 0.1 * abs(off)


def test_rates_do_not_see_a_mistake_below_what_the_table_names_and_see_one_above(report):
    (rows,) = report.taylor().directions
    share = rows.visible / abs(rows.slope)
    assert 1e-5 < share < 0.1
    for sign in (1, -1):
        seen = report.taylor(gradients=times(1 + sign * 1.2 * share))
        assert seen.lowest_rate <= 1.9
    passing = [report.taylor(gradients=times(1 + sign * 0.7 * share)) for sign in (1, -1)]
    assert any(table.lowest_rate > 1.9 for table in passing)
    assert all(table.directions[0].has_linear_term for table in passing)


def test_directions_in_one_block_tell_which_block_is_wrong():
    report = fastcheck.check(cost, THETA, GRADIENT | {"b": 1.5 * GRADIENT["b"]})
    rows = {rows.name: rows for rows in report.taylor(by_block=True).directions}
    assert [name for name, one in rows.items() if one.has_linear_term] == ["b"]
    assert list(rows) == ["W", "b"]
    named = [rows.name for rows in report.taylor(by_block=True, directions=2).directions]
    assert named == [f"{block}, random direction {k}" for k in (1, 2) for block in ("W", "b")]


def test_rows_below_rounding_are_marked_and_have_no_rate():
    w = np.array([1.0, -2.0, 0.5])
    report = fastcheck.check(lambda w: np.sum(np.exp(w)), w, np.exp(w))
    (rows,) = report.taylor(steps=40).directions
    below = ~rows.above_noise
    assert below[-10:].all()
    assert not below[:5].any()
    assert np.isnan(rows.remainder_rates[below[1:]]).all()
    assert rows.lowest_rate > 1.9
    shown = str(report.taylor(steps=40)).splitlines()
    assert sum(line.endswith("rounding") for line in shown) == below.sum()


def test_of_a_linear_cost_all_remainders_are_rounding_unless_the_claim_is_wrong():
    b = np.linspace(-1, 1, 5)
    report = fastcheck.check(lambda w: w @ b, np.ones(5), b)
    table = report.taylor()
    assert math.isnan(table.lowest_rate)
    assert not table.directions[0].has_linear_term
    assert "No two neighbouring remainders are above rounding" in str(table)
    wrong = report.taylor(gradients=1.001 * b)
    np.testing.assert_allclose(wrong.directions[0].remainder_rates, 1, atol=1e-6)
    assert wrong.directions[0].has_linear_term


def test_where_the_cost_is_not_defined_there_is_no_remainder():
    def root(w):
        if w[0] < 0:
            raise ValueError("outside")
        return np.sqrt(w[0])

    report = fastcheck.check(root, np.array([0.25]), np.array([1.0]))
    table = report.taylor(np.array([-1.0]), start=1.0)
    (rows,) = table.directions
    assert np.isnan(rows.changes[:2]).all()
    assert np.isfinite(rows.changes[2:]).all()
    assert "J is not defined" in str(table)


def test_the_linear_term_of_polynomials_is_extrapolated():
    h = 0.01 / 2.0 ** np.arange(6)
    for a in (0.0, 1e-6, -3e-4):
        term, error = linear_term_of(h, a * h + h**2 - 0.3 * h**3, np.full(6, 1e-17))
        assert abs(term - a) <= error < 1e-5
    assert linear_term_of(h, h * math.nan, h)[1] == math.inf


def test_what_rates_see_of_a_square_is_0_67_of_its_curvature():
    # |x + 1| / |x/2 + 1/4| = 2^1.9 at x = 0.077 and, of the other sign, at -0.67: x is e over h of the last pair.
    h = 0.01 / 2.0 ** np.arange(6)
    seen = visible_error(h, h**2, np.full(6, 1e-20), 1.0)
    assert 0.6 * h[-2] < seen < 0.8 * h[-2]


def test_most_mistakes_pass_the_rates_of_some_direction_where_no_check_passes():
    rng = np.random.default_rng(0)
    V, inputs, wanted = (rng.standard_normal(shape) for shape in ((64, 100), (100, 32), (64, 32)))
    V /= 10

    def loss(p):
        return np.sum((np.tanh(p["V"] @ inputs) - wanted) ** 2) / 64 + np.sum(p["V"] ** 2) / 640

    out = np.tanh(V @ inputs)
    g = 2 * (out - wanted) * (1 - out**2) @ inputs.T / 64 + 2 * V / 640
    doubled, negated = g.copy(), g.copy()
    doubled[3, 5] *= 2
    negated[3] *= -1
    report = fastcheck.check(loss, {"V": V}, {"V": g})
    mistakes = [1.01 * g, 1.0001 * g, 1.000001 * g, g - 2 * V / 640, doubled, negated]

    def passing(claim):
        table = report.taylor(gradients={"V": claim}, directions=20, steps=4)
        return sum(rows.lowest_rate > 1.9 for rows in table.directions)

    assert passing(g) == 20
    assert [passing(claim) > 3 for claim in mistakes] == [True] * 5 + [False]
    assert not any(fastcheck.check(loss, {"V": V}, {"V": claim}).passed for claim in mistakes)


# --- text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"directions": 2}, {"directions": 7}, {"by_block": True}], ids=str)
def test_the_table_has_80_columns(report, options):
    lines = str(report.taylor(**options)).splitlines()
    assert 70 < max(map(len, lines)) <= 80


def test_the_text_says_what_rates_miss_and_what_the_check_saw(report):
    text = " ".join(str(report.taylor()).split())
    assert "The lowest rate of the remainder is 2.0" in text
    assert "By rates alone (> 1.9) mistakes pass" in text
    assert "The check compared all 336 coordinates, each to its own bound, and would have caught" in text
    wrong = fastcheck.check(cost, THETA, times(1.0001))
    text = " ".join(str(wrong.taylor()).split())
    assert "above 1.9. The remainder has a linear term, ⟨∇J − g, v⟩ = " in text
    assert "each to its own bound: fail." in text
    wrong = fastcheck.check(cost, THETA, times(1.1))
    many = " ".join(str(wrong.taylor(directions=7)).split())
    assert "random direction 5 and 2 more the remainder has a linear term" in many


def test_names_of_blocks_cannot_break_the_table():
    parameters = {f"layer\n{'x' * 60}{k}": np.ones(2) for k in range(5)}
    claim = {name: 2 * np.ones(2) for name in parameters}
    report = fastcheck.check(lambda p: sum(np.sum(w**2) for w in p.values()), parameters, claim)
    assert max(map(len, str(report.taylor(by_block=True)).splitlines())) <= 80


# --- what is asked --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"direction": {"W": W}},
            r"direction: expected b of shape \(16, 1\), as in the parameters, got none",
        ),
        ({"direction": {"W": W.T, "b": THETA["b"]}}, r"direction: expected W of shape \(16, 20\)"),
        ({"direction": {"W": 0 * W, "b": 0 * THETA["b"]}}, "direction: expected a change of the parameters"),
        ({"direction": THETA, "directions": 2}, "directions: expected 1 where a direction is given, got 2"),
        ({"directions": 0}, "directions: expected a whole number from 1, got 0"),
        ({"steps": 3}, "steps: expected a whole number from 4 to 60, got 3"),
        ({"steps": 1e9}, "steps: expected a whole number"),
        ({"start": 0}, "start: expected the largest step h, a positive number"),
        ({"start": math.nan}, "start: expected the largest step h"),
        ({"seed": -1}, "seed: expected a non-negative whole number"),
        ({"by_block": "W"}, "by_block: expected True or False, got 'W'"),
        ({"gradients": {"W": W}}, "missing gradient block"),
    ],
)
def test_what_does_not_fit_is_named(report, arguments, message):
    with pytest.raises(InvalidProblemError, match=message):
        report.taylor(**arguments)


def test_a_report_that_was_kept_says_what_it_does_not_hold(report):
    kept = fastcheck.Report.from_dict(json.loads(json.dumps(report.to_dict())))
    for one in (kept, pickle.loads(pickle.dumps(report))):
        with pytest.raises(PictureError, match=r"for Taylor remainders, got none\. A report that was read"):
            one.taylor()


def test_a_cost_that_has_changed_since_has_no_table():
    data = np.ones(3)
    report = fastcheck.check(lambda w: np.sum(data * w), np.ones(3), np.ones(3))
    data *= 2
    with pytest.raises(PictureError, match="got none: the cost returns another number"):
        report.taylor()


def test_the_same_seed_gives_the_same_table_and_another_one_another(report):
    first, again, other = (report.taylor(seed=seed).directions[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.remainders, again.remainders)
    assert first.slope != other.slope


def test_large_claims_are_not_kept_but_may_be_passed_or_computed_again(monkeypatch):
    from fastcheck.studies import problem_study

    monkeypatch.setattr(problem_study, "MOST_CLAIMS_KEPT", 100)
    report = fastcheck.check(cost, THETA, GRADIENT)
    with pytest.raises(
        InvalidProblemError, match=r"of 336 parameters the claim was not kept. Pass it: report.taylor"
    ):
        report.taylor()
    assert report.taylor(gradients=GRADIENT).lowest_rate > 1.9
    assert fastcheck.check(cost, THETA, right).taylor().lowest_rate > 1.9


@pytest.mark.parametrize("method", ["plain", "reference"])
def test_every_way_of_checking_has_a_table(method):
    w = np.array([1.0, -2.0])
    report = fastcheck.check(lambda w: np.sum(np.exp(w)), w, np.exp(w), method=method)
    assert report.taylor().lowest_rate > 1.9


def test_a_table_shows_its_text_in_a_notebook_and_is_one_line_in_a_list(report):
    table = report.taylor(seed=1)
    assert table._repr_html_().startswith("<pre>Taylor remainders of J")
    assert repr(table).startswith("<TaylorTable of 1 direction: lowest rate ")
