"""The network of a cost: its lines of code as steps, in the order in which they ran last."""

from __future__ import annotations

from dataclasses import dataclass

from fastcheck.pictures.code_lines import CodeLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the cost, however often it ran; where a loop reads other parameters each time, one for each of these.

    ``operations`` are the names of what it computes, such as ``"matmul"``, in their order, each once; ``shape`` that of
    its last result; ``runs`` how often it ran. ``blocks`` are the parameters that it reads itself, ``inputs`` the
    positions of the steps whose results it reads: those of loops may come later, or be the step itself.
    """

    line: CodeLine | None
    operations: tuple[str, ...]
    shape: tuple[int, ...]
    runs: int
    blocks: tuple[str, ...]
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What the cost computes, from its parameters to J, the result of the last step."""

    steps: tuple[Step, ...]
