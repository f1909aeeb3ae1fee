"""The two ways an identity is run: interpreted by NumPy, or compiled by numba."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from fastcheck.differences import activations, arithmetic, exact, gaussian, special, transcendental

Identity = Callable[..., Any]

MODULES: tuple[ModuleType, ...] = (arithmetic, transcendental, activations, gaussian)

IDENTITIES: dict[str, Identity] = {
    name: function
    for module in MODULES
    for name, function in sorted(vars(module).items())
    if getattr(function, "__module__", None) == module.__name__ and not name.startswith("_")
}
"""Every identity, which is all that `MODULES` define in public, by its name.

The name is that of NumPy's or SciPy's ufunc where there is one. Arguments are ``(x, dx)``, or
``(x, dx, y, dy)``; the third of ``leaky_relu`` (slope) and ``elu`` (alpha) is a constant of the function.
"""

SCALAR_FORMS: dict[Identity, Identity] = {
    exact.where: lambda condition, first, second: (
        lambda condition, first, second: first if condition else second
    ),
    exact.erfc_value: lambda x: lambda x: math.erfc(x),
}
"""What needs another source for one float than for arrays, and that source as numba's `overload` wants it."""


@functools.cache
def interpreted(name: str) -> Identity:
    """Return the identity ``name`` for NumPy arrays, run operation by operation and without warnings.

    No compilation and no import of numba: the form for small problems, 10 to 900 ns an element.

    Parameters
    ----------
    name : str
        A key of `IDENTITIES`, or one of `special.NAMES`.

    Returns
    -------
    callable
        ``f(x, dx)``, ``f(x, dx, y, dy)``, …: floats or broadcastable arrays to an array of differences.

    Raises
    ------
    KeyError
        If there is no such identity.

    Examples
    --------
    >>> float(interpreted("exp")(0.0, 1e-20))
    1e-20
    """
    identity = special.difference_of(name) if name in special.NAMES else IDENTITIES[name]

    def quiet(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            # Python's own floats would raise where NumPy's return inf or NaN.
            return identity(*[np.asarray(argument, dtype=np.float64) for argument in arguments])

    return quiet


@functools.cache
def fused(name: str) -> Any:
    """Return the identity ``name`` compiled into one NumPy ufunc: a single pass over memory.

    Compiling takes about 0.1 s, once in a process. There is no cache on disk: numba would not notice a change
    in a building block that lives in another file, and would go on running the old one.

    Parameters
    ----------
    name : str
        A key of `IDENTITIES`.

    Returns
    -------
    numpy.ufunc-like
        ``f(x, dx)`` or ``f(x, dx, y, dy)`` in float64, with broadcasting, ``out=`` and ``where=``. As every
        ufunc it may warn (division by zero, overflow): call it under ``np.errstate(all="ignore")``.

    Raises
    ------
    KeyError
        If there is no such identity.

    Examples
    --------
    >>> float(fused("exp")(0.0, 1e-20))
    1e-20
    """
    import numba

    identity = IDENTITIES[name]
    if compiler_is_off():  # building blocks would stay what compiled code cannot call
        return _uncompiled(interpreted(name))
    teach_numba()
    signature = f"float64({', '.join(['float64'] * identity.__code__.co_argcount)})"
    vectorize: Any = numba.vectorize  # untyped
    return vectorize([signature], nopython=True)(identity)


def _uncompiled(identity: Identity) -> Identity:
    """Return an identity with the arguments of a ufunc, for processes in which numba's compiler is switched off."""

    def ufunc(*arguments: Any, out: Any = None, where: Any = True) -> Any:
        found = identity(*arguments)
        if out is None:
            return found
        np.copyto(out, found, where=where)
        return out

    return ufunc


@functools.cache
def njit_scalar(name: str) -> Any:
    """Return the identity ``name`` compiled for floats, to be called from numba kernels.

    Parameters
    ----------
    name : str
        A key of `IDENTITIES`.

    Returns
    -------
    numba dispatcher
        ``f(x, dx)`` or ``f(x, dx, y, dy)``, floats to a float. It follows NumPy's rules for division by zero
        and never numba's ``fastmath``, which would reorder the sums that recover rounding errors.

    Raises
    ------
    KeyError
        If there is no such identity.

    Examples
    --------
    >>> njit_scalar("exp")(0.0, 1e-20)
    1e-20
    """
    import numba

    identity = IDENTITIES[name]
    if compiler_is_off():
        return interpreted(name)
    teach_numba()
    return numba.njit(error_model="numpy", nogil=True)(identity)


def compiler_is_off() -> bool:
    """Tell whether numba was told to compile nothing (NUMBA_DISABLE_JIT=1)."""
    import numba

    config: Any = numba.config  # its names are made when it is loaded
    return bool(config.DISABLE_JIT)


@functools.cache
def announce_compilation() -> None:
    """Say on a terminal, the first time that numba compiles in this process, why it takes a moment."""
    from numba.core import event

    class Notice(event.Listener):
        said = False

        def on_start(self, event: Any) -> None:
            if not self.said and sys.stderr.isatty():
                print("fastcheck: compiling, once, for a few seconds …", file=sys.stderr)
            Notice.said = True

        def on_end(self, event: Any) -> None:
            """Say nothing more."""

    register: Any = event.register  # untyped
    register("numba:compile", Notice())


@functools.cache
def teach_numba() -> None:
    """Let compiled code call the identities and their building blocks, which stay plain functions."""
    from numba.extending import overload, register_jitable

    announce_compilation()
    for module in (exact, *MODULES):
        for function in vars(module).values():
            if getattr(function, "__module__", None) == module.__name__ and function not in SCALAR_FORMS:
                register_jitable(error_model="numpy")(function)
    for function, scalar_form in SCALAR_FORMS.items():
        overload(function)(scalar_form)
