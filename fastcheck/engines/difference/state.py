"""What one trace remembers, and the trace that is running in this thread."""

from __future__ import annotations

import functools
import importlib.util
import linecache
import os
import sys
import sysconfig
import threading
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import FastcheckError

if TYPE_CHECKING:
    from fastcheck.engines.difference.kinks import Settling
    from fastcheck.engines.difference.recording import Recorder
    from fastcheck.engines.difference.shaking import Shaking

OPERATION_COST = 16_000
"""Elements whose processing takes as long as starting one operation: about 25 µs."""

LARGEST = 4_000_000
"""The most elements one array of differences may hold: 32 MB; a rule makes a few such arrays at once."""

_SCIPY = importlib.util.find_spec("scipy")  # found, not imported

INTERNAL = tuple(
    str(Path(path).parents[k])
    for path, k in ((__file__, 1), (np.__file__, 0), (_SCIPY.origin if _SCIPY else None, 0))
    if path
)
"""Folders whose frames are never the user's code: this one, NumPy's and SciPy's."""


COMPILED = "a C extension"
"""Name of all library functions that leave no frame."""

ONLY_DOUBLE = (
    "perturbed arrays are float64; leave the conversion out, or fill float64, at least for the check."
)
"""Why float32 and the like cannot be followed, and what to do."""


class TracingError(FastcheckError):
    """Difference propagation cannot follow the cost; the message names the function and the line."""

    follower = "Difference propagation"

    def __init__(self, what: str, why: str, *, trace: Running | None = None, final: bool = True) -> None:
        self.what = what
        self.why = why
        if trace is not None:
            self.follower = trace.name
        self.filename, self.lineno, self.source = blame()
        code = f"\n    {self.source}" if self.source else ""
        super().__init__(f"{what}: {why}\n  at {self.filename}:{self.lineno}{code}")
        if final:  # the user's code may catch this error and go another way
            concerned = [trace] if trace is not None else _running.stack[-1:] or list(_traces)
            for one in concerned:
                one.stop(self)


class UnknownFunctionError(TracingError):
    """There is no rule for a function at all."""


HINTS = {
    "scipy.sparse": "of sparse matrices only products with @ are followed, for the rest use matrix.toarray()",
    "scipy.stats": "write the density out, its logarithm is a short formula",
    "numpy.lib._function_base_impl.__call__": "call the function of an np.vectorize entry by entry",
    "pandas": "use arrays of NumPy",
    "sklearn": "write the function out with NumPy",
}
"""Functions, by how their full names begin → which spelling is followed."""


def hint_of(function: str) -> str:
    """Return which spelling would help where a function of a library cannot be followed."""
    return next((f": {hint}" for name, hint in HINTS.items() if function.startswith(name)), "")


class BatchTooLargeError(Exception):
    """An array of differences would need too much memory: the batch must be split."""


