"""Checks that keep their evaluations, and find them again."""

import functools

import numpy as np
import pytest

import fastcheck
from fastcheck.errors import CheckpointWarning, InvalidProblemError

W = np.random.default_rng(0).standard_normal((4, 3))
THETA = {"W": W, "b": np.array([1.0, 2.0])}
CLAIM = {"W": 1 - np.tanh(W) ** 2, "b": 2 * THETA["b"]}


check = functools.partial(fastcheck.check, method="plain")


class Counted:
    """A cost that counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, p):
        self.calls += 1
        return float(np.sum(np.tanh(p["W"]))) + float(np.sum(p["b"] ** 2))


def told(report):
    """Return what a report says, but for times and checkpoints."""
    fields = report.to_dict()
    del fields["seconds"]
    return fields | {"notes": [note for note in fields["notes"] if not note.startswith("checkpoint ")]}


def about(report):
    (note,) = (note for note in report.notes if note.startswith("checkpoint "))
    return note


@pytest.mark.parametrize("factor", [1, 1.01])
def test_the_same_call_finds_all_evaluations_and_gives_the_same_report(tmp_path, factor):
    claim, path = {"W": factor * CLAIM["W"], "b": CLAIM["b"]}, tmp_path / "run.fastcheck"
    without = check(Counted(), THETA, claim)
    first = check(Counted(), THETA, claim, checkpoint=path)
    again = Counted()
    second = check(again, THETA, claim, checkpoint=path)
    assert told(without) == told(first) == told(second)
    assert first.verdict.value == ("pass" if factor == 1 else "fail")
    assert again.calls < 20 < first.forward_passes
    assert "were made now" in about(first)
    assert about(second).endswith(" 0 were made now.")
    assert "found there" in about(second)


def test_evaluations_are_found_after_the_claim_was_corrected(tmp_path):
    path = tmp_path / "run.fastcheck"
    wrong = check(Counted(), THETA, {"W": 2 * CLAIM["W"], "b": CLAIM["b"]}, checkpoint=path)
    assert not wrong.passed
    right = check(Counted(), THETA, CLAIM, checkpoint=path)
    assert right.passed
    assert told(right) == told(check(Counted(), THETA, CLAIM))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"parameters": THETA | {"b": np.array([1.0, 2.5])}}, r"b\[1\] was 2\.0, and is 2\.5"),
        ({"parameters": THETA | {"b": np.ones(3)}}, r"b was of shape \(2,\), and is of shape \(3,\)"),
        ({"parameters": THETA | {"c": np.ones(3)}}, r"c was no parameter, and is of shape \(3,\)"),
        ({"epsilon": 1e-5}, r"epsilon was None, and is 1e-05"),
        ({"nondeterminism": 1e-10}, r"nondeterminism was 0\.0, and is 1e-10"),
    ],
)
def test_a_checkpoint_of_another_problem_is_refused_with_the_reason(tmp_path, change, reason):
    path, cost = tmp_path / "run.fastcheck", Counted()
    check(cost, THETA, CLAIM, checkpoint=path)
    before = path.read_bytes()
    asked = {"cost": cost, "parameters": THETA, "checkpoint": path} | change
    claim = {name: np.zeros_like(value) for name, value in asked["parameters"].items()}
    with pytest.raises(InvalidProblemError, match=reason):
        check(gradients=claim, **asked)
    assert path.read_bytes() == before


def test_two_checks_at_once_use_the_file_one_after_the_other(tmp_path):
    path, reports = tmp_path / "run.fastcheck", []

    class Nested(Counted):
        def __call__(self, p):
            if self.calls == 20:
                with pytest.warns(CheckpointWarning, match="another check is using it"):
                    reports.append(check(Counted(), THETA, CLAIM, checkpoint=path))
            return super().__call__(p)

    outer = check(Nested(), THETA, CLAIM, checkpoint=path)
    assert outer.passed
    assert reports[0].passed
    assert "The check goes on without" in about(reports[0])
    assert told(outer) == told(reports[0])
