"""Forward and backward passes that belong together by their names: ``affine_forward``, ``affine_backward``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from fastcheck.cli.finding.guessing import functions_in
from fastcheck.files.users_file import UsersFile
from fastcheck.problem.by_names import arguments_of, role_of

FORWARD = re.compile(r"feed_?forward|forwards?|fwd|f(?=_?prop)", re.IGNORECASE)
BACKWARD = re.compile(r"backwards?|back(?=_?prop|_?pass)|bwd|b(?=_?prop)", re.IGNORECASE)

HELPER = re.compile(r"test|check|verify|grade", re.IGNORECASE)
"""What functions are called that belong to passes and are none."""

PLACE = "*"
"""What stands for either word in the key that a forward and a backward pass have in common."""

UPSTREAM = re.compile(r"d(?!ata|ict|ims?\b|epth)\w*|.*grad.*|upstream|delta|error|g", re.IGNORECASE)
"""What the first argument of a layer's backward pass is called: ``dout``, ``dZ``, ``grad_output``."""


class Pair(NamedTuple):
    """A backward pass and the forward pass that it belongs to, None if there is none."""

    key: str
    forward: Callable[..., Any] | None
    backward: Callable[..., Any]
    backward_name: str
    forward_name: str | None

    @property
    def stem(self) -> str:
        """What both are called without the word: ``affine``."""
        return self.key.replace(PLACE, "").strip("_")

    @property
    def is_layer(self) -> bool:
        """Whether the backward pass begins with a gradient that comes from above, as that of a layer does."""
        needed = arguments_of(self.backward, required=True)
        takes_data = len(needed) > 2 and bool({role_of(name) for name in needed} & {"X", "Y", "parameters"})
        return bool(needed) and not takes_data and UPSTREAM.fullmatch(needed[0]) is not None


def pairs_in(file: UsersFile) -> Iterator[Pair]:
    """Yield the pairs of which the file defines at least one; also backward passes without a forward pass."""
    functions = {
        name: function
        for name, function in functions_in(file.namespace).items()
        if not HELPER.search(name) and arguments_of(function)
    }
    forwards: dict[str, str] = {}
    for name in functions:
        if FORWARD.search(name) and not BACKWARD.search(name):
            forwards.setdefault(_key(FORWARD, name), name)
    own = set(file.own_functions())
    for name, function in functions.items():
        if not BACKWARD.search(name):
            continue
        key = next((key for key in _keys(name) if key in forwards), None)
        forward_name = None if key is None else forwards[key]
        if name in own or forward_name in own:
            forward = None if forward_name is None else functions[forward_name]
            yield Pair(_key(BACKWARD, name), forward, function, name, forward_name)


def _keys(name: str) -> Iterator[str]:
    """Yield the keys under which the forward pass may be known: that of the name, then without its last words.

    >>> list(_keys("backward_propagation_n_buggy"))
    ['*_propagation_n_buggy', '*_propagation_n', '*_propagation', '*']
    """
    key = _key(BACKWARD, name)
    yield key
    while "_" in key.partition(PLACE)[2]:
        key = key.rpartition("_")[0]
        yield key


def _key(word: re.Pattern[str], name: str) -> str:
    """Return a name with a star in the place of the word.

    >>> _key(BACKWARD, "linear_back_prop"), _key(FORWARD, "forwardProp")
    ('linear_*_prop', '*Prop')
    """
    return word.sub(PLACE, name, count=1)
