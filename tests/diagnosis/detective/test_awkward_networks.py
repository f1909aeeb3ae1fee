"""What is said of costs without source, of many blocks, of single precision, and of two mistakes in either order."""

from types import SimpleNamespace

import numpy as np
import pytest

from fastcheck import check, numerical_gradient
from fastcheck.diagnosis.detective.mutations.operands import place_of
from fastcheck.report.causes import ORDER

RNG = np.random.default_rng(1)
X = RNG.standard_normal((6, 3))
THETA = {"W": RNG.standard_normal((3, 4)), "V": RNG.standard_normal((4, 2))}
SOURCE = """
def cost(p):
    return np.sum((np.tanh(X @ p["W"]) @ p["V"]) ** 2)

def gradients(p):
    h = np.tanh(X @ p["W"])
    d = 2 * h @ p["V"]
    return {"W": X.T @ (d @ p["V"].T), "V": 3 * h.T @ d}
"""


def cost(p):
    return np.sum((np.tanh(X @ p["W"]) @ p["V"]) ** 2)


def in_a_loop(p):
    a = X
    for name in p:
        a = np.tanh(a @ p[name])
    return np.sum(a**2)


def lines(report):
    text = str(report)
    assert max(map(len, text.splitlines())) <= 80
    return text


@pytest.mark.parametrize("file", ["<string>", "<ipython-input-3>"])
def test_without_source_nothing_is_quoted_and_nothing_said_twice(file):
    names = {"np": np, "X": X}
    exec(compile(SOURCE, file, "exec"), names)
    report = check(names["cost"], THETA, names["gradients"])
    told = [cause.sentence for cause in report.causes if cause.kind != ORDER]
    parts = [frozenset(sentence.removeprefix("two mistakes: ").split("; and ")) for sentence in told]
    assert told
    assert len(set(parts)) == len(parts)
    assert "``" not in lines(report)


def test_a_wrong_sign_is_one_statement():
    def with_another_term(p):
        return cost(p) + 0.1 * np.sum(np.sin(p["W"]))

    right = numerical_gradient(with_another_term, THETA)
    report = check(with_another_term, THETA, right | {"V": -right["V"]})
    signs = [cause for cause in report.causes if cause.blocks == ("V",)]
    assert len(signs) == 1
    assert signs[0].sentence in ("dV has the wrong sign", "dV is −1 times the right gradient")


def test_of_many_blocks_the_sentence_is_short():
    theta = {f"w{i}": 0.6 * RNG.standard_normal((3, 3)) for i in range(12)}
    right = numerical_gradient(in_a_loop, theta)
    claim = {name: (1.5 + 0.1 * i) * value for i, (name, value) in enumerate(right.items())}
    report = check(in_a_loop, theta, claim)
    assert report.causes[0].sentence == "dw0 is 3/2 times the right gradient"
    assert lines(report).index("report.causes") < 1_000


def test_of_single_precision_no_more_digits_are_shown_than_are_known():
    theta = {name: value.astype(np.float32) for name, value in THETA.items()}
    right = numerical_gradient(cost, theta)
    claim = {"W": (2 * right["W"]).astype(np.float32), "V": right["V"].astype(np.float32)}
    (evidence,) = {cause.evidence for cause in check(cost, theta, claim).causes[:1]}
    assert "factor 2.00000" in evidence
    assert "factor 2.000000" not in evidence


def test_zero_is_said_once():
    right = numerical_gradient(cost, THETA)
    report = check(cost, THETA, right | {"V": np.zeros((4, 2))})
    assert report.causes[0].sentence == "dV is zero, and the right gradient is not"
    assert "coefficient" not in report.causes[0].evidence


@pytest.mark.parametrize(("expression", "place"), [('p[f"W{k}"]', 'line 3, `p[f"W{k}"]`'), ("", "line 3")])
def test_braces_in_the_text_of_a_line_are_quoted_as_they_stand(expression, place):
    execution = SimpleNamespace(code_line=SimpleNamespace(number=3), callers=())
    origin = SimpleNamespace(execution=execution, expression=expression)
    assert place_of(SimpleNamespace(origin=origin), graph=None).format() == place
