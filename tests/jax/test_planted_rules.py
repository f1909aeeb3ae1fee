"""Right rules pass and planted mistakes fail, in float32 as they are written: without fallback, and to rounding."""

import pytest

pytest.importorskip("jax")

from planted_rules import FAMILIES, ruled

from fastcheck.jax import check_vjp

QUICK = {"rounded"}
"""Families that every run checks; the others take longer to compile."""


def marked(names):
    return [pytest.param(*name, marks=[] if name[0] in QUICK else pytest.mark.slow) for name in names]


RIGHT = [(name,) for name in FAMILIES]
WRONG = [(name, mistake) for name, (*_, mistakes, _) in FAMILIES.items() for mistake in mistakes]


@pytest.mark.parametrize("name", marked(RIGHT))
def test_right_rules_pass(name):
    function, forward, right, _, arguments = FAMILIES[name]
    report = check_vjp(ruled(function, forward, right), *arguments)
    assert report.passed, str(report)
    assert report.method == "difference"
    assert report.difference < (1e-13 if name != "root" else 1e-9)


@pytest.mark.parametrize(("name", "mistake"), marked(WRONG))
def test_planted_mistakes_fail(name, mistake):
    function, forward, _, mistakes, arguments = FAMILIES[name]
    report = check_vjp(ruled(function, forward, mistakes[mistake]), *arguments)
    assert report.verdict == "fail"
    assert report.method == "difference"
    assert max(block.difference for block in report.blocks.values()) > 1e-3


@pytest.mark.slow
def test_an_iteration_that_never_ends_elsewhere_holds_up_no_check():
    function, forward, right, _, (a,) = FAMILIES["root"]

    def backward(residuals, g):
        (da,) = right(residuals, g)
        return (da.at[0].multiply(1.001),)

    report = check_vjp(ruled(function, forward, backward), 40 * a)
    assert report.blocks["a"].wrong == 1
