"""Complex parameters: claims in the declared convention are right, others are named."""

import dataclasses
import functools
import json

import numpy as np
import pytest

import fastcheck
from fastcheck import InvalidProblemError
from fastcheck.problem.special.conventions import COMPLEX

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


A, B, Z = normal(6, 4), normal(6), normal(4)
THETA = {"z": Z, "w": np.array([0.5, -1.0])}


def cost(p):
    return np.sum(np.abs(A @ p["z"] - B) ** 2) + np.sum(p["w"] ** 2) * np.real(np.vdot(p["z"], p["z"]))


def ascent(p):
    z, w = p["z"], p["w"]
    return {
        "z": 2 * A.conj().T @ (A @ z - B) + 2 * np.sum(w**2) * z,
        "w": 2 * w * np.real(np.vdot(z, z)),
    }


IN = {
    "ascent": lambda G: G,
    "conjugate": np.conj,
    "dz": lambda G: G.conj() / 2,
    "dzbar": lambda G: G / 2,
}


def claim_in(convention):
    claim = ascent(THETA)
    return claim | {"z": IN[convention](claim["z"])}


@pytest.mark.parametrize("method", ["auto", "plain"])
@pytest.mark.parametrize("convention", COMPLEX)
def test_a_claim_is_right_in_its_convention_and_wrong_by_a_hundredth(convention, method):
    claim = claim_in(convention)
    report = fastcheck.check(cost, THETA, claim, complex_gradient=convention, method=method)
    assert report.passed
    assert list(report.blocks) == ["z.real", "z.imag", "w"]
    claim["z"] = claim["z"].copy()
    claim["z"][2] *= 1.01
    wrong = fastcheck.check(cost, THETA, claim, complex_gradient=convention, method=method)
    assert [name for name, block in wrong.blocks.items() if block.wrong] == ["z.real", "z.imag"]
    assert {coordinate.name for coordinate in wrong.worst if coordinate.error > 1e-5} == {
        "z.real[2]",
        "z.imag[2]",
    }


def test_the_first_convention_is_that_of_steepest_ascent():
    assert fastcheck.check(cost, THETA, ascent).passed
    step = {"z": Z - 1e-4 * ascent(THETA)["z"], "w": THETA["w"]}
    assert cost(step) < cost(THETA)


@pytest.mark.parametrize(
    ("declared", "claimed", "what"),
    [
        ("ascent", "conjugate", "dz is the conjugate of the gradient: right as ∂J/∂Re z − i ∂J/∂Im z"),
        ("ascent", "dzbar", "dz is half of the gradient: right as ∂J/∂z̄"),
        ("ascent", "dz", "dz is half of the conjugate of the gradient: right as ∂J/∂z ="),
        ("conjugate", "ascent", "dz is the conjugate of the gradient: right as ∂J/∂Re z + i ∂J/∂Im z"),
        ("dz", "conjugate", "dz is twice the gradient"),
        ("dzbar", "conjugate", "dz is twice the conjugate of the gradient"),
    ],
)
def test_a_claim_that_is_right_in_another_convention_is_named_as_such(declared, claimed, what):
    report = fastcheck.check(cost, THETA, claim_in(claimed), complex_gradient=declared)
    assert not report.passed
    (cause,) = report.causes
    assert cause.kind == "another convention"
    assert cause.certain
    assert cause.sentence.startswith(what)
    assert f"complex_gradient={claimed!r} reads it so" in cause.sentence
    assert "w" not in cause.blocks
    assert fastcheck.Report.from_dict(json.loads(json.dumps(report.to_dict()))).causes == report.causes


