"""Reports that were kept as dicts, of every kind, and changes of these that are to be refused."""

import copy
import functools
import json
import math
import random

import numpy as np

from fastcheck import InvalidProblemError, Report, StagesReport, Verdict, check, locate, screen
from fastcheck.report.stages import Stage

THETA = {"W1": np.linspace(0.1, 1.9, 120).reshape(40, 3), "b1": np.linspace(-1, 1, 4), "gamma": 0.7}
VALUES = [
    None, True, False, 0, 1, -1, 2, 10**30, -(10**5000), 0.0, -0.0, 0.5, 1.5, -0.25, 1e308, 1e-320, math.nan,
    math.inf, -math.inf, "NaN", "Infinity", "-Infinity", "", "pass", "fail", "inconclusive", "plain", "W1",
    "\x1b]0;x\x07", "\ud800", [], [0], [[]], [None], {}, {"pass": 1}, {1: 2}, {"verdict": "pass"}, (), (1, 2),
    b"pass", 1j, object(), Verdict.PASS, Verdict.FAIL, np.float64(0.5), np.int64(1), np.array([1.0]), set(), len,
]  # fmt: skip


def cost(p):
    return np.sum(np.sin(p["W1"])) + np.sum(p["b1"] ** 2) + p["gamma"] ** 3


def gradients():
    return {"W1": np.cos(THETA["W1"]), "b1": 2 * THETA["b1"], "gamma": 3 * 0.7**2}


def reports():
    """Yield a report of each kind: all fields are filled, and empty, in some."""
    wrong = gradients()
    wrong["W1"][17] *= 2
    yield check(cost, THETA, gradients(), progress=False)
    yield check(cost, THETA, wrong, progress=False)
    yield check(
        cost, THETA, wrong, coordinates={"W1": 9, "b1": 2}, epsilon=1e-6, method="plain", progress=False
    )
    yield check(lambda p: cost(p) + 1e12, THETA, gradients(), method="plain", progress=False)
    yield check(cost, THETA, wrong, max_forward_passes=4, progress=False)
    yield screen(cost, THETA, gradients(), progress=False)
    yield locate(cost, THETA, wrong, progress=False)


@functools.cache
def plain_reports():
    """Return a report of each kind as a dict."""
    return [report.to_dict() for report in reports()]


@functools.cache
def plain_stages():
    """Return reports of stages as dicts."""
    passed, failed = (Report.from_dict(plain) for plain in plain_reports()[:2])
    stages = tuple(
        Stage(step=10 * k, report=one, seconds=0.5) for k, one in enumerate((passed, failed, passed))
    )
    both = (
        StagesReport(stages=stages, not_reached=(100, 1000), notes=("A note.",)),
        StagesReport(stages=stages[:1]),
    )
    return [report.to_dict() for report in both]


def put(plain, path, value):
    """Return the same with a value at a path, which shares the rest; `put` as the value removes what is there."""
    first, *rest = path
    plain = copy.copy(plain)
    if rest:
        plain[first] = put(plain[first], rest, value)
    elif value is put:
        del plain[first]
    else:
        plain[first] = value
    return plain


def places(plain, path=()):
    """Yield the paths to everything in nested dicts and lists."""
    items = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(plain, path):
    for key in path:
        plain = plain[key]
    return plain


def mutated(rng, plain, paths):
    """Return a copy with something changed: a value, one from elsewhere, a nearby number, a key too many or missing."""
    path, other = rng.choice(paths), rng.choice(paths)
    value, parent = at(plain, path), at(plain, path[:-1])
    way = rng.randrange(6)
    if way == 0:
        return put(plain, path, put)
    if way == 1:
        return put(plain, path, at(plain, other))
    if way == 2 and isinstance(value, (int, float)):
        return put(
            plain,
            path,
            rng.choice([value + 1, value - 1, -value, 2 * value, float(value), value * (1 + 1e-9)]),
        )
    if way == 3 and isinstance(value, list) and value:
        return put(plain, path, rng.choice([value[::-1], value[1:], [*value, value[0]], value * 2]))
    if way == 4 and isinstance(parent, dict):
        return put(plain, (*path[:-1], rng.choice(["extra", "", 3, None, "verdict"])), rng.choice(VALUES))
    return put(plain, path, rng.choice(VALUES))


def consistent(report):
    """Assert what holds of every report, in words of this test."""
    if isinstance(report, StagesReport):
        for stage in report.stages:
            consistent(stage.report)
        return
    verdicts = {block.verdict for block in report.blocks.values()}
    assert report.passed is (verdicts == {Verdict.PASS})
    assert (report.verdict is Verdict.FAIL) is (Verdict.FAIL in verdicts)
    assert math.isnan(report.difference) or 0 <= report.difference <= 1
    for name, block in report.blocks.items():
        assert 0 <= block.wrong <= block.wrong + block.undecided <= block.checked <= block.size
        assert block.size == math.prod(block.shape)
        assert not (block.wrong and block.verdict is Verdict.PASS)
        for one in block.worst:
            assert one.block == name
            assert all(0 <= i < n for i, n in zip(one.index, block.shape, strict=True))
    certain = [name for cause in report.causes if cause.certain for name in cause.blocks]
    uncertain = [name for cause in report.causes if not cause.certain for name in cause.blocks]
    assert len(set(certain)) == len(certain)
    assert not set(certain) & set(uncertain)
    assert {report.blocks[name].verdict for name in certain + uncertain} <= {Verdict.FAIL}


def as_written_today(plain):
    """What was kept, with the fields that older versions of fastcheck did not write."""
    if "stages" in plain:
        stages = [stage | {"report": as_written_today(stage["report"])} for stage in plain["stages"]]
        return plain | {"stages": stages}
    return {"causes": []} | plain


def try_mutations(plains, kind, count, seed):
    """Return how many mutated dicts were accepted; all others were refused by their field."""
    rng = random.Random(seed)
    accepted = refused = named = 0
    sources = [(plain, list(places(plain))) for plain in plains]
    for _ in range(count):
        plain, paths = rng.choice(sources)
        try:
            plain = mutated(rng, plain, paths)
            if rng.random() < 0.2:
                plain = mutated(rng, plain, list(places(plain)))
        except (TypeError, OverflowError):  # the mutation itself came to nothing
            continue
        try:
            report = kind.from_dict(plain)
        except InvalidProblemError as error:
            named += str(error).startswith("report")
            refused += 1
            continue
        accepted += 1
        assert report.to_dict() == as_written_today(plain)
        consistent(report)
        json.dumps(report.to_dict(), allow_nan=False)
        if accepted % 50 == 0:
            assert str(report)
    assert named == refused
    return accepted