class Front(Protocol):
    """What the stand-ins of functions that create, convert and join arrays do in one kind of trace.

    ``library`` holds what takes over for functions of libraries, by their full names.
    """

    library: ClassVar[dict[str, Any]]

    @staticmethod
    def learn_scipy() -> None:
        """Learn the functions of SciPy, which has been imported."""
        ...

    @staticmethod
    def holds(x: Any) -> bool:
        """Whether x is an array of this kind of trace, or a list or tuple that holds one."""
        ...

    @staticmethod
    def array(x: Any) -> Any:
        """Return an array, or nested lists of numbers of the trace, as an array of the trace."""
        ...

    @staticmethod
    def lifted(x: Any) -> Any:
        """Return data of the cost as an array of the trace, which the cost may write into: the data stay."""
        ...

    @staticmethod
    def adopted(x: Any) -> Any:
        """Return an array that the cost created as an array of the trace, which can receive its values."""
        ...

    @staticmethod
    def converted(
        original: Any, x: Any, dtype: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """Return what np.array and its like make of numbers of the trace."""
        ...


class Running:
    """A run of the cost on arrays of ours, in one thread: what is inside the ``with`` block.

    ``stopped`` is the first error that ended it, though the user's code may have caught that; ``escapes`` are numbers
    that left the arrays. ``over`` tells arrays that outlive it.
    """

    front: ClassVar[type[Front]]
    """Set where it is written."""

    thorough = False
    """Whether plain arrays that the cost loads become arrays of the run."""
    name: ClassVar[str] = "Difference propagation"
    """What the run is part of, in notes."""

    recorder: Recorder | None
    escapes: list[Any]
    stopped: Exception | None
    over: bool

    __slots__ = ("escapes", "over", "recorder", "stopped")

    def __init__(self) -> None:
        self.escapes, self.stopped, self.over, self.recorder = [], None, False, None

    def stop(self, error: Exception) -> None:
        """Note the first error, which ends the run whatever becomes of it."""
        if self.stopped is None:
            self.stopped = error

    def __enter__(self) -> Self:
        """Make this the one that runs in this thread."""
        _running.stack.append(self)
        _traces.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self.escapes.clear()
        _traces.discard(self)
        if self in _running.stack:
            _running.stack.remove(self)


class Trace(Running):
    """The state of one run of the cost over a batch of B perturbations.

    ``kinked`` and ``unsupported`` are flags per member, ``work`` counts the elements processed:
    ``member_work`` of them grow with B, ``shared_work`` do not. ``largest`` is the biggest array. ``odd`` says that
    the opposite perturbations have exactly the opposite differences, because every rule so far was linear. A
    ``recorder``, if there is one, is told what the cost multiplies and computes with; ``settling`` says what happens
    at kinks, and ``shaking`` makes roundings fall another way.
    """

    __slots__ = (
        "compiled",
        "kinked",
        "largest",
        "limit",
        "member_work",
        "members",
        "memory",
        "odd",
        "settling",
        "shaking",
        "shared_work",
        "unsupported",
    )

    def __init__(
        self,
        members: int,
        *,
        compiled: bool = False,
        memory: Memory | None = None,
        limit: int = LARGEST,
        recorder: Recorder | None = None,
        settling: Settling | None = None,
        shaking: Shaking | None = None,
    ) -> None:
        super().__init__()
        self.members = members
        self.compiled = compiled
        self.memory = Memory() if memory is None else memory
        self.limit = limit
        self.recorder = recorder
        self.settling = settling
        self.shaking = shaking
        self.kinked = np.zeros(members, dtype=bool)
        self.unsupported = np.zeros(members, dtype=bool)
        self.odd = True
        self.member_work = 0
        self.shared_work = 0
        self.largest = 0

    @property
    def work(self) -> int:
        """All elements processed, the cost of starting operations included."""
        return self.member_work + self.shared_work

    def begin(self) -> None:
        """Count the start of an operation."""
        self.shared_work += OPERATION_COST

    def spend(self, elements: int) -> None:
        """Count an array of differences, and refuse one that is too large."""
        self.member_work += elements
        if elements > self.largest:
            self.largest = elements
            if elements > self.limit:
                error = BatchTooLargeError()
                self.stop(error)
                raise error


class Memory:
    """Matrix products of unperturbed arrays, remembered from one batch to the next.

    A product is reused only where both factors are equal, entry by entry, to what they were. Factors are copied, but
    for those that nobody can write to, such as the parameters themselves.
    """

    LIMIT = 64_000_000
    """Bytes that are kept at most."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._products: dict[Any, tuple[NDArray[Any], NDArray[Any], Any]] = {}
        self._bytes = 0

    def product(self, multiply: Any, x: Any, y: Any, key: Any) -> Any:
        """Return ``multiply(x, y)``, as a new array."""
        known = self._products.get((key, x.shape, y.shape))
        if known is not None and _same(known[0], x) and _same(known[1], y):
            return known[2].copy()
        result = multiply(x, y)
        size = x.nbytes + y.nbytes + result.nbytes
        if known is None and self._bytes + size <= self.limit:
            self._bytes += size
            x, y = (factor if _constant(factor) else factor.copy() for factor in (x, y))
            self._products[(key, x.shape, y.shape)] = (x, y, result.copy())
        return result


def _constant(x: NDArray[Any]) -> bool:
    """Whether nobody can write to an array: neither through it nor through an array that it is a view of."""
    memory: Any = x
    while isinstance(memory, np.ndarray):
        if memory.flags.writeable:
            return False
        memory = memory.base
    return memory is None


def _same(known: NDArray[Any], x: NDArray[Any]) -> bool:
    """Whether two arrays of one shape hold the same numbers; not looked at where they are the same memory."""
    if known.strides == x.strides and known.ctypes.data == x.ctypes.data:
        return True
    return np.array_equal(known, x)


class _Running(threading.local):
    def __init__(self) -> None:
        self.stack: list[Any] = []


_running = _Running()

_traces: set[Running] = set()
"""Those that are running in any thread: an error in a thread of the cost's own may concern each of them."""


def running() -> Trace:
    """Return the thread's running trace."""
    trace = current_trace()
    if not isinstance(trace, Trace):
        why = "it was kept from an earlier evaluation of the cost, or given to another thread."
        raise TracingError("a perturbed array", why)
    return trace


def current_recorder() -> Recorder | None:
    """Return the recorder of the thread's running trace, if there is one."""
    return _running.stack[-1].recorder if _running.stack else None


def is_running(trace: Trace | None = None) -> bool:
    """Whether this thread is tracing, and if one is given, whether this is the trace."""
    stack = _running.stack
    return bool(stack) and (trace is None or stack[-1] is trace)


def current_trace() -> Running | None:
    """Return what runs in this thread, if anything does."""
    trace: Running | None = _running.stack[-1] if _running.stack else None
    return trace


def current_front() -> type[Front] | None:
    """Return what stand-ins do in the trace that is running in this thread; None if none is."""
    trace = current_trace()
    return None if trace is None else trace.front


def traces_running() -> int:
    """Return how many traces run in this thread, one inside the other."""
    return len(_running.stack)


def end_traces(count: int) -> None:
    """End all traces of this thread but so many, the outer ones: a run may have been interrupted."""
    for trace in _running.stack[count:]:
        trace.__exit__()


def _before_fork() -> None:
    """End a trace in which a process is forked: what the other process computes cannot be followed."""
    if _running.stack:
        TracingError("fork", "what another process computes cannot be followed.")


def _in_a_child() -> None:
    """Let the traces of the parent, in all of its threads, be over in a process that was forked."""
    end_traces(0)
    _traces.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_a_child)