def test_each_parameter_may_have_another_convention_and_another_mistake():
    def two(p):
        return np.sum(np.abs(p["u"]) ** 2) + np.sum(np.abs(p["v"]) ** 4) + np.sum(p["b"] ** 2)

    u, v, b = normal(3), normal(2), np.ones(2)
    right = {"u": 2 * u, "v": 4 * np.abs(v) ** 2 * v, "b": 2 * b}
    assert fastcheck.check(two, {"u": u, "v": v, "b": b}, right).passed
    claim = {"u": 2 * u.conj(), "v": right["v"] / 2, "b": 3 * b}
    causes = fastcheck.check(two, {"u": u, "v": v, "b": b}, claim).causes
    assert "conjugate of the gradient" in causes[0].sentence
    assert causes[0].blocks == ("u.imag",)
    assert "dv is half of the gradient" in causes[1].sentence
    assert causes[2].blocks == ("b",)


def test_where_coordinates_were_drawn_another_convention_is_not_certain():
    big = normal(300)
    report = fastcheck.check(
        lambda p: np.sum(np.abs(p["z"]) ** 2), {"z": big}, {"z": 2 * big.conj()}, coordinates=10
    )
    (cause,) = report.causes
    assert cause.kind == "another convention"
    assert not cause.certain


def test_a_conjugate_left_out_of_the_product_is_a_mistake_in_every_convention():
    claim = ascent(THETA) | {"z": 2 * A.T @ (A @ Z - B)}
    report = fastcheck.check(cost, THETA, claim)
    assert not report.passed
    assert all(cause.kind != "another convention" for cause in report.causes)


def test_lines_of_the_report_are_the_users():
    report = fastcheck.check(cost, THETA, ascent(THETA) | {"z": 3 * ascent(THETA)["z"]})
    lines = [line for cause in report.causes for line in cause.lines]
    assert all("test_complex_parameters" in line.file for line in lines)


def test_the_report_says_how_the_claim_was_read():
    text = str(fastcheck.check(cost, THETA, ascent))
    assert "z is complex: its blocks are z.real and z.imag" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        (Z, ["theta.real", "theta.imag"]),
        ([Z, np.ones(2)], ["[0].real", "[0].imag", "[1]"]),
        ({"layers": [{"z": Z}]}, ["layers[0].z.real", "layers[0].z.imag"]),
        ({"z": 1.5 - 2j}, ["z.real", "z.imag"]),
        ({"z": np.array(1.5 - 2j)}, ["z.real", "z.imag"]),
        ({"z": normal(2, 3)}, ["z.real", "z.imag"]),
    ],
    ids=["array", "list", "nested", "number", "no axes", "matrix"],
)
@pytest.mark.parametrize("method", ["auto", "plain"])
def test_structures_keep_their_shape(parameters, names, method):
    def square(p):
        leaves = []

        def walk(part):
            if isinstance(part, dict):
                [walk(one) for one in part.values()]
            elif isinstance(part, list):
                [walk(one) for one in part]
            else:
                leaves.append(part)

        walk(p)
        return sum(np.sum(np.real(leaf * np.conj(leaf))) for leaf in leaves)

    def doubled(part):
        if isinstance(part, dict):
            return {key: doubled(one) for key, one in part.items()}
        return [doubled(one) for one in part] if isinstance(part, list) else 2 * part

    report = fastcheck.check(square, parameters, doubled, method=method)
    assert report.passed
    assert list(report.blocks) == names
    assert not fastcheck.check(square, parameters, lambda p: doubled(doubled(p)), method=method).passed


def test_single_precision_is_held_to_its_own_tolerance():
    theta = {"z": Z.astype(np.complex64), "w": THETA["w"]}
    claim = ascent({"z": theta["z"].astype(complex), "w": theta["w"]})
    report = fastcheck.check(cost, theta, claim | {"z": claim["z"].astype(np.complex64)})
    assert report.passed
    off = claim | {"z": (1.001 * claim["z"]).astype(np.complex64)}
    assert not fastcheck.check(cost, theta, off).passed


def test_a_real_claim_has_no_imaginary_part():
    claim = ascent(THETA)
    report = fastcheck.check(cost, THETA, claim | {"z": claim["z"].real})
    assert [name for name, block in report.blocks.items() if block.wrong] == ["z.imag"]


