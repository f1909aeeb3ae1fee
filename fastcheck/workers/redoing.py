"""Chunks of work until all of them are done, or were lost too often.

What is lost is done again in its smallest pieces; a piece that is lost is done again with nothing else beside it, so
that it is known to be the reason; if it is lost then as well, it is given up. What had not begun is not blamed.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from fastcheck.errors import EvaluationError, LostEvaluationError
from fastcheck.workers.exceptions import Raised, received, text_of
from fastcheck.workers.pools import Loss, Lost, Pool
from fastcheck.workers.tasks import Done, Failed, NotOpened, Outcome, OutOfMemory

Chunk = TypeVar("Chunk")
Result = TypeVar("Result", covariant=True)

TRIES = 3
"""Times that an evaluation is tried: it is redone twice."""

TRIES_OF_SLOW = 2
"""Times that an evaluation is tried that takes longer than its timeout."""

PATIENT = 10
"""Evaluations given up after which others of their kind are redone once."""

WITHOUT_ANY = 6
"""Losses of smallest pieces after which nothing more is tried, if nothing has ever come back."""

NEVER_BEGUN = 20
"""Times that workers may end before they begin with a chunk; after that they are not used any more."""


class Work(Protocol[Chunk, Result]):
    """Work that is done chunk by chunk, in other processes too; a chunk is one or more evaluations.

    ``redone_whole`` tells that a lost chunk is first done again as it is, since its pieces may round differently.
    """

    @property
    def redone_whole(self) -> bool:
        """Whether a lost chunk is done again as it is before it is cut."""
        ...

    def __call__(self, chunk: Chunk, /) -> Result:
        """Do the work of a chunk."""
        ...

    def pieces(self, chunk: Chunk, /) -> Sequence[Chunk]:
        """Return the smallest chunks that this one consists of, itself alone if it is as small."""
        ...


@dataclass(frozen=True, slots=True)
class _Try(Generic[Chunk]):
    chunk: Chunk
    tries: int = 0
    not_begun: int = 0


class Redoing(Generic[Chunk, Result]):
    """The chunks that are left. ``tell`` is told of each loss: the chunk and why.

    ``left`` are those that nobody has done where the pool serves no more, and ``why_left`` is why.
    """

    def __init__(
        self,
        pool: Pool,
        work: Work[Chunk, Result],
        chunks: Sequence[Chunk],
        tell: Callable[[Chunk, str], None],
    ) -> None:
        self.pool, self.work, self.tell = pool, work, tell
        self.waiting = deque(_Try(chunk) for chunk in chunks)
        self.alone: deque[_Try[Chunk]] = deque()
        self.running: dict[int, _Try[Chunk]] = {}
        self.came = self.lost_pieces = self.given_up = 0
        self.last_loss = ""
        self.why_left: str | None = None

    @property
    def left(self) -> list[Chunk]:
        """The chunks that have not been done."""
        return [waiting.chunk for waiting in (*self.running.values(), *self.waiting, *self.alone)]

    def results(self) -> Iterator[tuple[Chunk, Result | LostEvaluationError]]:
        """Yield chunks, or pieces of them, with their results, as they come; ends early where the pool is gone.

        Raises what the work raised, and `EvaluationError` where workers cannot open it.
        """
        while self.waiting or self.alone or self.running:
            self.why_left = self.pool.why_gone or self.why_left
            if self.why_left is not None:
                return
            if self._is_hopeless():
                yield from self._nothing_more()
                return
            self._give()
            for number, outcome in self.pool.back().items():
                tried = self.running.pop(number, None)
                if tried is not None:
                    yield from self._took(tried, outcome)

    def _give(self) -> None:
        """Give the pool as many chunks as it should have; those that come alone, one by one in the end."""
        while self.waiting and len(self.running) < self.pool.in_flight:
            tried = self.waiting.popleft()
            self.running[self.pool.submit(tried.chunk)] = tried
        if self.alone and not (self.waiting or self.running):
            tried = self.alone.popleft()
            self.running[self.pool.submit(tried.chunk)] = tried

    def _took(
        self, tried: _Try[Chunk], outcome: Outcome | Lost
    ) -> Iterator[tuple[Chunk, Result | LostEvaluationError]]:
        """Yield the result of a chunk, or have it done again."""
        match outcome:
            case Done(result):
                self.came += 1
                yield tried.chunk, result
            case Failed(error):
                raise received(error)
            case NotOpened(error):
                raise _cannot_be_opened(error)
            case OutOfMemory(error):
                yield from self._lost(tried, Lost(text_of(error), Loss.MEMORY))
            case Lost(why, Loss.NOT_BEGUN):
                self._put_back(tried, why)
            case Lost():
                yield from self._lost(tried, outcome)

    def _put_back(self, tried: _Try[Chunk], why: str) -> None:
        """Have a chunk done next that nobody began with: it is not to blame."""
        self.waiting.appendleft(_Try(tried.chunk, tried.tries, tried.not_begun + 1))
        if tried.not_begun >= NEVER_BEGUN:
            self.why_left = why

    def _lost(self, tried: _Try[Chunk], lost: Lost) -> Iterator[tuple[Chunk, Result | LostEvaluationError]]:
        """Have a chunk done again, in its pieces, or alone; yield it if it was tried as often as that makes sense."""
        self.last_loss = lost.why
        self.tell(tried.chunk, lost.why)
        pieces, tries = self.work.pieces(tried.chunk), tried.tries + 1
        if len(pieces) > 1:
            again = [tried.chunk] if self.work.redone_whole and tries == 1 else pieces
            self._redo([_Try(piece, 1) for piece in again])
            return
        self.lost_pieces += 1
        if tries >= self._most_tries(lost):
            self.given_up += lost.loss is not Loss.MEMORY
            yield tried.chunk, LostEvaluationError(given_up(lost, tries))
        elif tries == TRIES - 1:
            self.alone.append(_Try(tried.chunk, tries))
        else:
            self._redo([_Try(tried.chunk, tries)])

    def _redo(self, again: Sequence[_Try[Chunk]]) -> None:
        """Have pieces done when others are: first of all if nothing came so far, as perhaps nothing ever will."""
        if self.came:
            self.waiting.extend(again)
        else:
            self.waiting.extendleft(reversed(again))

    def _most_tries(self, lost: Lost) -> int:
        if lost.loss is Loss.TOO_SLOW:
            return TRIES_OF_SLOW
        is_known_to_end_workers = (
            self.given_up >= PATIENT and lost.loss is Loss.ENDED and self.pool.blames_exactly
        )
        return TRIES_OF_SLOW if is_known_to_end_workers else TRIES

    def _is_hopeless(self) -> bool:
        nothing_ever_came = not self.came and self.lost_pieces >= WITHOUT_ANY
        return nothing_ever_came or self.given_up >= self.pool.most_given_up

    def _nothing_more(self) -> Iterator[tuple[Chunk, Result | LostEvaluationError]]:
        """Give up what is left: workers end again and again."""
        left = self.left
        self.waiting.clear()
        self.alone.clear()
        self.running.clear()
        lost = LostEvaluationError(f"not evaluated any more, as this happened too often: {self.last_loss}")
        for chunk in left:
            for piece in self.work.pieces(chunk):
                yield piece, lost


def done_here(
    work: Work[Chunk, Result], chunks: Sequence[Chunk]
) -> Iterator[tuple[Chunk, Result | LostEvaluationError]]:
    """Yield chunks, or pieces of them, with what the work makes of each in this thread; memory may be scarce."""
    for chunk in chunks:
        try:
            result = work(chunk)
        except MemoryError as error:
            text = text_of(error)  # the exception holds the frames, and these hold memory
        else:
            yield chunk, result
            continue
        gc.collect()  # takes longer than many an evaluation: once for all pieces
        for piece in work.pieces(chunk):
            yield piece, _redone_here(work, piece, text)


def _redone_here(work: Work[Chunk, Result], piece: Chunk, text: str) -> Result | LostEvaluationError:
    for _ in range(TRIES - 1):
        try:
            return work(piece)
        except MemoryError as error:
            text = text_of(error)
    return LostEvaluationError(given_up(Lost(text, Loss.MEMORY), TRIES))


def given_up(lost: Lost, tries: int) -> str:
    """Return what is said of an evaluation that was tried so often."""
    match lost.loss:
        case Loss.TOO_SLOW:
            return f"the evaluation took longer than its timeout, in {tries} tries: {lost.why}"
        case Loss.MEMORY:
            return f"there was too little memory, in {tries} tries: {lost.why}"
    return f"no worker came back with it, in {tries} tries: {lost.why}"


def _cannot_be_opened(error: BaseException | Raised) -> EvaluationError:
    return EvaluationError(
        f"cost: a worker process cannot load it: {text_of(error)}. Its modules, and fastcheck, must be installed where "
        "the workers run, in the same versions; n_jobs=1 evaluates it here."
    )
