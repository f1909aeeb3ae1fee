"""What a function says of its arguments: shapes, integers and settings, in its docstring or its annotations.

Known are, of an argument ``x``::

    x: Input data, of shape (N, D)               CS231n, Google; also "- x: …", "x -- …", ":param x: …"
    x : ndarray of shape (N, D)                  numpydoc; also "(N, D) array", "array, shape [N, D]"
    W -- weights: (size of this layer, size of the one before)
    x: Float[Array, "N D"]                       jaxtyping; also Annotated[np.ndarray, "N D"]
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ENTRY = r"^\s*(?:[-*•]\s+)?(?::param\s+(?:\w+\s+)?)?(?P<names>\w+(?:\s*,\s*\w+)*)\s*(?P<rest>(?:\(|:|--|—|–|-\s).*)$"

AFTER_ARGUMENTS = re.compile(
    r"^\s*(:?returns?\b|outputs?\b|yields?\b|raises\b|examples?\s*:?\s*$|notes?\s*:?\s*$)", re.I
)

NAMED_SHAPE = re.compile(r"shape[sd]?\s*(?:of|is|=|:)?\s*[(\[](?P<dims>[^()\[\]]*)[)\]]", re.IGNORECASE)

ANY_TUPLE = re.compile(r"[(\[](?P<dims>[^()\[\]]*,[^()\[\]]*)[)\]]")

LENGTH = re.compile(r"\b(?:of\s+(?:length|size|dimension)|vector\s+of)\s+(?P<dims>[A-Za-z]\w*)\b")

ANY_SHAPE = re.compile(r"\b(any|arbitrary) (shape|size)\b", re.IGNORECASE)

WORDS_OF_SIZE = re.compile(
    r"\b(size|number|length|dim|dimension|units|features|examples|samples|height|width|channels)\b"
)

SYMBOL = re.compile(r"[\d\sA-Za-z_'*+\-/]+|\.\.\.|…")

BELOW = re.compile(r"(?:<|below|less than)\s*`*(?P<high>[A-Za-z]\w*)|\{0,.*?(?P<other>[A-Za-z]\w*)\s*-\s*1\}")

IS_INTEGER = re.compile(r"\blabels?\b|\binteger|\bint\b|\bindices\b|\bindex\b|0 <=", re.IGNORECASE)

IS_BOOLEAN = re.compile(r"\bbool(ean)?\b", re.IGNORECASE)

IS_DICT = re.compile(r"\bdict(ionary)?\b", re.IGNORECASE)

IS_NUMBER = re.compile(r"\b(float|scalar|real|constant|strength|rate)\b", re.IGNORECASE)

QUOTED = re.compile(r"""["'`](?P<word>\w+)["'`]""")

KEY = re.compile(r"""^\s*[-*]\s*["'`]?(?P<word>\w+)["'`]?\s*:""", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """What is known of an argument.

    ``kind`` is ``"floats"``, ``"integers"``, ``"booleans"``, ``"dict"``, ``"number"``, ``"word"`` or ``"unknown"``;
    ``dims`` are the sizes along its axes as they are written; ``below`` is what integers are less than; ``words`` are
    the words in quotation marks, or keys of a dict.
    """

    name: str
    kind: str
    dims: tuple[str, ...] | None = None
    below: str | None = None
    words: tuple[str, ...] = ()


def documented_arguments(function: Callable[..., Any], names: list[str]) -> list[Argument]:
    """Return what a function says of the arguments of these names."""
    texts = _texts(inspect.getdoc(function) or "", names)
    try:
        annotations = typing.get_type_hints(function, include_extras=True)
    except Exception:  # names that are not imported, libraries that are not there
        annotations = dict(getattr(function, "__annotations__", {}))
    return [
        _annotated(name, annotations.get(name)) or _described(name, texts.get(name, "")) for name in names
    ]


def _texts(doc: str, names: list[str]) -> dict[str, str]:
    """Return the part of a docstring that is about each argument."""
    texts: dict[str, str] = {}
    current: list[str] = []
    for line in doc.splitlines():
        entry = re.match(ENTRY, line)
        about = [name.strip() for name in entry["names"].split(",")] if entry else []
        if AFTER_ARGUMENTS.match(line):
            current = []
        elif entry and about and all(name in names for name in about):
            current = [name for name in about if name not in texts]
            for name in current:
                texts[name] = entry["rest"]
        else:
            for name in current:
                texts[name] += f"\n{line}"
    return texts


def _described(name: str, text: str) -> Argument:
    """Return what a text says of an argument."""
    if IS_DICT.search(text) or (not text and re.fullmatch(r"\w*params?|hparam\w*", name)):
        keys = [
            *(match["word"] for match in KEY.finditer(text)),
            *(match["word"] for match in QUOTED.finditer(text)),
        ]
        return Argument(name=name, kind="dict", words=tuple(dict.fromkeys(keys)))
    dims = _dims(text)
    if dims is None:
        words = tuple(match["word"] for match in QUOTED.finditer(text))
        is_word = bool(words) and re.search(
            r"\b(str|string|text|activation|mode)\b", f"{name} {text}", re.IGNORECASE
        )
        if is_word:
            return Argument(name=name, kind="word", words=words)
        is_count = re.search(r"\bint(eger)?\b", text, re.IGNORECASE)
        kind = "count" if is_count else "number" if IS_NUMBER.search(text) else "unknown"
        return Argument(name=name, kind=kind)
    if IS_BOOLEAN.search(text):
        return Argument(name=name, kind="booleans", dims=dims)
    if IS_INTEGER.search(text):
        below = BELOW.search(text)
        high = (below["high"] or below["other"]) if below else None
        return Argument(name=name, kind="integers", dims=dims, below=high)
    return Argument(name=name, kind="floats", dims=dims)


def _dims(text: str) -> tuple[str, ...] | None:
    """Return the sizes along the axes that a text names, None if it names none.

    >>> _dims("Input data, of shape (N, d_1, ..., d_k)"), _dims("bias, one number"), _dims("weights: (n_x, 1)")
    (('N', 'd_1', '...', 'd_k'), None, ('n_x', '1'))
    """
    for pattern in (NAMED_SHAPE, ANY_TUPLE, LENGTH):
        for match in pattern.finditer(text):
            dims = tuple(" ".join(part.split()) for part in match["dims"].split(",") if part.strip())
            if dims and all(map(_is_size, dims)):
                return dims
    return ("N", "D") if ANY_SHAPE.search(text) else None


def _is_size(text: str) -> bool:
    """Tell whether text may be a size: a symbol, an expression of symbols, or words such as "number of examples"."""
    is_symbol = SYMBOL.fullmatch(text) is not None and len(re.findall(r"[A-Za-z_]\w*", text)) <= text.count(
        "*"
    ) + 1 + len(re.findall(r"[+\-/]", text))
    return is_symbol or WORDS_OF_SIZE.search(text) is not None


def _annotated(name: str, annotation: Any) -> Argument | None:
    """Return what an annotation says of an argument, None if it names no shape."""
    if isinstance(annotation, str):
        match = re.fullmatch(
            r"\s*(?:\w+\.)*(?P<kind>\w+)\[.*?[\"'](?P<dims>[^\"']*)[\"']\s*\]\s*", annotation
        )
        return _of_kind(name, match["kind"], match["dims"]) if match else _plain_type(name, annotation)
    if hasattr(annotation, "dim_str"):  # jaxtyping
        return _of_kind(
            name, " ".join(map(str, getattr(annotation, "dtypes", ["float"]))), str(annotation.dim_str)
        )
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *metadata = typing.get_args(annotation)
        dims = next((text for text in metadata if isinstance(text, str)), None)
        return None if dims is None else _of_kind(name, str(inner), dims)
    return _plain_type(name, getattr(annotation, "__name__", ""))


def _plain_type(name: str, annotation: str) -> Argument | None:
    kinds = {"float": "number", "int": "count", "dict": "dict"}
    return (
        None
        if annotation not in kinds
        else None
        if annotation == "dict"
        else Argument(name=name, kind=kinds[annotation])
    )


def _of_kind(name: str, kind: str, dims: str) -> Argument:
    if re.search(r"bool", kind, re.IGNORECASE):
        word = "booleans"
    else:
        word = (
            "integers"
            if re.search(r"\bu?int", kind, re.IGNORECASE) and "float" not in kind.lower()
            else "floats"
        )
    sizes = tuple(size for size in re.split(r"[\s,()]+", dims) if size)
    return Argument(name=name, kind=word, dims=sizes)
