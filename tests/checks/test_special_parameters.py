"""Parameters that are symmetric, on a manifold or held: right and wrong claims, and claims that are meant otherwise."""

import numpy as np
import pytest

import fastcheck
from fastcheck import InvalidProblemError

RNG = np.random.default_rng(0)

# --- symmetric ----------------------------------------------------------------------------------------------------

B = RNG.standard_normal((4, 4))
S = B + B.T + 6 * np.eye(4)


def log_likelihood(p):
    return np.sum(p["S"] * B) + np.log(np.linalg.det(p["S"])) + np.sum(p["b"] ** 2)


FULL = B + np.linalg.inv(S).T
SYMMETRIC = (FULL + FULL.T) / 2
ENTRIES = 2 * SYMMETRIC - np.diag(np.diag(FULL))
THETA = {"S": S, "b": np.ones(2)}
DB = 2 * np.ones(2)

CONVENTIONS = {
    "the full gradient": (FULL, "full"),
    "its symmetric part": (SYMMETRIC, "full"),
    "doubled off-diagonals": (ENTRIES, "entries"),
    "a lower triangle": (np.tril(ENTRIES), "entries"),
    "an upper triangle": (np.triu(ENTRIES), "entries"),
}


@pytest.mark.parametrize("method", ["auto", "plain"])
@pytest.mark.parametrize(("claim", "convention"), CONVENTIONS.values(), ids=CONVENTIONS)
def test_claims_along_symmetric_matrices(claim, convention, method):
    options = {"symmetric": {"S": convention}, "method": method}
    report = fastcheck.check(log_likelihood, THETA, {"S": claim, "b": DB}, **options)
    assert report.passed
    assert any("S is symmetric: compared along symmetric matrices only" in note for note in report.notes)
    wrong = claim.copy()
    wrong[2, 2] *= 1.01
    report = fastcheck.check(log_likelihood, THETA, {"S": wrong, "b": DB}, **options)
    assert [coordinate.name for coordinate in report.worst if coordinate.error > 1e-6] == ["S[2, 2]"]


def test_the_antisymmetric_part_of_a_claim_does_not_count_and_the_symmetric_part_does():
    off = np.zeros((4, 4))
    off[1, 2], off[2, 1] = 0.3, -0.3
    assert fastcheck.check(log_likelihood, THETA, {"S": FULL + off, "b": DB}, symmetric="S").passed
    report = fastcheck.check(log_likelihood, THETA, {"S": FULL + np.abs(off), "b": DB}, symmetric=["S"])
    assert report.blocks["S"].wrong == 2
    assert not fastcheck.check(log_likelihood, THETA, {"S": SYMMETRIC, "b": DB}).passed


@pytest.mark.parametrize(
    ("claim", "declared", "words", "other"),
    [
        (ENTRIES, "full", "dS counts off-diagonal entries twice", "entries"),
        (SYMMETRIC, "entries", "dS counts off-diagonal entries once", "full"),
    ],
)
def test_a_claim_in_the_other_convention_is_named_as_such(claim, declared, words, other):
    report = fastcheck.check(log_likelihood, THETA, {"S": claim, "b": DB}, symmetric={"S": declared})
    (cause,) = report.causes
    assert cause.sentence.startswith(words)
    assert f"symmetric={{'S': '{other}'}} reads it so" in cause.sentence
    assert cause.certain


def test_many_symmetric_matrices_in_one_array():
    many = np.stack([S, S + np.eye(4)])
    report = fastcheck.check(lambda A: np.sum(A**2 * B), many, 2 * many * B, symmetric="theta")
    assert report.passed
    assert not fastcheck.check(lambda A: np.sum(A**2 * B), many, 2.01 * many * B, symmetric="theta").passed


# --- on a manifold ------------------------------------------------------------------------------------------------

M = B + B.T
X = np.array([0.5, -0.5, 0.1, 0.7])
X /= np.sqrt(X @ X)
EUCLIDEAN = 2 * M @ X + 3 * X**2
RIEMANNIAN = EUCLIDEAN - X * (X @ EUCLIDEAN)


def on_sphere(x):
    return x @ M @ x + np.sum(x**3)


def to_sphere(x, v):
    return (x + v) / np.sqrt(np.sum((x + v) ** 2))


@pytest.mark.parametrize("method", ["auto", "plain"])
def test_a_riemannian_gradient_is_right_along_its_manifold(method):
    options = {"retract": to_sphere, "method": method}
    report = fastcheck.check(on_sphere, X, RIEMANNIAN, **options)
    assert report.passed
    assert any("moves along its manifold" in note for note in report.notes)
    assert report.unseen == ()
    assert fastcheck.check(on_sphere, X, lambda x: RIEMANNIAN, **options).passed
    wrong = RIEMANNIAN.copy()
    wrong[1] += 0.01
    assert fastcheck.check(on_sphere, X, wrong, **options).blocks["theta"].wrong == 1
    assert not fastcheck.check(on_sphere, X, RIEMANNIAN, method=method).passed


