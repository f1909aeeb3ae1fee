"""The entry points: a rule of the user's is held to what the function computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from fastcheck.checkpoints.sections import section
from fastcheck.checks.backward_experiments import with_experiments
from fastcheck.checks.held_on_purpose import NOT_DECLARED, sentence_on_held, with_undeclared
from fastcheck.checks.option_names import expect_options
from fastcheck.diagnosis.detective.finding import with_backward_lines
from fastcheck.errors import FastcheckError, InvalidProblemError
from fastcheck.jax.forwards import STOP_GRADIENT, Forward
from fastcheck.jax.passes import RulePasses
from fastcheck.jax.precision import judged
from fastcheck.jax.questions import Question, question
from fastcheck.jax.rules_of_users import Claim, Claims, Rule, forward_rule, reverse_rule
from fastcheck.jax.second_opinion import opinion
from fastcheck.jax.values_of_rules import expect_same_values
from fastcheck.problem.holding import declared_held
from fastcheck.problem.options import is_whole, validate_seed
from fastcheck.report.answers import decisive
from fastcheck.report.result import Report
from fastcheck.verdict.judging import Verdict

NOTHING_STOPPED = f"held_constant={STOP_GRADIENT!r}: stop_gradient cuts off nothing that the arguments reach."


def check_vjp(
    f: Callable[..., Any],
    *args: Any,
    argnums: Any = None,
    cotangents: int = 2,
    seed: int = 0,
    held_constant: Any = None,
    **options: Any,
) -> Report:
    """Check the vector-Jacobian product of a JAX function: what its `jax.custom_vjp` claims.

    The slopes of J = Σ u ∘ f(args), u being a random cotangent, are found without the rule: by differences of what
    ``f`` computes, in float64, whatever the dtypes are and whether or not ``jax_enable_x64`` is on. The claim is what
    `jax.vjp` makes of u.

    Parameters
    ----------
    f
        A function of JAX: jitted or not, with a custom rule or with functions inside that have one. It returns an array
        of floats, or a pytree in which some are.
    *args
        Its arguments: pytrees of any arrays and settings. Arrays of floats are checked; whole numbers, random keys,
        Python's own numbers and all that is no array are held as they are.
    argnums
        Which arguments are checked, a number or several, as for `jax.grad`; None for all of them.
    cotangents
        How many random cotangents are tried, from 1; they are standard normal numbers in the dtypes of the outputs.
    seed
        Seed of the cotangents, and of samples.
    held_constant
        ``"stop_gradient"`` declares that what `jax.lax.stop_gradient` cuts off is constant on purpose: it is held at
        its values, and the report names the lines. Names of blocks, or a list of them, leave these out. In ``f``,
        `fastcheck.held_constant` and `fastcheck.straight_through` declare single values.
    **options
        The keyword arguments of `check`.

    Returns
    -------
    Report
        Its blocks are named after the paths of the arrays, such as ``params['W'][0]``. It is that of the first
        cotangent which does not pass, or of the first. A rule that computes in float32 or less is judged by its
        formulas, computed in float64, and by how far it is from these in its own dtype. Where it fails, a note tells
        what JAX's derivative of ``f`` without the rule says. Costs for each cotangent what `check` costs; the function
        and its rule are compiled once.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check`; also for arguments without an array of floats, and for complex ones. What ``f`` and its rule raise
        passes through.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from fastcheck.jax import check_vjp
    >>> @jax.custom_vjp
    ... def scaled(x, w):
    ...     return jnp.sin(x) * w
    >>> def forward(x, w):
    ...     return scaled(x, w), (x, w)
    >>> def backward(residuals, g):
    ...     x, w = residuals
    ...     return g * jnp.cos(x) * w, g * jnp.sin(x)
    >>> scaled.defvjp(forward, backward)
    >>> x, w = jnp.linspace(-1.0, 1.0, 4), jnp.arange(4.0)
    >>> check_vjp(scaled, x, w).passed
    True
    >>> scaled.defvjp(forward, lambda residuals, g: (g * jnp.cos(residuals[0]), g * jnp.sin(residuals[0])))
    >>> report = check_vjp(scaled, x, w)
    >>> report.blocks["x"].verdict, report.blocks["w"].verdict
    (<Verdict.FAIL: 'fail'>, <Verdict.PASS: 'pass'>)
    """
    expect_options("check_vjp", options)
    asked = question(f, args, argnums)
    return _report(asked, reverse_rule(asked), cotangents, seed, held_constant, options)


def check_jvp(
    f: Callable[..., Any],
    *args: Any,
    argnums: Any = None,
    cotangents: int = 2,
    seed: int = 0,
    held_constant: Any = None,
    **options: Any,
) -> Report:
    """Check the Jacobian-vector product of a JAX function: what its `jax.custom_jvp` claims.

    The rule is asked along each entry of the arguments, and all entries of the tangents that it returns are multiplied
    by a random cotangent and summed: that is the claim for this entry. So it is known which entry of which argument a
    mistake is about, and its factor.

    Parameters
    ----------
    f, *args, argnums, cotangents, seed, held_constant, **options
        As for `check_vjp`.

    Returns
    -------
    Report
        As that of `check_vjp`. Costs besides one tangent for each entry of the arguments, many at once. For more than
        4096 of them JAX transposes the rule instead, as it does for `jax.grad`.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check_vjp`; also for functions with a custom_vjp, which `jax.jvp` cannot run.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from fastcheck.jax import check_jvp
    >>> @jax.custom_jvp
    ... def cube(x):
    ...     return x**3
    >>> @cube.defjvp
    ... def _(primals, tangents):
    ...     return cube(*primals), 2 * primals[0] ** 2 * tangents[0]
    >>> report = check_jvp(cube, jnp.array([1.0, 2.0]))
    >>> report.passed, report.blocks["x"].wrong
    (False, 2)
    """
    expect_options("check_jvp", options)
    asked = question(f, args, argnums)
    return _report(asked, forward_rule(asked, validate_seed(seed)), cotangents, seed, held_constant, options)


def _report(
    asked: Question, rule: Rule, cotangents: Any, seed: int, held_constant: Any, options: dict[str, Any]
) -> Report:
    """Return the report of the first of several random cotangents that fails, or is not decided, else of the first."""
    if not is_whole(cotangents) or cotangents < 1:
        raise InvalidProblemError(f"cotangents: expected a whole number from 1, got {cotangents!r}.")
    holds_stops, held = declared_held(held_constant, STOP_GRADIENT, asked.names)
    options = {**options, "seed": validate_seed(seed)}
    if held is not None:
        options["held_constant"] = held
    forward = Forward(asked, holds_stops)
    reports: list[Report] = []
    for number in range(int(cotangents)):
        reports.append(_report_of_one(forward, rule, number, options))
        if reports[-1].verdict is Verdict.FAIL:
            break
    report = decisive(reports)
    if report.passed and cotangents > 1:
        note = f"{cotangents} random cotangents; these are the numbers of the first, the others pass as well."
        report = dataclasses.replace(report, notes=(*report.notes, note))
    return report


def _report_of_one(forward: Forward, rule: Rule, number: int, options: dict[str, Any]) -> Report:
    asked = forward.asked
    cotangents = asked.cotangents(forward.outputs, options["seed"], number)
    claim = rule.claim(cotangents)
    cost = forward.cost(cotangents)
    if number == 0:
        expect_same_values(forward, claim.outputs, cotangents, cost)
    with section(f"cotangents {number + 1}"):
        report, claims = judged(forward, claim, cost, options)
    report = dataclasses.replace(report, notes=(*_held_notes(forward), *report.notes))
    notes = list(forward.notes)
    if not report.passed:
        notes += opinion(report, forward, cotangents, claims)
        report = _with_undeclared(report, forward, cotangents, claim, options)
    if not (report.passed or any(cause.kind == NOT_DECLARED for cause in report.causes)):
        report = _explained(report, forward, rule, cost, claims, options)
    return dataclasses.replace(
        report, notes=(*report.notes, *notes), left_out=(*report.left_out, *asked.held)
    )


def _held_notes(forward: Forward) -> list[str]:
    """Return the sentence about what is held constant on purpose."""
    if forward.places:
        return [sentence_on_held(forward.places)]
    return [NOTHING_STOPPED] if forward.holds_stops else []


def _with_undeclared(
    report: Report, forward: Forward, cotangents: Any, claim: Claim, options: dict[str, Any]
) -> Report:
    """Return a report that fails with the blocks that are right if what ``stop_gradient`` cuts off is held."""
    other = forward.holding() if report.verdict is Verdict.FAIL else None
    if other is None:
        return report
    try:
        with section("what stop_gradient cuts off is held"):
            tried, _ = judged(other, claim, other.cost(cotangents), options)
    except FastcheckError:  # not what was asked
        return report
    return with_undeclared(report, tried, STOP_GRADIENT, "what stop_gradient cuts off", other.places)


def _explained(
    report: Report, forward: Forward, rule: Rule, cost: Any, claims: Claims, options: dict[str, Any]
) -> Report:
    """Return the report with what other cotangents tell of a rule that fails, if it may be asked that often."""
    if not rule.is_cheap:
        return report
    asked = forward.asked
    backward = getattr(asked.function, "bwd", None)
    if backward is not None:
        report = dataclasses.replace(report, causes=with_backward_lines(report.causes, backward))
    passes = RulePasses.of(cost, rule, forward)
    return with_experiments(report, passes, cost, asked.parameters, claims, options)
