"""The exercises: right files, the lines in which each is made wrong, and what hints say of them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib.resources import files

from fastcheck.errors import InvalidProblemError


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One line that is wrong: ``right`` and ``wrong`` without indentation.

    ``blocks`` are those whose gradients become wrong, ``kind`` says in a sentence what sort of mistake it is.
    """

    right: str
    wrong: str
    blocks: tuple[str, ...]
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """A file with a function that is to be repaired. ``remark`` ends the first hint, which says where to look."""

    number: int
    title: str
    repair: str
    mistakes: tuple[Mistake, ...]
    remark: str = ""

    @property
    def file_name(self) -> str:
        """What the file is called that is handed out."""
        return f"exercise_{self.number}.py"

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks whose gradients are wrong."""
        return tuple(name for mistake in self.mistakes for name in mistake.blocks)

    def solution(self) -> str:
        """Return the text of the right file."""
        return read(f"exercise_{self.number}.txt")

    def as_given(self) -> str:
        """Return the text of the file that is handed out."""
        return planted(self.solution(), self.mistakes)

    def line_number(self, mistake: Mistake) -> int:
        """Return the number of the wrong line in the file that is handed out, from 1."""
        return line_number(self.as_given(), mistake.wrong)

    def is_otherwise_unchanged(self, text: str) -> bool:
        """Tell whether a file differs from the solution in nothing but the function that is to be repaired."""
        return _statements(text, but=self.repair) == _statements(self.solution(), but=self.repair)


EXERCISES = (
    Exercise(
        number=1,
        title="The derivative of J(θ) = θ x",
        repair="backward_propagation",
        mistakes=(
            Mistake(
                right="dtheta = x",
                wrong="dtheta = theta",
                blocks=("theta",),
                kind="It is the derivative with respect to the other one of the two variables.",
            ),
        ),
    ),
    Exercise(
        number=2,
        title="Three layers, 47 parameters, two mistakes",
        repair="backward_propagation_n",
        mistakes=(
            Mistake(
                right="dW2 = np.dot(dZ2, A1.T) / m",
                wrong="dW2 = np.dot(dZ2, A1.T) / m * 2",
                blocks=("W2",),
                kind="dW2 has a factor that the formula has not: compare claimed and numerical slopes.",
            ),
            Mistake(
                right="db1 = np.sum(dZ1, axis=1, keepdims=True) / m",
                wrong="db1 = 4 / m * np.sum(dZ1, axis=1, keepdims=True)",
                blocks=("b1",),
                kind="db1 has a factor that the formula has not, too, and it is another one.",
            ),
        ),
    ),
    Exercise(
        number=3,
        title="A cost with an L2 penalty",
        repair="backward",
        mistakes=(
            Mistake(
                right='grads[f"dW{l}"] = dZ @ A_prev.T / m + LAMBD / m * W',
                wrong='grads[f"dW{l}"] = dZ @ A_prev.T / m + LAMBD / (2 * m) * W',
                blocks=("W1", "W2", "W3"),
                kind="The term of the penalty is there, but it is not the derivative of λ/2m · Σ W².",
            ),
        ),
        remark="Weights are penalised, biases are not.",
    ),
    Exercise(
        number=4,
        title="Dropout with fixed masks",
        repair="backward",
        mistakes=(
            Mistake(
                right="dA1 = W2.T @ dZ2 * D1 / KEEP_PROB",
                wrong="dA1 = W2.T @ dZ2 * D1",
                blocks=("W1", "b1"),
                kind="On the way back every layer is scaled as on the way forwards; one is not.",
            ),
        ),
        remark="What is wrong in both blocks of a layer, and only there, comes from what both are made of.",
    ),
    Exercise(
        number=5,
        title="Layers of equal size, where all shapes fit",
        repair="backward",
        mistakes=(
            Mistake(
                right='dZ1 = (p["W2"].T @ dZ2) * (1 - A1**2)',
                wrong='dZ1 = (p["W2"] @ dZ2) * (1 - A1**2)',
                blocks=("W1", "b1"),
                kind="A matrix is used as it is, where its transpose belongs.",
            ),
        ),
        remark="What is wrong in both blocks of a layer, and only there, comes from what both are made of.",
    ),
    Exercise(
        number=6,
        title="Softmax, with samples as rows",
        repair="gradients",
        mistakes=(
            Mistake(
                right="dh[h <= 0] = 0",
                wrong="dh[h < 0] = 0",
                blocks=("W1", "b1"),
                kind="Nothing goes back through a ReLU that is off: a comparison lets something through.",
            ),
        ),
        remark="Softmax and cross-entropy are right.",
    ),
    Exercise(
        number=7,
        title="Right at first, wrong after some training",
        repair="gradients",
        mistakes=(
            Mistake(
                right='db = dz.sum(keepdims=True) + DECAY * p["b"]',
                wrong="db = dz.sum(keepdims=True)",
                blocks=("b",),
                kind="The cost has a term that this gradient lacks. It is zero as long as b is zero.",
            ),
        ),
        remark="At step 0 all is right; training moves b.",
    ),
    Exercise(
        number=8,
        title="Batch normalisation",
        repair="backward",
        mistakes=(
            Mistake(
                right="through_var = xhat * (dxhat * xhat).mean(axis=0)",
                wrong="through_var = xhat * (dxhat * xhat).sum(axis=0)",
                blocks=("x",),
                kind="Of the two ways through mean and variance, one is weighted wrongly.",
            ),
        ),
    ),
)
"""All exercises, by their numbers from 1."""


def exercise_of(number: int) -> Exercise:
    """Return an exercise; raise `InvalidProblemError` if there is none of this number."""
    if not 1 <= number <= len(EXERCISES):
        raise InvalidProblemError(
            f"exercise: expected a number from 1 to {len(EXERCISES)}, got {number}. "
            "They are listed by: fastcheck course"
        )
    return EXERCISES[number - 1]


def read(name: str) -> str:
    """Return the text of a file that belongs to the exercises."""
    return (files("fastcheck.course.practice") / "files" / name).read_text(encoding="utf-8")


def planted(text: str, mistakes: tuple[Mistake, ...]) -> str:
    """Return a text with the right lines of these mistakes replaced by the wrong ones."""
    lines = text.splitlines(keepends=True)
    for mistake in mistakes:
        place = line_number(text, mistake.right) - 1
        lines[place] = lines[place].replace(mistake.right, mistake.wrong)
    return "".join(lines)


def line_number(text: str, line: str) -> int:
    """Return the number of the only line that reads so, apart from its indentation, from 1."""
    (number,) = (k for k, other in enumerate(text.splitlines(), start=1) if other.strip() == line)
    return number


def _statements(text: str, but: str) -> list[str]:
    """Return the statements of a file, without docstrings, comments and layout, and without one function."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef):
            node.body = [statement for statement in node.body if not _is_text(statement)]
    return [ast.dump(node) for node in tree.body if getattr(node, "name", None) != but]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
