"""Backward passes of PyTorch and JAX: they have calls of their own, as only the user knows what their inputs are."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from fastcheck.cli.finding.declared import reports_of
from fastcheck.cli.found import Finding, NotUsed
from fastcheck.files.users_file import UsersFile


def framework_rules(file: UsersFile) -> Iterator[Finding]:
    """Yield the Functions of PyTorch and rules of JAX, with the call for them; none where a report is kept."""
    if any(reports_of(file)):
        return
    for name, value in file.own.items():
        call = _call_for(value)
        if call is not None:
            package, function, kind, inputs = call
            why = (
                f"{kind}. Keep a report of it in the file: from fastcheck.{package} import {function}; "
                f"report = {function}({name}, {inputs})"
            )
            yield NotUsed(name=name, why=why, parts=(name,))


def _call_for(value: Any) -> tuple[str, str, str, str] | None:
    """Return the package, the call, what the value is, and the inputs it takes; None where it is no such thing."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and isinstance(value, type) and issubclass(value, torch.autograd.Function):
        forward = getattr(value, "forward", None)
        is_itself = value is torch.autograd.Function
        return None if is_itself else ("torch", "check_function", "a Function of PyTorch", _inputs(forward))
    if jax is not None and isinstance(value, jax.custom_vjp):
        return "jax", "check_vjp", "a custom_vjp of JAX", _inputs(value)
    if jax is not None and isinstance(value, jax.custom_jvp):
        return "jax", "check_jvp", "a custom_jvp of JAX", _inputs(value)
    return None


def _inputs(function: Any) -> str:
    """Return the names of what a function takes, without autograd's context."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return ", ".join(name for name in names if name != "ctx") or "*inputs"
