"""What must be said of a mistake, and whether a cause says it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

from fastcheck.diagnosis.detective.ranking import UNRECOGNISED
from fastcheck.report.causes import ORDER, Cause

Factor = Callable[[SimpleNamespace], float]

PRECISION_OF_NUMBERS = 2e-3
"""A number in a sentence is the one expected if it is within this share of it: sentences round."""

ONLY_WHERE_TO_LOOK = (ORDER, UNRECOGNISED)
"""Kinds of causes that explain nothing."""

QUOTED_CODE = re.compile(r"`[^`]*`")
WHERE = re.compile(r"line \d+|the [\w, ]+ of the \d+ times it runs|\d+ of the \d+ times it runs")
"""What stands in a sentence beside what it says: the user's code, and numbers of lines and executions."""

NEAR_ONE = 0.05
PRECISION_NEAR_ONE = 0.05
"""Of a factor such as 1.000001 this share of the 0.000001 may be rounded away."""

WORDS_FOR_NUMBERS = {
    0.0: (
        r"left out|leaves? out|without|missing|lacks?|forgotten|no slope|dropped|zero|nothing"
        r"|not (?:counted|passed|included|used)"
    ),
    2.0: r"twice|doubled|double",
    0.5: r"½|half|halved",
    0.25: r"¼|a quarter",
    -1.0: r"\bsign|negated|minus",
    1.0: r"as it is|unscaled|left out",
}
"""How sentences tell some factors without a number."""

_NUMBER = re.compile(
    r"(?<![\w.,])([−-]?)(\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-−]?\d+)?)(?:\s?/\s?(\d+(?:\.\d+)?))?"
)
_PRODUCT = re.compile(r"(\d+(?:\.\d+)?)·(\d+(?:\.\d+)?)")
_SQUARE = re.compile(r"(\d+(?:\.\d+)?)²")
_ROOT = re.compile(r"√(\d+(?:\.\d+)?)")
_GLYPHS = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅛": "1/8"}


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a cause must say: ``said`` is searched in its kind and sentence, ``line`` in the texts of its lines.

    ``line`` None: no line of the cost is concerned. ``factor`` is a number that must be told as well, made from the
    sizes of the network: in digits, or in one of the words for it.
    """

    said: str
    line: str | None = None
    factor: Factor | None = None


@dataclass(frozen=True, kw_only=True)
class Unknowable:
    """Nothing that a check can see tells this mistake: it must not be told wrongly as certain, and that is all.

    ``said`` is what may be told as certain of it.
    """

    said: str = r"stale|earlier|previous|before (?:the|an) (?:last )?(?:update|step)"
    line: None = None


Expected = Expectation | Unknowable


@dataclass(frozen=True, kw_only=True)
class Match:
    """How far a cause is right: in what it says, and in the line it names.

    ``line`` is None where no line is expected, or the cause names none: what a claim is instead of the gradient, such
    as twice that, is right without.
    """

    said: bool
    line: bool | None

    @property
    def right(self) -> bool:
        """What it says is right, and so is the line, if it names one."""
        return self.said and self.line is not False


def match(cause: Cause, expected: Expected, sizes: SimpleNamespace) -> Match:
    """Compare a cause with what must be said, in a network of these sizes."""
    if cause.kind in ONLY_WHERE_TO_LOOK:
        return Match(said=False, line=None)
    text = QUOTED_CODE.sub("…", f"{cause.kind}: {cause.sentence}")
    if isinstance(expected, Unknowable):
        return Match(said=bool(re.search(expected.said, text, re.IGNORECASE)), line=None)
    said = bool(re.search(expected.said, text, re.IGNORECASE))
    if expected.factor is not None:
        _, _, coefficient = cause.evidence.partition("coefficient")
        plain = WHERE.sub("", f"{text} {coefficient}")
        said = said and tells_number(plain, expected.factor(sizes))
    if expected.line is None or not cause.lines:
        return Match(said=said, line=None)
    named = any(re.search(expected.line, line.text) for line in cause.lines)
    return Match(said=said, line=named)


def best_match(cause: Cause, alternatives: tuple[Expected, ...], sizes: SimpleNamespace) -> Match:
    """Return the best of the matches with things that may be said equally well."""
    matches = [match(cause, expected, sizes) for expected in alternatives]
    return max(matches, key=lambda one: (one.right, bool(one.line), one.said))


def tells_number(text: str, expected: float) -> bool:
    """Tell whether the text has this number, its negative with a word for that, or a word for it."""
    for number, words in WORDS_FOR_NUMBERS.items():
        if abs(expected - number) < 1e-9 and re.search(words, text, re.IGNORECASE):
            return True
    return any(_is_number(number, expected) for number in numbers(text))


def _is_number(told: float, expected: float) -> bool:
    """Compare numbers; of those near 1, what they are beyond it."""
    if 0 < abs(expected - 1) < NEAR_ONE:
        return abs(told - expected) <= PRECISION_NEAR_ONE * abs(expected - 1)
    return abs(told - expected) <= PRECISION_OF_NUMBERS * max(abs(expected), 1e-9)


def numbers(text: str) -> list[float]:
    """Return the numbers of a text: of 3/4, ½, 4·0.5, 4² and √256 the number that it is, too."""
    for glyph, fraction in _GLYPHS.items():
        text = text.replace(glyph, f" {fraction} ")
    found: list[float] = []
    for sign, digits, divisor in _NUMBER.findall(text):
        number = float(digits.replace(",", "").replace("−", "-"))
        number = -number if sign else number
        found.append(number)
        if divisor:
            found += [float(divisor), number / float(divisor) if float(divisor) else number]
    found += [float(one) * float(other) for one, other in _PRODUCT.findall(text)]
    found += [float(number) ** 2 for number in _SQUARE.findall(text)]
    found += [float(number) ** 0.5 for number in _ROOT.findall(text)]
    return found
