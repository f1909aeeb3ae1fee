"""Names that are spelt alike: what may have been meant."""

from __future__ import annotations

from collections.abc import Iterable

LEAST_ALIKE = 0.6
"""Words that share less of their letters are not meant."""

TIE = 0.05
"""Words that are alike to within this may all be meant."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that names what is spelt alike, or nothing.

    >>> did_you_mean("chekc", ["check", "demo"])
    ' Did you mean check?'
    """
    import difflib  # takes longer than the rest of a short command

    alike = {one: difflib.SequenceMatcher(None, name.lower(), one.lower()).ratio() for one in known}
    most = max(alike.values(), default=0.0)
    near = [one for one in alike if alike[one] >= max(LEAST_ALIKE, most - TIE)]
    return f" Did you mean {' or '.join(sorted(near, key=lambda one: -alike[one])[:3])}?" if near else ""