def test_the_gradient_in_all_of_space_is_named_as_such():
    report = fastcheck.check(on_sphere, X, EUCLIDEAN, retract=to_sphere)
    (cause,) = report.causes
    assert cause.sentence.startswith("dtheta is the gradient in all of space, not along the manifold")


def cross(w):
    zero = 0 * w[0]
    return np.array([[zero, -w[2], w[1]], [w[2], zero, -w[0]], [-w[1], w[0], zero]])


def rotate(R, w):
    half = cross(w) / 2
    return R @ np.linalg.solve(np.eye(3) - half, np.eye(3) + half)


R, T = np.linalg.qr(RNG.standard_normal((3, 3)))[0], RNG.standard_normal(3)
POINTS, SEEN = RNG.standard_normal((2, 3, 7))


def alignment(p):
    return np.sum((p["R"] @ POINTS + p["t"][:, None] - SEEN) ** 2)


def pose_gradient(p):
    error = 2 * (p["R"] @ POINTS + p["t"][:, None] - SEEN)
    G = p["R"].T @ error @ POINTS.T
    return {
        "dR": np.array([G[2, 1] - G[1, 2], G[0, 2] - G[2, 0], G[1, 0] - G[0, 1]]),
        "dt": error.sum(axis=1),
    }


@pytest.mark.parametrize("method", ["auto", "plain"])
def test_tangents_may_have_other_coordinates_than_points(method):
    theta = {"R": R, "t": T}
    report = fastcheck.check(alignment, theta, pose_gradient, retract={"R": rotate}, method=method)
    assert report.passed
    assert report.blocks["R"].shape == (3,)
    claim = pose_gradient(theta)
    claim["dR"] = -claim["dR"]
    report = fastcheck.check(alignment, theta, claim, retract={"R": rotate}, method=method)
    assert [name for name, block in report.blocks.items() if block.wrong] == ["R"]


# --- held ---------------------------------------------------------------------------------------------------------


def test_a_parameter_that_is_held_needs_no_claim_and_is_not_checked():
    theta = {"R": R, "t": T}
    claim = {"t": pose_gradient(theta)["dt"]}
    report = fastcheck.check(alignment, theta, claim, held_constant="R")
    assert report.passed
    assert list(report.blocks) == ["t"]
    assert "R was held constant on purpose, and not checked (held_constant)." in report.notes
    assert not fastcheck.check(alignment, theta, {"t": 1.1 * claim["t"]}, held_constant=["R"]).passed
    both = {"R": np.full((3, 3), 7.0), "t": claim["t"]}
    assert fastcheck.check(alignment, theta, both, held_constant={"R"}).passed


def test_held_parameters_may_be_complex_nested_or_in_lists():
    def cost(p):
        return np.sum(np.abs(p["layer"]["z"]) ** 2) * np.sum(p["layer"]["w"] ** 2)

    theta = {"layer": {"z": np.array([1j, 2.0]), "w": np.ones(3)}}
    assert fastcheck.check(cost, theta, {"layer": {"w": 10 * np.ones(3)}}, held_constant="layer.z").passed
    pair = [np.ones(2), np.full(2, 3.0)]
    claim = [np.zeros(2), np.ones(2)]
    assert fastcheck.check(lambda p: np.sum(p[0] * p[1]), pair, claim, held_constant="[0]").passed


def test_all_kinds_together():
    z = np.array([1 + 2j, -1j])
    theta = {"z": z, "S": S, "x": X, "b": np.ones(2), "w": np.array([2.0, 3.0])}

    def cost(p):
        return (
            np.sum(np.abs(p["z"]) ** 2) * np.sum(p["w"])
            + np.sum(p["S"] * B)
            + on_sphere(p["x"])
            + np.sum(p["b"] * p["w"])
        )

    claim = {"z": 5 * z.conj(), "S": B, "x": RIEMANNIAN, "w": 6 + np.ones(2)}
    options = {"complex_gradient": "dz", "symmetric": "S", "retract": {"x": to_sphere}, "held_constant": "b"}
    report = fastcheck.check(cost, theta, claim, **options)
    assert report.passed
    assert list(report.blocks) == ["z.real", "z.imag", "S", "x", "w"]
    for name in claim:
        wrong = claim | {name: claim[name] + 0.01 * RNG.standard_normal(claim[name].shape)}
        report = fastcheck.check(cost, theta, wrong, **options)
        failing = [block for block, one in report.blocks.items() if one.wrong]
        assert failing
        assert all(block.startswith(name) for block in failing)


