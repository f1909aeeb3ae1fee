"""Those who are asked: `torch.autograd.gradcheck`, slow and fast, and fastcheck."""

from __future__ import annotations

import contextlib
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.gradcheck import GradcheckError

from benchmarks.torch_functions.planting import Call, CustomFunction, Mistake

RIGHT, WRONG, UNDECIDED, TOO_SLOW, ERROR = "right", "wrong", "undecided", "too slow", "error"

Checker = Callable[[Call, Sequence[Any]], str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a checker says of a function, right or with a mistake, and how long it takes."""

    checker: str
    function: str
    mistake: str | None
    said: str
    seconds: float
    inputs: int
    """How many numbers were checked."""


class OutOfTimeError(Exception):
    """The time that a checker has is up."""


def slow_gradcheck(call: Call, arguments: Sequence[Any]) -> str:
    """Ask `torch.autograd.gradcheck`, which looks at the whole Jacobian."""
    return _gradcheck(call, arguments, fast_mode=False)


def fast_gradcheck(call: Call, arguments: Sequence[Any]) -> str:
    """Ask it in its fast mode, which looks along one random direction."""
    return _gradcheck(call, arguments, fast_mode=True)


def _gradcheck(call: Call, arguments: Sequence[Any], *, fast_mode: bool) -> str:
    try:
        torch.autograd.gradcheck(call, tuple(arguments), fast_mode=fast_mode)
    except GradcheckError:
        return WRONG
    return RIGHT


def fastcheck_check(call: Call, arguments: Sequence[Any]) -> str:
    """Ask `fastcheck.torch.check_function`."""
    from fastcheck.torch import check_function

    report = check_function(call, *arguments)
    return {"pass": RIGHT, "fail": WRONG, "inconclusive": UNDECIDED}[report.verdict]


CHECKERS: dict[str, Checker] = {
    "gradcheck": slow_gradcheck,
    "gradcheck, fast mode": fast_gradcheck,
    "fastcheck": fastcheck_check,
}


def ask(checker: str, function: CustomFunction, planted: Mistake | None, *, limit: float) -> Answer:
    """Ask about a function; ``limit`` is the time that the checker has, in seconds."""
    call, arguments = function.with_mistake(planted), function.inputs()
    begun = time.perf_counter()
    try:
        with within(limit), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gradcheck warns of inputs in float32
            said = CHECKERS[checker](call, arguments)
    except OutOfTimeError:
        said = TOO_SLOW
    except Exception:
        said = ERROR
    return Answer(
        checker=checker,
        function=function.name,
        mistake=planted and planted.name,
        said=said,
        seconds=time.perf_counter() - begun,
        inputs=sum(x.numel() for x in arguments if isinstance(x, torch.Tensor) and x.requires_grad),
    )


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `OutOfTimeError` once that time is up; in the main thread of a system with alarms."""

    def ring(*_: Any) -> None:
        raise OutOfTimeError

    kept = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, kept)
