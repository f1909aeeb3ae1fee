"""What is not recorded is computed all the same: the cost cannot be recorded only if J depends on that.

The smallest case that breaks without it: ``return loss, {"W": dW.astype(np.float32)}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.decisions import Guard
from fastcheck.engines.graph.tracing.needed import Unknown
from fastcheck.engines.graph.tracing.operands import as_is_now
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape
from fastcheck.engines.graph.tracing.tracing_error import TracingError


def computed_anyway(
    error: TracingError, function: Callable[..., Any], arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> Any:
    """Return what a function computes that was refused: unknown numbers, and whole ones as they are.

    Recorded arrays that it may have written into are unknown from then on. Raises the error again where nothing is
    live, or a plain array would be written into.
    """
    tape = current_tape()
    things = list(_things_in([*arguments, *keywords.values()]))
    given = [x for x in things if type(x) is Recorded]
    alive = [x for x in given if x.live]
    if not alive:
        raise error
    made_of = [x.operand() for x in alive]
    values = {id(x): np.array(x.array)[()] for x in given}
    plain = {id(x): x.view() for x in things if id(x) not in values and isinstance(x, np.ndarray)}

    def run(replaced: Mapping[int, Any]) -> Any:
        return function(
            *(_with(replaced, x) for x in arguments),
            **{name: _with(replaced, x) for name, x in keywords.items()},
        )

    def unknown(value: Any) -> Recorded:
        return Recorded(value, tape.add(Unknown(value, made_of, error)))

    own = [x for x in values.values() if isinstance(x, np.ndarray)]
    for array in (*plain.values(), *own):
        array.flags.writeable = False
    try:
        result = run(values | plain)
    except ValueError:  # it writes into one of them, or there is something wrong with the values
        for array in own:
            array.flags.writeable = True
        try:
            result = run(values | plain)
        except ValueError:
            raise error from None
        tape.forgive(error)
        for x in given:
            if isinstance(x.array, np.ndarray):
                x.write(Ellipsis, unknown(values[id(x)]))
    tape.forgive(error)
    if whole_part(result) is not None:
        here = {number: as_is_now(x) for number, x in (values | plain).items()}

        def there(*ends: Any) -> Any:
            moved = {id(x): np.array(end)[()] for x, end in zip(alive, ends, strict=True)}
            return whole_part(run(here | moved))

        tape.add(Guard(there, whole_part(result), made_of))
    for x in given:
        if result is values[id(x)] and result is not None:
            return x
    try:
        return _as_unknown(result, unknown)
    except TypeError:
        raise error from None


def whole_part(result: Any) -> Any:
    """Return the truth values and whole numbers of a result, by which the cost may decide; None if none."""
    if isinstance(result, (tuple, list)):
        parts = [part for part in map(whole_part, result) if part is not None]
        return parts or None
    kind = np.asarray(result).dtype.kind if isinstance(result, (np.ndarray, np.generic, int)) else ""
    return result if kind in ("b", "i", "u") else None


def _as_unknown(result: Any, unknown: Callable[[Any], Recorded]) -> Any:
    """Return a result, with unknown arrays in the place of those of real numbers."""
    if isinstance(result, (np.ndarray, np.generic, float)):
        value = np.array(result)[()]
        return unknown(value) if value.dtype.kind in "fc" else result
    if isinstance(result, (tuple, list)):
        parts = [_as_unknown(part, unknown) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    if result is None or isinstance(result, (bool, int, str, bytes)):
        return result
    raise TypeError(type(result).__name__)


def _with(values: Mapping[int, Any], x: Any) -> Any:
    """Return an argument with other arrays in the place of those that are known by their id."""
    if id(x) in values:
        return values[id(x)]
    return type(x)(_with(values, part) for part in x) if type(x) in (list, tuple) else x


def _things_in(things: Iterable[Any]) -> Iterator[Any]:
    for x in things:
        if type(x) in (list, tuple):
            yield from _things_in(x)
        else:
            yield x