def test_taylor_tables_take_directions_and_claims_as_the_user_writes_them():
    z = np.array([1 + 2j, -1j])
    theta = {"z": z, "x": X}

    def cost(p):
        return np.sum(np.abs(p["z"]) ** 4) + on_sphere(p["x"])

    claim = {"z": 4 * np.abs(z) ** 2 * z, "x": RIEMANNIAN}
    report = fastcheck.check(cost, theta, claim, retract={"x": to_sphere})
    assert report.passed
    direction = {"z": np.array([0.5j, 1.0]), "x": np.array([0.1, 0.2, 0.3, 0.4])}
    right = report.taylor(direction)
    slope = np.real(np.vdot(claim["z"], direction["z"])) + RIEMANNIAN @ direction["x"]
    np.testing.assert_allclose(right.directions[0].slope, slope, rtol=1e-12)
    assert right.lowest_rate > 1.9
    for wrong in (claim | {"z": claim["z"].conj()}, lambda p: claim | {"x": 2 * RIEMANNIAN}):
        assert report.taylor(direction, gradients=wrong).directions[0].has_linear_term
    with pytest.raises(InvalidProblemError, match="direction: expected x, as in the parameters, got z"):
        report.taylor({"z": z})


def test_an_object_may_hold_complex_parameters():
    class Filter:
        def __init__(self):
            self.H = np.array([1 + 2j, 3 - 1j])
            self.b = np.ones(2)

        def loss(self, factor=1.0):
            self.dH, self.db = factor * 2 * self.H, 2 * self.b
            return np.sum(np.abs(self.H) ** 2) + np.sum(self.b**2)

    filtering = Filter()
    report = fastcheck.check_object(filtering, filtering.loss)
    assert report.passed
    assert list(report.blocks) == ["H.real", "H.imag", "b"]
    assert not fastcheck.check_object(filtering, filtering.loss, 1.1).passed
    np.testing.assert_array_equal(filtering.H, [1 + 2j, 3 - 1j])


def test_layers_of_complex_inputs_say_what_to_do():
    with pytest.raises(InvalidProblemError, match=r"got an array of complex128.*np\.sum\(\(dout"):
        fastcheck.check_layer(lambda z: 2 * z, lambda dout, cache: 2 * dout, np.ones(2) * 1j)


def test_parameters_that_contain_themselves_twice_are_named_at_once():
    theta = [1.0]
    theta += [theta, theta]
    with pytest.raises(InvalidProblemError, match="contain itself"):
        fastcheck.check(lambda p: p[0], theta, theta)


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symmetric": "Q"}, "symmetric: expected one of S, b, N, z, got 'Q'"),
        ({"symmetric": 3}, "symmetric: expected the name of a parameter, or a list of names, got 3"),
        ({"symmetric": {"S": "lower"}}, "symmetric: expected a convention for S .*got 'lower'"),
        ({"symmetric": "b"}, r"symmetric: expected b to be a square matrix, got shape \(2,\)"),
        (
            {"symmetric": "N"},
            r"symmetric: expected N to be symmetric, got a matrix that differs .*Pass \(S \+ S\.T\) / 2",
        ),
        ({"symmetric": "z"}, "symmetric: expected z to be real"),
        ({"symmetric": "S", "held_constant": "S"}, "held_constant: S is named by symmetric, too"),
        (
            {"retract": to_sphere},
            "retract: expected a dict from names of parameters to functions, as there are 4",
        ),
        ({"retract": "sphere"}, "retract: expected a function .*got str"),
        ({"retract": {"b": 1}}, "retract: expected a function for b, got int"),
        ({"retract": {"c": to_sphere}}, "retract: expected one of S, b"),
        ({"retract": {"z": to_sphere}}, "retract: expected z to be real"),
        ({"retract": {"b": lambda b, v: b + 1}}, r"retract: expected retract\(b, 0\) to be b itself"),
        ({"retract": {"b": lambda b, v: b + v / np.sqrt(v @ v)}}, "Does it divide by the length of v"),
        (
            {"retract": {"b": lambda b, v: b[:1]}},
            r"retract: expected a point of the shape of b, \(2,\), got .*\(1,\)",
        ),
        ({"retract": {"b": lambda b: b}}, "retract: called with b and zeros .* it raised TypeError"),
        (
            {"retract": {"b": to_sphere}, "previous": {"b": np.ones(2)}},
            "retract.*away|previous: expected None",
        ),
        ({"held_constant": ["S", "b", "N", "z"]}, "held_constant: all parameters are held constant"),
        ({"held_constant": "bb"}, "held_constant: expected one of .* Did you mean b"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    theta = {"S": S, "b": np.ones(2), "N": B, "z": np.ones(2) * 1j}
    claim = {name: np.ones_like(value) for name, value in theta.items()}
    with np.errstate(all="ignore"), pytest.raises(InvalidProblemError, match=message):
        fastcheck.check(lambda p: 1.0 + np.sum(p["b"]), theta, claim, **options)


def test_earlier_parameters_have_no_tangent():
    with pytest.raises(
        InvalidProblemError, match="previous: expected None, as theta is a point on a manifold"
    ):
        fastcheck.check(on_sphere, X, RIEMANNIAN, retract=to_sphere, previous=X)
