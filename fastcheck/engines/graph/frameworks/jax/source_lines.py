"""Which of the user's lines wrote an equation of a jaxpr."""

from __future__ import annotations

from typing import Any

from fastcheck.engines.graph.tracing.users_line import INTERNAL, MOST_FRAMES, PACKAGE, Frame, is_installed


def frames_of(*equations: Any) -> tuple[Frame, ...]:
    """Return the functions of the user's that ran when an equation was traced, the innermost first.

    Given several, each is inside the next: what called a function that JAX traced by itself is known of the equation
    that calls it. Where all functions are of installed packages it is the outermost of these, as in a check of
    ``jax.nn.gelu`` itself.
    """
    known = [known_frames(equation) for equation in equations]
    users = tuple(frame for frames, _ in known for frame in frames)
    outermost = next((library for _, library in reversed(known) if library), ())
    return users[: MOST_FRAMES + 1] or outermost


def known_frames(equation: Any) -> tuple[tuple[Frame, ...], tuple[Frame, ...]]:
    """Return the functions of the user's that ran, and the outermost one of a library.

    JAX forgets the first of a backward pass that it traces by itself.
    """
    traceback = equation.source_info.traceback
    if traceback is None:
        return (), ()
    codes, instructions = traceback.raw_frames()
    users: list[Frame] = []
    outermost: tuple[Frame, ...] = ()
    for code, instruction in zip(codes, instructions, strict=True):
        filename = code.co_filename
        if filename.startswith(PACKAGE):  # it traced the function
            break
        if filename.startswith(INTERNAL):
            continue
        frame = Frame(code, instruction, traceback.code_addr2line(code, instruction), {})
        if not is_installed(filename):
            users.append(frame)
        elif not _is_tracing(filename):
            outermost = (frame,)
    return tuple(users), outermost


def users_frames_of(error: Exception) -> tuple[Frame, ...]:
    """Return the functions of the user's in which an error was raised, the innermost first."""
    frames: list[Frame] = []
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        filename = code.co_filename
        is_users = not (filename.startswith((*INTERNAL, PACKAGE)) or is_installed(filename))
        if is_users:
            namespace = traceback.tb_frame.f_globals
            frames.append(Frame(code, traceback.tb_lasti, traceback.tb_lineno, namespace))
        traceback = traceback.tb_next
    return tuple(reversed(frames))


def _is_tracing(filename: str) -> bool:
    """Whether a file is one of those by which JAX traces: no function in it computes anything."""
    return "/jax/_src/" in filename.replace(chr(92), "/") and filename.endswith(TRACING)


TRACING = (
    *("/api.py", "/api_util.py", "/pjit.py", "/core.py", "/linear_util.py", "/traceback_util.py"),
    *("/partial_eval.py", "/custom_derivatives.py", "/source_info_util.py", "/profiler.py", "/tree_util.py"),
)
"""How the names of such files end."""