def users_frame() -> tuple[types.FrameType, types.FrameType]:
    """Return the innermost frame of the user's code, and the frame that it called.

    That is outside NumPy, SciPy and this package, and outside of other installed packages, if the cost is.
    """
    frame = inner = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INTERNAL):
        inner, frame = frame, frame.f_back
    outer, called = frame, inner
    while outer.f_back is not None and is_installed(outer.f_code.co_filename):
        called, outer = outer, outer.f_back
        if outer.f_code.co_filename.startswith(INTERNAL[0]):  # all of the cost is installed
            return frame, inner
    return outer, called


def is_installed(filename: str) -> bool:
    """Whether a file is one of the standard library, or of an installed package."""
    return filename.startswith(installed_folders())


@functools.cache
def installed_folders() -> tuple[str, ...]:
    """Return the folders of the standard library and of installed packages."""
    paths = sysconfig.get_paths()
    return (*(paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")), sys.base_prefix + "/lib")


def blame() -> tuple[str, int, str]:
    """Return file, line number and text of the user's line that is running."""
    frame, _ = users_frame()
    filename, lineno = frame.f_code.co_filename, frame.f_lineno
    return filename, lineno, linecache.getline(filename, lineno, frame.f_globals).strip()


def called_function() -> str:
    """Return the name of the library function that the user's line called, or `COMPILED`."""
    _, inner = users_frame()
    if inner.f_code.co_filename.startswith(INTERNAL[0]):
        return COMPILED
    return f"{inner.f_globals.get('__name__', '')}.{inner.f_code.co_name}"
