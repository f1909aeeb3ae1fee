"""What functions raise in other processes: sent as they are if that is possible, and else as what is known of them."""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass
from typing import Any

from fastcheck.errors import EvaluationError


def sendable(error: BaseException) -> BaseException | Raised:
    """Return an exception if it can be sent to other processes, and else what can be sent of it."""
    return error if _is_same_when_pickled(error) else Raised.of(error)


def received(sent: BaseException | Raised) -> BaseException:
    """Return the exception that was made `sendable`."""
    return sent.rebuilt() if isinstance(sent, Raised) else sent


def text_of(error: BaseException | Raised) -> str:
    """Return the type and text of an exception, which may have none, or one that raises itself."""
    name, text = (
        (error.name, error.text) if isinstance(error, Raised) else (type(error).__name__, said_by(error))
    )
    return f"{name}: {text}" if text else name


def said_by(error: BaseException) -> str:
    """Return the text of an exception, also where that raises."""
    try:
        return str(error)
    except Exception as worse:
        return f"(its text raises {type(worse).__name__})"


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception that cannot be pickled: its class if that can be, and what of it can be.

    The smallest example that breaks without it, as pickle calls the class with ``args``, the text alone::

        class OddError(ValueError):
            def __init__(self, what, *, code): ...
    """

    kind: bytes | None
    name: str
    text: str
    arguments: tuple[Any, ...]
    attributes: dict[str, Any]
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> Raised:
        """Return what is known of an exception."""
        kind, state = type(error), getattr(error, "__dict__", {})
        return cls(
            kind=_pickled_by_value(kind),
            name=kind.__qualname__
            if kind.__module__ == "builtins"
            else f"{kind.__module__}.{kind.__qualname__}",
            text=said_by(error),
            arguments=tuple(value if _pickled(value) else _shown(value) for value in error.args),
            attributes={key: value for key, value in state.items() if _pickled(value)},
            trace=_trace(error),
        )

    def rebuilt(self) -> Exception:
        """Return the exception, or one that tells its type and text where it cannot be made again."""
        error = self._of_its_class() or EvaluationError(
            f"the cost raised {self.name} in a worker process: {self.text}"
        )
        for note in self.attributes.get("__notes__", ()):
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        error.__cause__ = RuntimeError(f"raised in a worker process:\n{self.trace}")
        return error

    def _of_its_class(self) -> Exception | None:
        try:
            kind = pickle.loads(self.kind or b"")
            error = kind.__new__(kind, *self.arguments)
            error.args = self.arguments
            error.__dict__.update(self.attributes)
            return error if isinstance(error, Exception) and said_by(error) == self.text else None
        except Exception:
            return None


def _pickled(value: Any) -> bytes | None:
    """Return what other processes can read as the same value, None if there is nothing like that."""
    try:
        data = pickle.dumps(value)
        pickle.loads(data)
    except Exception:
        return None
    return data


def _pickled_by_value(kind: type) -> bytes | None:
    """Return the same of a class, with its code if others cannot import it."""
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(kind)
        pickle.loads(data)
    except Exception:
        return None
    return data


def _is_same_when_pickled(error: BaseException) -> bool:
    """Tell whether an exception is the same after it was pickled."""
    data = _pickled(error)
    if data is None:
        return False
    loaded = pickle.loads(data)
    return type(loaded) is type(error) and said_by(loaded) == said_by(error)


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return object.__repr__(value)


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:
        return "".join(traceback.format_tb(error.__traceback__))
