"""The recorded graph: nodes in the order in which they ran, and the sweep that sends slopes back through them."""

from __future__ import annotations

import functools
import threading
import zlib
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.movement import Open, Read, Section, Write
from fastcheck.engines.graph.nodes.node import Array, Leaf, Node, SlopeSums
from fastcheck.engines.graph.nodes.smooth import Combination, Elementwise, Multiply
from fastcheck.engines.graph.perturbation import Perturbation
from fastcheck.engines.graph.tracing.needed import recorded_until
from fastcheck.engines.graph.tracing.tracing_error import Running, TracingError, current_run
from fastcheck.engines.graph.tracing.users_line import Frame, UsersFrames
from fastcheck.norms import all_finite

ENTRYWISE = (Elementwise, Multiply, Combination)
"""Operations each entry of whose result depends on one entry of an operand."""

Shares = Iterable[tuple[Any, Array | None]]
"""Operands, and what J makes of them by one operation."""

Share = Callable[[Node, Array | None], Shares]
"""How a node shares what J makes of its result."""

ONLY_DOUBLE = (
    "recorded arrays are float64; leave the conversion out, or fill float64, at least for the check."
)
"""Why float32 and the like cannot be followed, and what to do."""

MOST_NODES = 500_000
"""Operations that are recorded at most: a longer cost is evaluated plainly."""

MOST_ENTRIES_COPIED = 4096
"""Entries of a constant array up to which it is copied whenever it is used; larger ones are watched."""


