"""Printing what was laid out for a terminal: to stdout, or as text."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable

from rich.console import Console, RenderableType
from rich.text import Text

from fastcheck.legible import encodable, legible, legible_output
from fastcheck.report.short_names import ELLIPSIS
from fastcheck.report.view import WIDTH, View, usable

LayOut = Callable[[View], RenderableType]
"""Returns what a report shows."""


def show(lay_out: LayOut, *, verbose: bool = False) -> None:
    """Print a report to stdout, in colours if that is a terminal."""
    console = make_console()
    with legible_output():
        console.print(lay_out(View(verbose=verbose, width=console.width)))


def render(lay_out: LayOut, *, verbose: bool = False, width: int | None = None, colour: bool = False) -> str:
    """Return a report as text: brief, as wide as the terminal and without colours, unless told otherwise."""
    view = view_of_stdout(verbose=verbose) if width is None else View(verbose=verbose, width=usable(width))
    file = io.StringIO()
    console = Console(
        file=file,
        width=view.width,
        color_system="standard" if colour else None,
        force_terminal=colour,
        no_color=not colour,
        legacy_windows=False,
        force_jupyter=False,
        highlight=False,
    )
    console.print(lay_out(view))
    shown = file.getvalue().rstrip()
    if encodable(ELLIPSIS) != ELLIPSIS:
        shown = shown.replace(ELLIPSIS, "~")
    return "\n".join(line.rstrip() for line in shown.split("\n"))


def view_of_stdout(*, verbose: bool = False) -> View:
    """Return how much is shown, in the columns of the terminal that stdout is, or 80."""
    return View(verbose=verbose, width=make_console().width)


def make_console() -> Console:
    """Return a console for stdout: colours only on a terminal, unless ``NO_COLOR`` or ``FORCE_COLOR`` say otherwise."""
    stdout = Console()
    return Console(width=usable(stdout.width) if stdout.is_terminal else WIDTH, highlight=False)


def paragraph(sentence: str, view: View) -> Text:
    """Return a sentence in as many lines as it needs."""
    return Text(textwrap.fill(legible(" ".join(sentence.split())), view.width))
