"""What the checkers said, as a page."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable, Sequence

from benchmarks.torch_functions.checkers import CHECKERS, ERROR, RIGHT, TOO_SLOW, UNDECIDED, WRONG, Answer
from benchmarks.torch_functions.planting import CustomFunction

PAGE = """\
# Backward passes of PyTorch code, beside `torch.autograd.gradcheck`

Written by `python -m benchmarks.torch_functions`; do not edit. Python {python}, {packages}, one thread.

{functions} functions as public projects have them (`torch.autograd.Function`, rewritten), with right backward passes
and {mistakes} mistakes, one at a time. Every checker is called as its documentation says, with its defaults. *Missed*:
a mistake is called right. *False alarm*: a right backward pass is called wrong. That the right ones are right, and by
how much each mistake changes a gradient, are tests: they are compared with autograd's derivative of the forward pass.

gradcheck's slow mode compares all of the Jacobian; each question had {limit:g} s, and what took longer counts as
*no answer*. Its fast mode compares one random direction. fastcheck is `fastcheck.torch.check_function`: it compares
all entries of the gradients.

{totals}

## By function

Milliseconds are those of the right backward pass: the median of {repeats} calls, or the only one where it takes longer
than ten seconds.

{by_function}

## What was not right

{not_right}

## Where such functions are found

Mistakes with a thread are of a kind that was reported there.

{known_from}
"""

SHORT = {"gradcheck": "gradcheck", "gradcheck, fast mode": "fast mode", "fastcheck": "fastcheck"}

Answers = Sequence[Answer]


def page(answers: Answers, functions: Sequence[CustomFunction], *, limit: float, repeats: int) -> str:
    """Return the page, in Markdown."""
    asked = [name for name in CHECKERS if any(a.checker == name for a in answers)]
    return PAGE.format(
        python=platform.python_version(),
        packages=", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "numpy")),
        functions=len(functions),
        mistakes=sum(len(function.mistakes) for function in functions),
        limit=limit,
        repeats=repeats,
        totals=totals(answers, asked),
        by_function=by_function(answers, functions, asked),
        not_right=not_right(answers, asked),
        known_from=known_from(functions),
    )


def totals(answers: Answers, asked: Sequence[str]) -> str:
    """Return a line for each checker."""
    header = [
        "checker",
        "mistakes",
        "found",
        "missed",
        "no answer",
        "right ones",
        "false alarms",
        "no answer",
        "time",
    ]
    lines = []
    for name in asked:
        wrong, right = (of(answers, name, planted=planted) for planted in (True, False))
        line: list[object] = [name, len(wrong), count(wrong, WRONG), count(wrong, RIGHT), unanswered(wrong)]
        line += [len(right), count(right, WRONG), unanswered(right)]
        lines.append([*line, f"{sum(a.seconds for a in (*wrong, *right)):,.1f} s"])
    return table(header, lines)


def by_function(answers: Answers, functions: Sequence[CustomFunction], asked: Sequence[str]) -> str:
    """Return a line for each function."""
    header = ["function", "numbers", "mistakes"]
    header += [f"{SHORT[name]}: {what}" for what in ("ms", "missed", "false alarms") for name in asked]
    lines = []
    for function in functions:
        own = [a for a in answers if a.function == function.name]
        right = {name: of(own, name, planted=False)[0] for name in asked}
        line: list[object] = [function.name, f"{own[0].inputs:,}", len(function.mistakes)]
        line += [milliseconds(right[name]) for name in asked]
        line += [missed(of(own, name, planted=True)) for name in asked]
        lines.append([*line, *(false_alarm(right[name]) for name in asked)])
    return table(header, lines)


def milliseconds(answer: Answer) -> str:
    """Return the time of an answer, or of how long none came."""
    text = f"{1e3 * answer.seconds:,.0f}" if answer.seconds >= 0.1 else f"{1e3 * answer.seconds:.1f}"
    return f"> {text}" if answer.said == TOO_SLOW else text


def missed(answers: Answers) -> str:
    """Return how many mistakes were called right, and of how many nothing was said."""
    silent = unanswered(answers)
    if silent == len(answers):
        return "no answer"
    return f"{count(answers, RIGHT)}" + (f", {silent} no answer" if silent else "")


def false_alarm(answer: Answer) -> str:
    """Return 1 for a false alarm, and 0 for none."""
    return {RIGHT: "0", WRONG: "1"}.get(answer.said, "no answer")


def not_right(answers: Answers, asked: Sequence[str]) -> str:
    """Return what each checker missed, called wrong, or said nothing of."""
    parts = []
    for name in asked:
        wrong, right = (of(answers, name, planted=planted) for planted in (True, False))
        sentences = [
            ("Missed", [a for a in wrong if a.said == RIGHT]),
            ("False alarms", [a for a in right if a.said == WRONG]),
            ("No answer in time", [a for a in (*wrong, *right) if a.said == TOO_SLOW]),
            ("Undecided", [a for a in (*wrong, *right) if a.said == UNDECIDED]),
            ("Errors", [a for a in (*wrong, *right) if a.said == ERROR]),
        ]
        said = [f"{word}: {listed(found)}." for word, found in sentences if found]
        parts.append(f"**{name}.** " + (" ".join(said) or "Nothing."))
    return "\n\n".join(parts)


def known_from(functions: Sequence[CustomFunction]) -> str:
    """Return projects and threads for each function."""
    rows = []
    for function in functions:
        threads = [f"{planted.name}: {planted.reported}" for planted in function.mistakes if planted.reported]
        rows.append([function.name, function.known_from, "; ".join(threads)])
    return table(["function", "projects", "mistakes that were reported"], rows, numbers=False)


def listed(answers: Iterable[Answer]) -> str:
    """Return mistakes by function."""
    groups: dict[str, list[str]] = {}
    for a in answers:
        groups.setdefault(a.function, []).append(a.mistake or "the right one")
    return "; ".join(f"{function} ({', '.join(names)})" for function, names in groups.items())


def of(answers: Answers, checker: str, *, planted: bool) -> list[Answer]:
    """Return a checker's answers about mistakes, or about right ones."""
    return [a for a in answers if a.checker == checker and (a.mistake is not None) == planted]


def count(answers: Answers, said: str) -> int:
    """Return how many of the answers are this one."""
    return sum(a.said == said for a in answers)


def unanswered(answers: Answers) -> int:
    """Return how many say neither right nor wrong."""
    return sum(a.said not in (RIGHT, WRONG) for a in answers)


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: bool = True) -> str:
    """Return a table, whose columns but the first are numbers, or not."""
    lines = [header, ["---"] + ["---:" if numbers else "---"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