class Tape(Running):
    """What one run of the cost wrote down; ``limit`` is how many bytes its values may take.

    Constant arrays of some size are ``watched`` instead of copied, unless it ``copies``: the cost may write into them.
    ``leaks`` are values that left it: how many nodes there were then, and what to say if J was computed later. If it
    is ``thorough``, plain arrays of the cost are recorded from where they are loaded (``lifted``). ``raw`` are the
    numbers of nodes as they were added, before what J does not depend on was forgotten; ``frames`` the user's
    functions that ran those whose raw numbers are ``named``, the innermost first. A ``perturbation`` perturbs
    roundings, for which ``left_of_one`` is what is left of 1 in values before. ``companions`` follow the arrays of
    other libraries, by the names of these.
    """

    __slots__ = (
        "buffers",
        "companions",
        "copies",
        "frames",
        "held",
        "leaks",
        "left_of_one",
        "lifted",
        "limit",
        "named",
        "nodes",
        "perturbation",
        "raw",
        "thorough",
        "thread",
        "users_frames",
        "watched",
    )

    name = "Recording"

    def __init__(
        self,
        limit: int,
        thorough: bool = False,
        copies: bool = False,
        named: Container[int] = (),
        perturbation: Perturbation | None = None,
    ) -> None:
        super().__init__()
        self.thorough, self.copies = thorough, copies
        self.watched: dict[int, tuple[Array, int]] = {}
        self.lifted: dict[int, Any] = {}
        self.leaks: list[tuple[int, TracingError]] = []
        self.nodes: list[Node] = []
        self.buffers: list[int] = []
        self.limit, self.held = limit, 0
        self.named, self.perturbation = named, perturbation
        self.left_of_one: dict[Node, Array] = {}
        self.frames: dict[int, tuple[Frame, ...]] = {}
        self.users_frames = UsersFrames()
        self.raw: list[int] = []
        self.companions: dict[str, Any] = {}
        self.thread = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        for companion in self.companions.values():
            companion.close()
        self.companions = {}
        super().__exit__()

    def translated(self, x: Any) -> Any:
        """Return the recorded array that an array of another library stands for, and anything else as it is."""
        for companion in self.companions.values():
            x = companion.translated(x)
        return x

    def computed(self, node: Any) -> Any:
        """Append a node, and return its value, with perturbed rounding if the tape has a perturbation."""
        if self.perturbation is not None and node.rounds:
            left = node.left_of_one
            if left is not None:
                self.left_of_one[node] = left
            node.value = self.perturbation.result(node.value)
        return self.add(node).value

    def add(self, node: Any) -> Any:
        """Append a node."""
        if threading.get_ident() != self.thread:
            raise self.refusal("a recorded array", "it was given to another thread.")
        node.number = len(self.nodes)
        self.nodes.append(node)
        if node.number in self.named:
            self.frames[node.number] = self.users_frames.now()
        if node.moves and isinstance(node.value, np.ndarray):
            self.held += node.value.nbytes if node.value.base is None else 0
            if self.held > self.limit:
                raise self.refusal(
                    "memory", "what the cost computes needs more memory than allowed: raise max_memory."
                )
        if node.number > MOST_NODES:
            raise self.refusal("the cost", f"it has more than {MOST_NODES:,} operations.")
        return node

    def constant(self, x: Array) -> Array:
        """Return a constant array as it is now.

        The smallest case that breaks without it: ``J = np.sum(w * X); X[...] = 0; return J``.
        """
        if self.copies or x.size <= MOST_ENTRIES_COPIED or x.dtype.hasobject:
            return np.array(x)
        if id(x) not in self.watched:
            self.watched[id(x)] = (x, fingerprint(x))
        return x

    def written_over(self) -> bool:
        """Whether the cost wrote into a constant array after it had computed with it."""
        return any(before != fingerprint(x) for x, before in self.watched.values())

    def refusal(self, what: str, why: str) -> TracingError:
        """Return the error that ends the recording, even if the user's code swallows it."""
        return TracingError(what, why, run=self)

    def forgive(self, error: TracingError) -> None:
        """Go on after an error, of which account is taken otherwise."""
        if self.stopped is error:
            self.stopped = None

    def leak(self, what: str, why: str) -> None:
        """Note that values were handed out as plain memory, or raise unless the recording is thorough."""
        error = self.refusal(what, why)
        if not self.thorough:
            raise error
        self.forgive(error)
        self.leaks.append((len(self.nodes), error))

    def escape(self, number: Any, source: Any) -> None:
        """Note that a recorded number was handed out as one of Python's."""
        why = "it turns a recorded number into one of Python's that the cost then computes with."
        error = TracingError(type(number).__name__, why, run=self, final=False)
        self.escapes.append((number, source))
        self.leaks.append((len(self.nodes), error))

    def keep_needed(self, result: Node | None, more: bool) -> None:
        """Forget what J does not depend on; raise where it depends on what was not recorded.

        ``more`` tells that the cost returned something besides J.
        """
        needed, last = recorded_until(self.nodes, result, more)
        for count, error in self.leaks:
            if result is None or count <= last:
                raise error
        self.raw = [node.number for node in needed]
        self.users_frames.forget()
        self.frames = {number: self.frames[raw] for number, raw in enumerate(self.raw) if raw in self.frames}
        for number, node in enumerate(needed):
            node.number = number
        self.nodes = needed

    @property
    def lines(self) -> dict[int, tuple[str, int, str]]:
        """The user's lines of the nodes that were named: file, number and text."""
        return {number: frames[0].line for number, frames in self.frames.items() if frames}

    def slopes(
        self, result: Node | None, leaves: Sequence[Leaf], cotangent: Array | None = None
    ) -> list[Array]:
        """Return what the result makes of every entry of the leaves: float64 arrays of their shapes.

        A result of several entries is weighted by a ``cotangent`` of its shape.
        """
        if self.perturbation is not None:
            return self.sent_back(result, leaves, self.share(), cotangent=cotangent)
        slopes = self.sent_back(result, leaves, _shares, cotangent=cotangent)
        if all(map(all_finite, slopes)):
            return slopes
        return self.sent_back(result, leaves, _finite_shares, cotangent=cotangent)

    def share(self) -> Share:
        """Return how nodes share what J makes of their results: with perturbed rounding if there is a perturbation."""
        if self.perturbation is None:
            return _shares
        bent = self._bent()
        left_of_one = {node: left for node, left in self.left_of_one.items() if node.number in bent}
        return functools.partial(_perturbed_shares, self.perturbation, left_of_one)

    def rounded(self, shares: Shares) -> Shares:
        """Return shares of an operation, with perturbed rounding if there is a perturbation."""
        if self.perturbation is None:
            return shares
        return [
            (operand, None if part is None else self.perturbation.share(part)) for operand, part in shares
        ]

    def _bent(self) -> set[int]:
        """Return the numbers of the nodes that are not linear, or that J is not linear in, as far as that is seen.

        Of the others no backward pass forms what is left of 1: 1 + x is a sum in J = 1 + x, and saturates in 1 / (1 +
        x).
        """
        bent: set[int] = set()
        for node in reversed(self.nodes):
            operands = [x for x in node.operands if isinstance(x, Node)]
            moves = [np.zeros(1) if isinstance(x, Node) else None for x in node.operands]
            in_buffers = isinstance(node, (Open, Write, Read, Section))
            if in_buffers or node.number in bent or not node.linear(moves):
                bent.update(x.number for x in (node, *operands))
        return bent

    def sent_back(
        self,
        result: Node | None,
        leaves: Sequence[Leaf],
        share: Share,
        sources: Container[int] = (),
        cotangent: Array | None = None,
    ) -> list[Array]:
        """Return what reaches the leaves, if each node shares what reaches it as ``share`` tells.

        It starts with 1 at the result, if there is one, or with a ``cotangent`` of its shape, and with what nodes with
        the numbers ``sources`` share even if nothing reaches them.
        """
        pending = SlopeSums(len(self.nodes))
        if result is not None and result.live:
            pending.add(result, np.ones(np.shape(result.value)) if cotangent is None else cotangent)
        for node in reversed(self.nodes):
            if isinstance(node, Leaf):
                continue
            if isinstance(node, (Write, Open)):
                node.add_to(pending)
                continue
            slope = pending.take(node) if node.live else None
            if slope is None and node.number not in sources:
                continue
            if slope is not None and isinstance(node, Read):
                node.add_to(slope, pending, self.buffers[node.buffer])
            elif slope is not None and isinstance(node, Section):
                node.add_to(slope, pending)
            else:
                for operand, part in share(node, slope):
                    if part is not None:
                        pending.add(operand, part)
        slopes = [pending.take(leaf) for leaf in leaves]
        return [
            np.zeros(leaf.value.shape) if s is None else np.asarray(s, dtype=float, order="C")
            for leaf, s in zip(leaves, slopes, strict=True)
        ]


