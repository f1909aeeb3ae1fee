"""How many gradient checks a run of tests made, and how they ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

TYPE_CHECKING = False  # as in fastcheck/__init__.py
if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(kw_only=True)
class CheckCounts:
    """Numbers of checks.

    ``right``; ``in_part``, those of which a sample passed, or some blocks; those that made a test fail: ``wrong``,
    ``inconclusive`` or ``ill_posed``; ``accepted``, inconclusive ones that the test allowed; and ``expected``, those
    that raised in a test that passed.
    """

    right: int = 0
    in_part: int = 0
    wrong: int = 0
    inconclusive: int = 0
    ill_posed: int = 0
    accepted: int = 0
    expected: int = 0

    def add(self, other: Mapping[str, int]) -> None:
        """Add the numbers of another tally, given as a dict."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + other.get(field.name, 0))

    @property
    def failures(self) -> int:
        """Number of checks that made a test fail."""
        return self.wrong + self.inconclusive + self.ill_posed

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def __str__(self) -> str:
        parts = {
            "right": self.right,
            "passed as far as looked at": self.in_part,
            "wrong": self.wrong,
            "inconclusive": self.inconclusive,
            "ill-posed": self.ill_posed,
            "inconclusive but allowed": self.accepted,
            "failed as expected": self.expected,
        }
        return ", ".join(f"{count:,} {words}" for words, count in parts.items() if count)
