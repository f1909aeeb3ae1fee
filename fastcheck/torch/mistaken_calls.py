"""Calls of `check_function` that mean something else than they say: errors that tell how to write them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fastcheck.errors import InvalidProblemError
from fastcheck.torch.structures import tensors_in


def expect_fitting(fn: Any, function: type | None, arguments: Sequence[Any]) -> None:
    """Raise `InvalidProblemError` where ``fn`` is not the function, ``function`` being the Function that it is, if any.

    The usual ones::

        check_function(Softplus(), x)          # an instance
        check_function(Softplus.forward, x)    # with autograd's context as its first argument
        check_function(torch.nn.Linear, x)     # the class of a module
        check_function(Softplus, (x, beta))    # a tuple, as gradcheck takes it
    """
    if isinstance(fn, torch.autograd.Function):
        raise InvalidProblemError(
            f"fn: expected the Function itself, {type(fn).__name__}, got an instance of it."
        )
    if isinstance(fn, type) and issubclass(fn, torch.nn.Module):
        raise InvalidProblemError(f"fn: expected a module, {fn.__name__}(…), got the class.")
    if _takes_context(fn):
        owner = fn.__qualname__.rpartition(".")[0].rpartition(".")[2] or "the Function"
        raise InvalidProblemError(f"fn: expected the Function itself, {owner}, got its {fn.__name__}.")
    is_one_tuple = len(arguments) == 1 and isinstance(arguments[0], (tuple, list))
    if function is not None and is_one_tuple and tensors_in(arguments):
        raise InvalidProblemError(
            "inputs: expected them one by one, check_function(fn, *inputs), got a "
            f"{type(arguments[0]).__name__}, in which a torch.autograd.Function has no gradients."
        )


def without_tensors(arguments: Sequence[Any]) -> str:
    """Return what came in the place of tensors, in words."""
    if any(isinstance(x, np.ndarray) for x in arguments):
        return "arrays of NumPy: pass torch.from_numpy(x)"
    return "no tensor"


def _takes_context(fn: Any) -> bool:
    """Whether a function is the forward or backward of a Function: autograd passes its context first."""
    if not inspect.isfunction(fn) or fn.__name__ not in ("forward", "backward"):
        return False
    return next(iter(inspect.signature(fn).parameters), "") == "ctx"