def fingerprint(x: Array) -> int:
    """Return a number that tells an array from what it becomes when it is written into."""
    return zlib.crc32(x.ravel("K").view(np.uint8).data)


def _shares(node: Node, slope: Array | None) -> Shares:
    assert slope is not None
    return zip(node.operands, node.backward(slope), strict=True)


def _perturbed_shares(
    perturbation: Perturbation, left_of_one: dict[Node, Array], node: Node, slope: Array | None
) -> Shares:
    """Return finite shares, with perturbed rounding."""
    left = left_of_one.get(node)
    if left is not None and slope is not None:
        slope = perturbation.saturated(left, slope)
    for operand, part in _finite_shares(node, slope):
        yield operand, perturbation.share(part) if part is not None and node.rounds else part


def _finite_shares(node: Node, slope: Array | None) -> Shares:
    """Return shares of which none is infinite.

    What J makes nothing of has none, and what is infinitely steep is taken for what no parameter moves, as the diagonal
    of a matrix of distances: forwards that is certified.
    """
    assert slope is not None
    for operand, part in _shares(node, slope):
        if part is not None and isinstance(node, ENTRYWISE):
            part = np.where((slope == 0) | ~np.isfinite(part), 0.0, part)
        yield operand, part


def recording() -> Tape | None:
    """Return the tape that this thread records on, if it does."""
    run = current_run()
    return run if isinstance(run, Tape) else None


def current_tape() -> Tape:
    """Return this thread's tape."""
    tape = recording()
    if tape is None:
        raise TracingError("a recorded array", "it was kept from an earlier evaluation of the cost.")
    return tape
