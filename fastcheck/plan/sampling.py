"""What a sample of a block proves, and an order of which every beginning is such a sample."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.problem.options import is_real

FIRST_OF_EACH_BLOCK = 10
"""Coordinates of every block that come before all others: a bias of a small layer is looked at whole."""

LARGEST_STORED_SHUFFLE = 4096
"""Blocks of up to this many coordinates are shuffled in memory; larger ones are ciphered."""

CIPHER_ROUNDS = 6
"""Rounds of the cipher: four already pass the tests of uniformity."""

PROBABILITY_ERROR = 1e-10
"""Probabilities below are known this well, relatively; every doubt goes against the sample."""

TERMS_AT_ONCE = 4096
"""Terms of a tail that are summed at once."""

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleProof:
    """What a random sample of one block, drawn without replacement, says about the rest of the block.

    ``checked`` of its ``size`` coordinates were drawn and ``wrong`` of these are wrong. With the given
    ``confidence``, at most ``at_most`` of the others are wrong, which is this ``share`` of them (0 if there are none).
    """

    checked: int
    size: int
    wrong: int
    confidence: float
    at_most: int
    share: float

    def missed(self, share: float) -> float:
        r"""Return the chance that a sample of this size finds nothing of a mistake that touches a share of the block.

        For D = ⌈share · n⌉ touched coordinates it is :math:`\binom{n-D}{k} / \binom{n}{k}`: no touched one was drawn.

        Examples
        --------
        >>> from fastcheck.plan.sampling import prove
        >>> round(prove(checked=100, size=10_000, wrong=0).missed(0.05), 4)
        0.0058
        """
        is_share = is_real(share) and 0 < float(share) <= 1
        if not is_share:
            raise InvalidProblemError(f"share: expected a part of the block in (0, 1], got {share!r}.")
        touched = math.ceil(float(share) * self.size * (1 - PROBABILITY_ERROR))
        return probability_of_at_most(0, drawn=self.checked, size=self.size, marked=touched)

    def __str__(self) -> str:
        rest = self.size - self.checked
        if not rest:
            return f"all {self.size:,} checked"
        certainty = f"{100 * self.confidence:.10g} % confidence"
        return f"at most {self.at_most:,} of the other {rest:,} are wrong ({certainty})"


def prove(*, checked: int, size: int, wrong: int, confidence: float = 0.95) -> SampleProof:
    """Return what k ``checked`` coordinates of a block of n, ``wrong`` of them wrong, say about the other n - k.

    The bound is exact: the largest number of wrong coordinates under which so few, or fewer, would be drawn with a
    probability above 1 - ``confidence``. Whatever the truth, it is exceeded with at most that probability. Takes less
    than 0.1 s for n up to 1e9.

    Raises `InvalidProblemError` unless 0 ≤ wrong ≤ checked ≤ size, size ≥ 1 and the confidence lies in (0, 1).

    Source: C. J. Clopper and E. S. Pearson, The use of confidence or fiducial limits illustrated in the case of the
    binomial, Biometrika 26 (1934), with the hypergeometric distribution in the place of the binomial one.

    Examples
    --------
    >>> from fastcheck.plan.sampling import prove
    >>> print(prove(checked=300, size=235_200, wrong=0))
    at most 2,335 of the other 234,900 are wrong (95 % confidence)
    """
    checked, size, wrong = (_whole(name, n) for name, n in zip(_COUNTS, (checked, size, wrong), strict=True))
    counts_fit = 0 <= wrong <= checked <= size and size >= 1
    if not counts_fit:
        raise InvalidProblemError(
            f"sample: expected 0 ≤ wrong ≤ checked ≤ size with at least one coordinate, got wrong = {wrong}, "
            f"checked = {checked} and size = {size}."
        )
    confidence = validate_confidence(confidence)
    accepted = (1 - confidence) * (1 - PROBABILITY_ERROR)
    least, most = wrong, size - checked + wrong
    while least < most:
        middle = (least + most + 1) // 2
        if probability_of_at_most(wrong, drawn=checked, size=size, marked=middle) > accepted:
            least = middle
        else:
            most = middle - 1
    rest = size - checked
    return SampleProof(
        checked=checked,
        size=size,
        wrong=wrong,
        confidence=confidence,
        at_most=least - wrong,
        share=(least - wrong) / rest if rest else 0.0,
    )


def validate_confidence(confidence: Any) -> float:
    """Return the confidence as a float; `InvalidProblemError` unless it lies in (0, 1)."""
    if isinstance(confidence, (float, np.floating)) and 0 < confidence < 1:
        return float(confidence)
    raise InvalidProblemError(
        f"confidence: expected a probability between 0 and 1, such as 0.95, got {confidence!r}."
    )


def probability_of_at_most(most: int, *, drawn: int, size: int, marked: int) -> float:
    """Return the probability that ``drawn`` of ``size`` coordinates hold at most ``most`` of the ``marked`` ones.

    The smaller tail is summed, from its largest term outwards; its relative error is below 1e-10.
    """
    lowest, highest = max(0, drawn + marked - size), min(drawn, marked)
    if most < lowest:
        return 0.0
    if most >= highest:
        return 1.0
    if most * size <= drawn * marked:
        return _tail(most, drawn, size, marked)
    # Seen from the coordinates that are not marked, the upper tail is a lower one.
    return 1.0 - _tail(drawn - most - 1, drawn, size, size - marked)


class PrefixOrder:
    """An order of all coordinates of blocks of these sizes, of which every beginning is a stratified sample.

    The first `FIRST_OF_EACH_BLOCK` coordinates of all blocks come first, in turn; then each block advances in
    proportion to its size. Inside a block every beginning is a random sample without replacement, the same for the
    same seed. Blocks follow each other in the vector: positions of the second start at ``sizes[0]``. Nothing is kept
    but a few words for each large block, and the shuffled positions of small ones.

    Examples
    --------
    >>> from fastcheck.plan.sampling import PrefixOrder
    >>> order = PrefixOrder([3, 10_000], seed=0)
    >>> first = order.take(100)
    >>> sorted(int(i) for i in first if i < 3), first.size + order.take(10**6).size
    ([0, 1, 2], 10003)
    """

    def __init__(self, sizes: Sequence[int], seed: int) -> None:
        self.sizes = np.array([_whole("sizes", size) for size in sizes], dtype=np.intp)
        if not self.sizes.size or (self.sizes < 0).any():
            raise InvalidProblemError(f"sizes: expected the sizes of one block or more, got {list(sizes)!r}.")
        self.starts = np.cumsum(self.sizes) - self.sizes
        streams = np.random.SeedSequence(_whole("seed", seed)).spawn(self.sizes.size)
        self.shuffles = [
            Shuffle(int(n), np.random.default_rng(s)) for n, s in zip(self.sizes, streams, strict=True)
        ]
        self.drawn = np.zeros(self.sizes.size, dtype=np.intp)

    def take(self, count: int) -> NDArray[np.intp]:
        """Return the positions of the next coordinates, (count,); fewer if no more are left."""
        until = _turns_to_draw(self.sizes, self.drawn, count)
        blocks = np.repeat(np.arange(self.sizes.size), until - self.drawn)
        turns = np.concatenate([np.arange(a, b) for a, b in zip(self.drawn, until, strict=True)])
        order = np.lexsort((blocks, _times(turns, self.sizes[blocks])))[:count]
        blocks, turns = blocks[order], turns[order]
        counts = np.bincount(blocks, minlength=self.sizes.size)
        by_block, ends = np.argsort(blocks, kind="stable"), np.cumsum(counts)
        inside = np.empty(order.size, dtype=np.intp)
        for block in np.flatnonzero(counts):
            rows = by_block[ends[block] - counts[block] : ends[block]]
            inside[rows] = self.shuffles[block].places(turns[rows])
        self.drawn = self.drawn + counts
        return np.asarray(self.starts[blocks] + inside, dtype=np.intp)


class Shuffle:
    """A random permutation of range(n), one place at a time: ``places(turns)`` are the elements at these turns.

    Small ones are stored. A large one is a cipher on the pairs (l, r) of a square just above n, of which those beyond
    n are passed on to the cipher until they fall inside: a permutation again, in no memory. Each round adds to l a
    random function of r and exchanges the two, which can be undone whatever the function.

    Source: J. Black and P. Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002, sections 3 and 4.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size = size
        self._stored = rng.permutation(size) if size <= LARGEST_STORED_SHUFFLE else None
        self._side = np.uint64(math.isqrt(max(0, size - 1)) + 1)
        self._keys = rng.integers(2**64, size=CIPHER_ROUNDS, dtype=np.uint64)

    def places(self, turns: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the elements at these turns, both in range(n)."""
        if self._stored is not None:
            return np.asarray(self._stored[turns], dtype=np.intp)
        values = self._ciphered(turns.astype(np.uint64))
        while (beyond := np.flatnonzero(values >= self.size)).size:
            values[beyond] = self._ciphered(values[beyond])
        return values.astype(np.intp)

    def _ciphered(self, values: Words) -> Words:
        left, right = values // self._side, values % self._side
        for key in self._keys:
            left, right = right, (left + _mixed(right + key) % self._side) % self._side
        return left * self._side + right


_COUNTS = ("checked", "size", "wrong")


def _tail(most: int, drawn: int, size: int, marked: int) -> float:
    """Return the probability of at most ``most``, which is not above the mean: its terms fall from there on."""
    lowest = max(0, drawn + marked - size)
    total, last = 0.0, _probability(most, drawn, size, marked)
    count = most
    while True:
        counts = np.arange(count, max(lowest, count - TERMS_AT_ONCE), -1, dtype=float)
        ratios = counts / (marked - counts + 1) * ((size - marked - drawn + counts) / (drawn - counts + 1))
        terms = last * np.concatenate([[1.0], np.cumprod(ratios)])
        total += float(terms[:-1].sum())
        count, last = count - counts.size, float(terms[-1])
        if count == lowest:
            return min(1.0, total + last)
        if last <= total * np.finfo(float).eps / TERMS_AT_ONCE:
            return min(1.0, total)


def _probability(count: int, drawn: int, size: int, marked: int) -> float:
    """Return the probability of exactly ``count``.

    Three binomial probabilities whose powers cancel, so that no large logarithms are subtracted. Source: C. Loader,
    Fast and accurate computation of binomial probabilities (2000).
    """
    share = drawn / size
    logarithm = (
        _log_binomial(count, marked, share)
        + _log_binomial(drawn - count, size - marked, share)
        - _log_binomial(drawn, size, share)
    )
    return math.exp(logarithm)


def _log_binomial(successes: int, trials: int, chance: float) -> float:
    failures = trials - successes
    if successes == 0:
        return trials * math.log1p(-chance) if chance < 1 else (0.0 if trials == 0 else -math.inf)
    if failures == 0:
        return trials * math.log(chance)
    return (
        _stirling_error(trials)
        - _stirling_error(successes)
        - _stirling_error(failures)
        - _deviance(successes, trials * chance)
        - _deviance(failures, trials * (1 - chance))
        + 0.5 * math.log(trials / (2 * math.pi * successes * failures))
    )


def _stirling_error(n: int) -> float:
    """Return log n! - log(√(2πn) (n/e)ⁿ)."""
    if n < 16:
        return math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - 0.5 * math.log(2 * math.pi)
    x = float(n) * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / x) / x) / x) / x) / n


def _deviance(x: float, mean: float) -> float:
    """Return x log(x / mean) + mean - x, without loss where the two are close."""
    d = (x - mean) / (x + mean)
    if abs(d) > 0.1:
        return x * math.log(x / mean) + mean - x
    # log(x / mean) = 2 artanh(d), and mean - x = -d (x + mean)
    total, term, k = (x - mean) * d, 2 * x * d, 1
    while True:
        term *= d * d
        k += 2
        if total + term / k == total:
            return total
        total += term / k


def _times(turns: NDArray[np.intp], sizes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return when the coordinates with these turns come: the first in turn, before 0, then in proportion."""
    return np.where(turns < FIRST_OF_EACH_BLOCK, turns - float(FIRST_OF_EACH_BLOCK), (turns + 0.5) / sizes)


def _turns_to_draw(sizes: NDArray[np.intp], drawn: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return up to which turn each block is to be drawn, so that the next ``count`` coordinates are among those."""

    def turns_until(time: float) -> NDArray[np.intp]:
        fraction = np.floor(time * sizes + 0.5).astype(np.intp)
        return np.asarray(np.minimum(sizes, np.maximum(drawn, np.maximum(fraction, FIRST_OF_EACH_BLOCK))))

    target = min(int(drawn.sum()) + count, int(sizes.sum()))
    low, high = 0.0, 1.0
    while int(turns_until(high).sum() - turns_until(low).sum()) > count and high - low > 1e-15:
        middle = (low + high) / 2
        if int(turns_until(middle).sum()) >= target:
            high = middle
        else:
            low = middle
    return turns_until(high)


def _mixed(words: Words) -> Words:
    """Return 64 well-mixed bits of each word. Source: G. L. Steele et al., OOPSLA 2014 (SplitMix)."""
    words = words * np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _whole(name: str, value: Any) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise InvalidProblemError(f"{name}: expected a whole number, got {value!r}.") from None
