"""Bytes of files with damage, as disks, editors and adversaries do it: from a seed, the same every time."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s"\[\]{}:,]+')
"""Words of JSON, and of much else."""

EXTREMES = [
    value.to_bytes(size, order)
    for size in (1, 2, 4, 8)
    for order in ("little", "big")
    for value in (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
]
"""What fields that tell lengths, counts and places may be set to."""

HOSTILE_TEXTS = [
    "", "pass", "fail", "inconclusive", "NaN", "Infinity", "\ud800", "\0", "\x1b[2J\x1b]0;owned\x07", "\x9b31m", "`",
    "\u202egnorw", "\u2066", "</script><script>alert(1)</script>", "\"><img src=x onerror=alert(2)>", "x" * 3000,
    "two\nlines\rand\tmore\u2028", "[red]rich[/red]", "[/]", "$\\frac{$", "../../../../etc/passwd", "é̂" * 50,
    "%s%n{0}{x!r}{{ 7 * 7 }}",
]  # fmt: skip
"""Names and sentences that do harm where they are taken for more than text."""

HOSTILE_TOKENS = [
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"5e-324", b"-0", b"9" * 5000, b"1" + b"0" * 400,
    b"0." + b"3" * 5000, b"9223372036854775807", b"9223372036854775808", b"1000000000000000", b"null", b"true",
    b"false", b"[" * 300, b"]" * 300, b'{"a":' * 300, b"{", b"}", b"[]", b"{}", b'{"a": 1, "a": 2}', b'"\x1b[31m"',
    b"(999999999999999,)", b"'|O'", b"'<f8'", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00",
    *(json.dumps(text).encode() for text in HOSTILE_TEXTS),
]  # fmt: skip


def mutated(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Return the bytes with one to three kinds of damage; ``others`` are files of which pieces may be put in."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        content = rng.choice(WAYS)(rng, content, rng.choice(others))
    return content


def _place(rng: random.Random, content: bytes) -> int:
    """Return a place, near the beginning or the end more often than not: there is what tells how to read."""
    where = rng.randrange(4)
    far = min(len(content), 128)
    if where == 0:
        return rng.randint(0, far)
    return len(content) - rng.randint(0, far) if where == 1 else rng.randint(0, len(content))


def _flip(rng: random.Random, content: bytes, _: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 8)) if content else 0):
        changed[min(_place(rng, content), len(content) - 1)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(rng: random.Random, content: bytes, _: bytes) -> bytes:
    return content[: _place(rng, content)]


def _remove(rng: random.Random, content: bytes, _: bytes) -> bytes:
    start = _place(rng, content)
    return content[:start] + content[start + rng.choice((1, 2, 8, 100)) :]


def _insert(rng: random.Random, content: bytes, _: bytes) -> bytes:
    at = _place(rng, content)
    return content[:at] + rng.randbytes(rng.choice((1, 2, 8, 100))) + content[at:]


def _splice(rng: random.Random, content: bytes, other: bytes) -> bytes:
    return content[: _place(rng, content)] + other[_place(rng, other) :]


def _repeat(rng: random.Random, content: bytes, _: bytes) -> bytes:
    start, stop = sorted((_place(rng, content), _place(rng, content)))
    piece = content[start : min(stop, start + 5000)]
    return content[:start] + piece * rng.choice((2, 3, 10)) + content[start:]


def _extreme_field(rng: random.Random, content: bytes, _: bytes) -> bytes:
    at, field = _place(rng, content), rng.choice(EXTREMES)
    return content[:at] + field + content[at + len(field) :]


def _hostile_token(rng: random.Random, content: bytes, _: bytes) -> bytes:
    tokens = [match.span() for match in TOKEN.finditer(content)]
    if not tokens:
        return rng.choice(HOSTILE_TOKENS)
    start, stop = rng.choice(tokens)
    return content[:start] + rng.choice(HOSTILE_TOKENS) + content[stop:]


def _planted(rng: random.Random, content: bytes, _: bytes) -> bytes:
    """Put a hostile name in place of another, wherever that is: the file stays consistent."""
    texts = [token for token in TOKEN.findall(content) if token.startswith(b'"')]
    return (
        content.replace(rng.choice(texts), json.dumps(rng.choice(HOSTILE_TEXTS)).encode())
        if texts
        else content
    )


def _swapped_tokens(rng: random.Random, content: bytes, other: bytes) -> bytes:
    tokens = [match.span() for match in TOKEN.finditer(content)]
    words = TOKEN.findall(other)
    if not (tokens and words):
        return content
    start, stop = rng.choice(tokens)
    return content[:start] + rng.choice(words) + content[stop:]


WAYS = (
    _flip, _truncate, _remove, _insert, _splice, _repeat, _extreme_field, _hostile_token, _hostile_token,
    _swapped_tokens, _swapped_tokens,
)  # fmt: skip