def test_nothing_of_the_callers_changes():
    z, G = Z.copy(), ascent(THETA)["z"]
    kept = G.copy()

    def writing(p):
        p["z"] *= 2
        return np.sum(np.abs(p["z"]) ** 2)

    assert fastcheck.check(writing, {"z": z}, {"z": 8 * z}).passed
    fastcheck.check(cost, {"z": z, "w": THETA["w"]}, ascent(THETA) | {"z": G})
    np.testing.assert_array_equal(z, Z)
    np.testing.assert_array_equal(G, kept)


def test_samples_budgets_and_earlier_parameters_are_those_of_the_blocks():
    claim = ascent(THETA)
    assert fastcheck.check(cost, THETA, claim, coordinates=2, method="plain").checked == 6
    assert fastcheck.check(cost, THETA, claim, coordinates=["z.imag[1]"]).checked == 1
    assert fastcheck.check(cost, THETA, claim, max_forward_passes=200).passed
    earlier = {"z": Z + 0.1, "w": THETA["w"]}
    stale = ascent(earlier)
    report = fastcheck.check(cost, THETA, stale, previous=earlier)
    assert any("previous" in cause.sentence for cause in report.causes)


def test_the_numerical_gradient_of_complex_parameters_is_complex():
    numerical = fastcheck.numerical_gradient(cost, THETA)
    np.testing.assert_allclose(numerical["z"], ascent(THETA)["z"], rtol=1e-12)
    np.testing.assert_allclose(numerical["w"], ascent(THETA)["w"], rtol=1e-12)


def test_a_backward_pass_may_have_complex_parameters():
    def forward(X, Y, p):
        return cost(p), p

    def backward(X, Y, cache, factor=1):
        return {"dz": factor * ascent(cache)["z"], "dw": ascent(cache)["w"]}

    assert fastcheck.check_backprop(forward, backward, THETA, A, B).passed
    wrong = functools.partial(backward, factor=1.5)
    report = fastcheck.check_backprop(forward, wrong, THETA, A, B)
    assert not report.passed
    assert report.blocks["w"].wrong == 0


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"complex_gradient": "pytorch"}, r"complex_gradient: expected a convention \('ascent': ∂J/∂Re z"),
        ({"complex_gradient": 1, "parameters": {"w": np.ones(2)}}, "complex_gradient: expected a convention"),
        ({"gradients": {"z": Z}}, "missing gradient block dw"),
        ({"gradients": {"z": Z[:2], "w": THETA["w"]}}, r"gradient of z.real: expected shape \(4,\)"),
        (
            {"gradients": {"z": None, "w": THETA["w"]}},
            "gradient of z.real: expected a float NumPy array, got None",
        ),
        ({"gradients": {"z": Z * np.nan, "w": THETA["w"]}}, "gradient of z.real: expected finite numbers"),
        ({"gradients": {"z": Z, "w": 1j * THETA["w"]}}, "gradient of w: expected dtype float64.*real"),
        ({"parameters": THETA | {"z": Z * np.inf}}, "parameter z: expected finite numbers, got 4 of 4"),
        ({"cost": 3.0}, "cost: expected a function"),
        ({"cost": lambda: 1.0}, r"cost: expected a function that can be called as cost\(parameters\)"),
        ({"gradients": lambda: 1.0}, "gradients: expected a function that can be called"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    arguments = {"cost": cost, "parameters": THETA, "gradients": ascent(THETA)} | changes
    with np.errstate(all="ignore"), pytest.raises(InvalidProblemError, match=message):
        fastcheck.check(**arguments)


@pytest.mark.parametrize("ask", [fastcheck.screen, fastcheck.locate])
def test_entry_points_without_complex_parameters_name_the_one_that_has_them(ask):
    with pytest.raises(
        InvalidProblemError,
        match=r"parameter z: .*fastcheck\.check takes complex .*'re': z.real, 'im': z.imag",
    ):
        ask(cost, THETA, ascent(THETA))


def test_every_relation_between_two_conventions_has_words():
    for one in COMPLEX.values():
        for other in COMPLEX.values():
            assert one is other or one.seen_from(other)
    assert dataclasses.fields(fastcheck.Report)
