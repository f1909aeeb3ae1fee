"""Mistakes of a layer's backward pass in how it uses its upstream gradient: one row each.

To add one: a function that looks at the answers for a few cotangents, and a row of `NOT_LINEAR` or of `OF_A_PART`; a
test with the smallest layer that is wrong so. The first row that recognises a block's answers explains that block, so
special mistakes come before general ones.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.experiments.backward_runs import DIFFERENT, deviation, different, same
from fastcheck.diagnosis.detective.experiments.cotangents import BlockAnswers, NoAnswer
from fastcheck.norms import largest

Words = Mapping[str, str]
"""What is put into the sentence of a row."""

NOT_LINEAR_BY = 0.02
"""Answers that should be doubled deviate by more than this, relatively: half precision does no such thing."""

NOT_ADDITIVE_BY = 0.1
"""Answers that should add up deviate by more than this: sums in half precision, of terms that cancel, by less."""

IGNORED = "upstream gradient ignored"
"""A kind of which it is also tried whether ``dout`` is taken as ones."""

OF_ONES = "; that is right for a {dout} of ones"

CLIPPED_ENTRIES = 2
"""So many entries at the same limit are clipped: one may be there by accident."""


@dataclass(frozen=True, slots=True, eq=False)
class CotangentKind:
    """A mistake, what recognises it in the answers of one block, the sentence about it, and what shows it.

    ``recognise`` returns what fills the sentence, or None where it is another mistake. ``{dout}`` is the name of the
    upstream gradient, ``{where}`` tells the blocks where not all are concerned.
    """

    kind: str
    recognise: Callable[[BlockAnswers], Words | None]
    sentence: str
    evidence: str


# --- not linear ------------------------------------------------------------------------------------------


def is_linear(answers: BlockAnswers) -> bool:
    """Whether the answers of a block grow in proportion and add up: no row of `NOT_LINEAR` recognises such."""
    base, another = answers["dout"], answers["another"]
    try:
        return same(answers["π·dout"], np.pi * base) and same(answers["sum"], base + another)
    except NoAnswer:
        return False


def _ignored(answers: BlockAnswers) -> Words | None:
    base = answers["dout"]
    return {} if all(same(answers[name], base) for name in ("2·dout", "another", "−dout")) else None


def _signs(answers: BlockAnswers) -> Words | None:
    base = answers["dout"]
    return {} if same(answers["2·dout"], base) and same(answers["same signs"], base) else None


def _scale_ignored(answers: BlockAnswers) -> Words | None:
    return {} if same(answers["2·dout"], answers["dout"]) else None


def _whole_numbers(answers: BlockAnswers) -> Words | None:
    base, multiple = answers["dout"], answers["π·dout"]
    both_are_whole = np.array_equal(base, np.rint(base)) and np.array_equal(multiple, np.rint(multiple))
    return {} if both_are_whole and different(multiple, np.pi * base) else None


def _constant_added(answers: BlockAnswers) -> Words | None:
    base, constant = answers["dout"], answers["0"]
    linear_part = base - constant
    is_affine = same(answers["2·dout"] - constant, 2 * linear_part) and same(
        answers["another"] + base - constant, answers["sum"]
    )
    is_added = largest(constant) > DIFFERENT * largest(base)
    return {"term": _named_term(constant, answers)} if is_affine and is_added else None


def _named_term(term: Entries, answers: BlockAnswers) -> str:
    """Return what is added in words: a multiple of the input, if it is one."""
    theta = answers.theta
    square = float(np.vdot(theta, theta))
    factor = float(np.vdot(term, theta)) / square if square else 0.0
    return f"{factor:.6g}·{answers.block}" if factor and same(term, factor * theta) else "a term"


def _power(answers: BlockAnswers) -> Words | None:
    base, double = answers["dout"], answers["2·dout"]
    for power, factors in ((2, "twice"), (3, "three times"), (4, "four times")):
        if same(double, 2.0**power * base):
            return {"times": str(2**power), "factors": factors}
    return None


def _magnitudes(answers: BlockAnswers) -> Words | None:
    base = answers["dout"]
    return {} if same(answers["magnitudes"], base) and same(answers["−dout"], base) else None


def _one_sign(answers: BlockAnswers) -> Words | None:
    for part, ignored in (("positive part", "negative"), ("negative part", "positive")):
        if same(answers[part], answers["dout"]) and not same(answers["−dout"], -answers["dout"]):
            return {"ignored": ignored}
    return None


def _clipped(answers: BlockAnswers) -> Words | None:
    base, double = answers["dout"], answers["2·dout"]
    limit = largest(double)
    at_limit = np.abs(double) == limit
    expected = np.clip(2 * base, -limit, limit)
    is_clipped = (
        largest(base) <= limit and np.count_nonzero(at_limit) >= CLIPPED_ENTRIES and same(double, expected)
    )
    return {"limit": f"{limit:.6g}"} if is_clipped and different(double, 2 * base) else None


def _not_twice(answers: BlockAnswers) -> Words | None:
    off = deviation(answers["2·dout"], 2 * answers["dout"])
    return {"what": "2·{dout} than twice as much", "off": f"{off:.1g}"} if off > NOT_LINEAR_BY else None


def _not_additive(answers: BlockAnswers) -> Words | None:
    base, another = answers["dout"], answers["another"]
    size = max(largest(base), largest(another))
    off = largest(answers["sum"] - base - another) / size if size else 0.0
    what = "the sum of two {dout} than the sum of what it returns for each"
    return {"what": what, "off": f"{off:.1g}"} if off > NOT_ADDITIVE_BY else None


NOT_LINEAR = (
    CotangentKind(
        IGNORED,
        _ignored,
        "backward ignores its upstream gradient `{dout}`{where}: it returns the same for 2·{dout}",
        "the same for {dout}, 2·{dout}, −{dout} and another random one",
    ),
    CotangentKind(
        "sign of the upstream gradient",
        _signs,
        "backward uses only the signs of its upstream gradient `{dout}`{where}: it returns the same for 2·{dout}",
        "the same for 2·{dout}, and for other numbers of the same signs",
    ),
    CotangentKind(
        "scale of the upstream gradient ignored",
        _scale_ignored,
        "backward ignores the scale of its upstream gradient `{dout}`{where}: it returns the same for 2·{dout}",
        "the same for 2·{dout}, but not for another random one",
    ),
    CotangentKind(
        "whole numbers",
        _whole_numbers,
        "backward cuts its result to whole numbers{where}, as an array of integers does that it is written into",
        "all entries are whole numbers, also for π·{dout}",
    ),
    CotangentKind(
        "term without the upstream gradient",
        _constant_added,
        "backward adds {term}{where}, whatever its upstream gradient is: it returns that for a `{dout}` of zeros",
        "the rest of what it returns is linear in {dout}",
    ),
    CotangentKind(
        "upstream gradient used twice",
        _power,
        "backward uses its upstream gradient `{dout}` {factors} in a product{where}: for 2·{dout} it returns {times} "
        "times as much",
        "for 2·{dout} all entries are {times} times as large",
    ),
    CotangentKind(
        "magnitude of the upstream gradient",
        _magnitudes,
        "backward uses only the magnitudes of its upstream gradient `{dout}`{where}: it returns the same for −{dout}",
        "the same for −{dout} and for |{dout}|",
    ),
    CotangentKind(
        "mask of the upstream gradient",
        _one_sign,
        "backward ignores the {ignored} entries of its upstream gradient `{dout}`{where}: a mask made from {dout} "
        "instead of the input does that",
        "the same with zeros in the place of the {ignored} entries of {dout}",
    ),
    CotangentKind(
        "clipped",
        _clipped,
        "backward clips its result{where} to ±{limit}: clip gradients after they are checked, where they are used",
        "for 2·{dout} the entries are twice as large, up to {limit}",
    ),
    CotangentKind(
        "not linear in the upstream gradient",
        _not_twice,
        "backward is not linear in its upstream gradient `{dout}`{where}: it returns something else for {what}",
        "it differs by {off} of the largest entry",
    ),
    CotangentKind(
        "not linear in the upstream gradient",
        _not_additive,
        "backward is not linear in its upstream gradient `{dout}`{where}: it returns something else for {what}",
        "it differs by {off} of the largest entry",
    ),
)

# --- linear, of a part of the cotangent ------------------------------------------------------------------


Part = tuple[str, Callable[[int, Entries], Entries]]
"""A part of the upstream gradient in words, and what is left of the array of an output, by its number."""


@dataclass(frozen=True, slots=True)
class PartKind:
    """A part of the upstream gradient that a backward pass may take for the whole.

    ``parts`` yields such parts of a cotangent; ``{part}`` in the sentence is their name.
    """

    kind: str
    parts: Callable[[Sequence[Entries]], Iterator[Part]]
    sentence: str
    evidence: str


def _mean(leaves: Sequence[Entries]) -> Iterator[Part]:
    yield "mean", lambda _, dout: np.full_like(dout, np.mean(dout))


def _means_along_axes(leaves: Sequence[Entries]) -> Iterator[Part]:
    for axis in range(_axes(leaves)):
        yield f"axis {axis}", functools.partial(_mean_along, axis)


def _ends_of_axes(leaves: Sequence[Entries]) -> Iterator[Part]:
    for axis in range(_axes(leaves)):
        for index in (0, -1):
            place = ", ".join([":"] * axis + [str(index)])
            yield f"[{place}]", functools.partial(_only, axis, index)


def _outputs(leaves: Sequence[Entries]) -> Iterator[Part]:
    for k in range(len(leaves)) if len(leaves) > 1 else ():
        yield str(k + 1), functools.partial(_without, k)


def _axes(leaves: Sequence[Entries]) -> int:
    """Return the number of axes that all arrays have."""
    return min(map(np.ndim, leaves))


def _mean_along(axis: int, _: int, dout: Entries) -> Entries:
    return np.broadcast_to(dout.mean(axis=axis, keepdims=True), dout.shape).copy()


def _without(output: int, number: int, dout: Entries) -> Entries:
    return np.zeros_like(dout) if number == output else dout


def _only(axis: int, index: int, _: int, dout: Entries) -> Entries:
    kept = np.zeros_like(dout)
    place = (slice(None),) * axis + (index,)
    kept[place] = dout[place]
    return kept


OF_A_PART = (
    PartKind(
        "output ignored",
        _outputs,
        "backward ignores the upstream gradient of output {part} of {outputs}{where}",
        "the same with zeros in its place, where the slopes of the layer are others",
    ),
    PartKind(
        "sum of the upstream gradient",
        _mean,
        "backward uses only the sum or mean of its upstream gradient `{dout}`{where}",
        "the same with the mean of {dout} in all places, where the slopes of the layer are others",
    ),
    PartKind(
        "part of the upstream gradient",
        _ends_of_axes,
        "backward returns the same{where} if all of its upstream gradient but `{dout}{part}` is lost",
        "the same with zeros in all other places, where the slopes of the layer are others",
    ),
    PartKind(
        "upstream gradient summed over an axis",
        _means_along_axes,
        "backward uses only the sum or mean of its upstream gradient `{dout}` over {part}{where}",
        "the same with the mean over {part} in all places, where the slopes of the layer are others",
    ),
)
