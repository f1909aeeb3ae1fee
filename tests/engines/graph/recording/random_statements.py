"""Kinds of statements for random programs: each returns an expression, or a list of lines."""

from __future__ import annotations

import math

import numpy as np
from random_indexing import basic_index, fancy_index, goes_into, store
from random_programs import NotApplicableError

UNARY = [
    "np.tanh({a})", "np.exp({a})", "np.sin({a})", "np.cos({a})", "np.arctan({a})", "np.sinh({a})", "np.square({a})",
    "np.log({a} * {a} + 0.5)", "np.log1p({a} ** 2)", "np.sqrt({a} ** 2 + 0.1)", "np.abs({a})", "abs({a})", "-{a}",
    "np.reciprocal(1 + {a} * {a})", "{a} ** 3", "(np.abs({a}) + 0.1) ** 1.7", "2.0 ** {a}", "np.expm1({a})",
    "1 / (1 + np.exp(-{a}))", "np.maximum(0, {a})", "np.maximum({a}, 0.1 * {a})", "np.minimum({a}, 0.3)",
    "np.clip({a}, -0.5, 0.5)", "np.where({a} > 0, {a}, 0.01 * {a})", "{a} * ({a} > 0)", "{a} * np.sign({a})",
    "np.log1p(np.exp(-np.abs({a}))) + np.maximum({a}, 0)", "np.logaddexp(0, {a})", "np.hypot({a}, 0.5)",
    "np.arctan2({a}, 1.5)", "sp.expit({a})", "sp.log_expit({a})", "sp.erf({a})", "({a} > 0.2) * 0.5 + 0 * {a}",
    "1.5 - {a}", "3 * {a}", "{a} / 2", "2 / (3 + {a} ** 2)", "np.where({a} < 0.1, 0.7, {a})", "np.cbrt({a})", "+{a}",
    "np.copy({a})", "np.negative({a})", "np.exp(-0.5 * {a} ** 2)", "{a} * np.tanh(np.log1p(np.exp({a})))",
    "np.select([{a} > 1, {a} > 0], [{a}, {a} ** 2], -{a})", "np.divide({a}, 1.25)", "np.power({a}, 2)",
]  # fmt: skip

BINARY = [
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / ({b} ** 2 + 0.5)", "np.maximum({a}, {b})", "np.minimum({a}, {b})",
    "np.where({a} > {b}, {a}, {b} * 0.5)", "np.hypot({a}, {b} + 4)", "np.arctan2({a}, {b} ** 2 + 1)",
    "np.logaddexp({a}, {b})", "(np.abs({a}) + 0.5) ** {b}", "np.add({a}, {b})", "np.subtract({b}, {a})",
    "np.multiply({a}, {b})", "{a} * ({b} > 0)", "({a} - {b}) ** 2", "np.fmax({a}, {b})", "np.exp(-({a} - {b}) ** 2)",
    "np.clip({a}, {b}, {b} + 0.5)", "np.where({b} > 0, {a}, 0.0)", "{a} * {b} + {b}",
]  # fmt: skip

PRODUCTS = [
    "{a} @ {b}", "np.dot({a}, {b})", "np.matmul({a}, {b})", "{a}.dot({b})", "np.tensordot({a}, {b}, axes=1)",
    "np.tensordot({a}, {b}, axes=0)", "np.tensordot({a}, {b}, axes=2)", "np.inner({a}, {b})", "np.outer({a}, {b})",
    "np.vdot({a}, {b})", "np.multiply.outer({a}, {b})", "np.add.outer({a}, {b})", "{a} @ {b}.T", "{a}.T @ {b}",
    "np.tensordot({a}, {b}, axes=([-1], [-1]))", "np.tensordot({a}, {b}, axes=([0], [0]))",
    "np.tensordot({a}, {b}, axes=([0, 1], [1, 0]))",
]  # fmt: skip

REDUCTIONS = [
    "np.sum({a}, axis={k}, keepdims={d})", "{a}.sum(axis={k}, keepdims={d})", "np.mean({a}, axis={k}, keepdims={d})",
    "np.max({a}, axis={k}, keepdims={d})", "np.min({a}, axis={k}, keepdims={d})",
    "np.var({a}, axis={k}, keepdims={d})", "np.std({a} * 2 + {w}, axis={k}, keepdims={d})",
    "np.prod({a}, axis={k}, keepdims={d})", "np.linalg.norm({a} + {w}, axis={one}, keepdims={d})",
    "np.linalg.norm({a}, ord=1, axis={one}, keepdims={d})",
    "np.linalg.norm({a} + {w}, ord=3, axis={one}, keepdims={d})", "np.linalg.norm({a} + {w})",
    "np.ptp({a}, axis={one})", "sp.logsumexp({a}, axis={k}, keepdims={d})", "np.add.reduce({a}, axis={one})",
    "np.average({a}, axis={one})", "np.average({a}, axis={one}, weights=np.abs({w}) + 1)",
    "np.maximum.reduce({a}, axis={one})", "sum({a})", "np.sum({a}, axis={k}, where={w} > 0)",
    "np.var({a} + {w}, axis={one}, ddof=1)", "np.trace({a})", "np.mean({a}, axis={k}, keepdims={d}) * {a}.size",
]  # fmt: skip

SCANS = [
    "np.cumsum({a}, axis={one})", "np.cumsum({a})", "np.cumprod({a}, axis={one})", "np.diff({a}, axis={one})",
    "sp.softmax({a}, axis={k})", "sp.log_softmax({a}, axis={one})", "np.add.accumulate({a}, axis={one})",
    "np.exp({a} - np.max({a}, axis={one}, keepdims=True))", "{a} / np.sum(np.exp({a}), axis={k}, keepdims=True)",
    "{a} - np.log(np.sum(np.exp({a}), axis={one}, keepdims=True))",
    "np.exp({a} - {a}.max(axis={one}, keepdims=True)) / "
    "np.exp({a} - {a}.max(axis={one}, keepdims=True)).sum(axis={one}, keepdims=True)",
    "({a} - {a}.mean(axis={one}, keepdims=True)) / np.sqrt({a}.var(axis={one}, keepdims=True) + 0.1)",
    "{a} / np.sqrt(np.sum({a} ** 2, axis={one}, keepdims=True) + 0.1)",
]  # fmt: skip

MOVES = [
    "{a}.T", "np.transpose({a})", "np.transpose({a}, {perm})", "{a}.transpose({perm})",
    "np.swapaxes({a}, {one}, {two})", "np.moveaxis({a}, {one}, {two})", "np.expand_dims({a}, {one})",
    "{a}[..., None]", "{a}[None]", "np.squeeze({a})", "{a}.ravel()", "{a}.flatten()", "np.reshape({a}, -1)",
    "{a}.reshape({new})", "np.reshape({a}, {new}) * 2", "{a}.reshape({new}, order='F')", "np.ravel({a}, order='F')",
    "np.flip({a}, axis={one})", "np.flip({a})", "np.roll({a}, {i}, axis={one})", "np.roll({a}, {i})",
    "np.tile({a}, {n})", "np.tile({a}, (2, 1))", "np.repeat({a}, {n}, axis={one})", "np.repeat({a}, 2)",
    "np.broadcast_to({a}, ({n}, *{a}.shape)) * {f}", "np.rot90({a}, {i})", "np.tril({a})", "np.triu({a}, {i})",
    "np.diag({a})", "np.diagonal({a}) * 2", "np.pad({a}, {n})", "np.pad({a}, ({n}, 1), constant_values=0.5)",
    "np.pad({a}, 1, mode={mode})", "np.take({a}, {places}, axis={one})", "np.delete({a}, 0, axis={one})",
    "np.atleast_2d({a})", "np.sort(np.arange(3.0)) * np.sum({a})", "np.split({a}, 2, axis={one})[{h}]",
    "np.array_split({a}, 3, axis={one})[{h}]", "np.ascontiguousarray({a}.T)",
    "np.lib.stride_tricks.sliding_window_view({a}, 2, axis={one})", "np.fliplr({a})", "np.flipud({a})",
    "np.take_along_axis({a}, np.argsort({w}, axis={one}), axis={one})", "np.asarray({a})", "np.array({a})",
]  # fmt: skip

JOINS = [
    "np.concatenate([{a}, {b}], axis={k})", "np.stack([{a}, {b}], axis={k})", "np.concatenate([{a}, {b}], axis=None)",
    "np.hstack([{a}, {b}])", "np.vstack([{a}, {b}])", "np.append({a}, {b})",
    "np.concatenate(({a}, {b}, {a}), axis={k})", "np.array([{a}, {b}])", "np.column_stack(({a}, {b}))",
    "np.block([{a}, {b}])", "np.dstack([{a}, {b}])", "np.where({w} > 0, {a}, {b})",
]  # fmt: skip

SOLVES = [
    "np.linalg.solve({m}, {a})", "np.linalg.inv({m})", "np.linalg.det({m})", "np.linalg.slogdet({m})[1]",
    "np.linalg.solve({m}.T, {a})", "np.linalg.inv({m}) @ {a}",
]  # fmt: skip


CHOOSING = ("maximum", "minimum", "fmax", "clip", "where", "select")
"""What chooses between two values is generated for arrays, not for single numbers."""


def for_rank(rank, forms):
    return forms if rank else [form for form in forms if not any(word in form for word in CHOOSING)]


def unary(b):
    a = b.pick(0 if b.chance(20) else 1)
    return b.one_of(*for_rank(len(b.shape(a)), UNARY)).format(a=a)


def binary(b):
    pair = partners(b, 0)
    ranks = [np.ndim(b.values.get(name, b.program.constants.get(name))) for name in pair.values()]
    return b.one_of(*for_rank(max(ranks), BINARY)).format(**pair)


def partners(b, low):
    """Return two variables, or a variable and a constant, in any order, that can be broadcast together."""
    first = b.pick(low)
    shape = b.shape(first)
    if b.chance(70):
        second = b.pick(low, condition=lambda x: fits(np.shape(x), shape))
    else:
        narrowed = [n if b.chance(70) else 1 for n in shape]
        second = b.constant(tuple(narrowed[b.between(0, len(shape)) :]))
    return dict(zip("ab" if b.chance(50) else "ba", (first, second), strict=True))


def fits(one, other):
    try:
        np.broadcast_shapes(one, other)
    except ValueError:
        return False
    return True


def product(b):
    form = b.one_of(*PRODUCTS)
    first = b.pick()

    def works(x):
        try:
            eval(
                form.format(a="x", b="y"),
                {"np": np, "x": np.zeros(b.shape(first)), "y": np.zeros(np.shape(x))},
            )
        except (ValueError, IndexError, np.linalg.LinAlgError):
            return False
        return True

    shapes = [(n,) * k for n in b.shape(first) for k in (1, 2)]
    shapes += [(n, 2) for n in b.shape(first)] + [(3, n) for n in b.shape(first)] + [b.shape(first)[::-1]]
    shapes += [(2, n, 2) for n in b.shape(first)]
    if b.chance(70):
        second = b.pick(condition=works)
    else:
        fitting = [s for s in shapes if works(np.zeros(s))]
        if not fitting:
            raise NotApplicableError
        second = b.constant(b.rng.choice(fitting))
    if b.chance(20):
        return form.format(a=second, b=first)
    return form.format(a=first, b=second)


SPREAD = [
    "np.dot({a} + {w}, {a} + {w})", "({a} + {w}) @ ({b} + {w})", "np.inner({w} - {a}, {w} + {b})",
    "np.sum(({a} + {w}) * {b})", "np.einsum('i,i->', {a} + {w}, {b} * {w})",
    "np.outer({a} + {w}, {b} + {w}) @ ({a} + {w})", "({a} + {w}).sum() * {b}",
    "np.broadcast_to({a}, 3) @ np.broadcast_to({b}, 3)", "np.tile({a}, 3) @ ({b} + {w})",
    "np.mean(({a} + {w}) ** 2)",
]  # fmt: skip


def spread(b):
    """Return a product along an axis on which what is perturbed is constant."""
    a, c = (b.pick(0, 1, condition=lambda x: np.size(x) == 1) for _ in range(2))
    return b.one_of(*SPREAD).format(a=a, b=c, w=b.constant((3,)))


def einsum(b):
    sizes, terms, operands = {}, [], []
    for _ in range(b.one_of(1, 2, 2, 2, 3)):
        name = (
            b.pick() if b.chance(75) else b.constant(tuple(b.one_of(1, 2, 3) for _ in range(b.between(1, 3))))
        )
        size = np.shape(b.values.get(name, b.program.constants.get(name)))
        term = ""
        for n in size:
            known = [label for label, m in sizes.items() if m == n and (label not in term or b.chance(15))]
            label = b.rng.choice(known) if known and b.chance(65) else "jkinmpqrs"[len(sizes) % 9]
            sizes[label] = n
            term += label
        terms.append(term)
        operands.append(name)
    left = ",".join(terms)
    if b.chance(20):
        return f"np.einsum({left!r}, {', '.join(operands)})"
    out = b.rng.sample(sorted(sizes), b.between(0, min(3, len(sizes))))
    return f"np.einsum({left + '->' + ''.join(out)!r}, {', '.join(operands)})"


def einsum_ellipsis(b):
    a = b.pick(2)
    n = b.shape(a)[-1]
    c = b.pick(1, 2, condition=lambda x: np.shape(x)[-1] == n) if b.chance(50) else b.constant((2, n))
    if len(b.shape(c) if c in b.values else (2, n)) == 1:
        return f"np.einsum({b.one_of('...i,i->...', '...i,i', '...i,i->i...')!r}, {a}, {c})"
    return f"np.einsum({b.one_of('...i,ji->...j', '...i,ji', '...i,ji->j...', '...i,...i')!r}, {a}, {c})"


def reduction(b):
    a = b.pick(condition=np.size)
    chosen = axes(b, len(b.shape(a)))
    kept = np.size(np.sum(b.values[a], axis=chosen["k"])) == np.size(b.values[a])
    forms = [form for form in REDUCTIONS if not (kept and "std" in form)]
    return b.one_of(*forms).format(a=a, w=b.constant(b.shape(a)), **chosen)


def axes(b, rank):
    one = b.axis(rank)
    several = tuple(b.rng.sample(range(rank), b.between(1, rank)))
    return {"one": one, "two": b.axis(rank), "k": b.one_of(None, one, one, several), "d": b.chance(40)}


def scan(b):
    a = b.pick(condition=np.size)
    return b.one_of(*SCANS).format(a=a, **axes(b, len(b.shape(a))))


def move(b):
    a = b.pick()
    shape = b.shape(a)
    size, rank = math.prod(shape), len(shape)
    factors = [(n, size // n) for n in range(1, size + 1) if size % n == 0]
    new = b.one_of(*factors, *((p, 1, q) for p, q in factors), (-1, size), (1, size, 1), (-1,))
    return b.one_of(*MOVES).format(
        a=a,
        w=b.constant(shape),
        new=new,
        perm=tuple(b.rng.sample(range(rank), rank)),
        i=b.between(-2, 3),
        n=b.between(1, 3),
        h=b.between(0, 1),
        f=b.constant((b.between(1, 3), *shape)),
        mode=repr(b.one_of("edge", "reflect", "symmetric", "wrap")),
        places=b.places(b.between(1, 4), min(shape)),
        **axes(b, rank),
    )


def join(b):
    a = b.pick()
    shape = b.shape(a)
    c = b.pick(condition=lambda x: np.ndim(x) == len(shape)) if b.chance(70) else b.constant(shape)
    names = {"a": a, "b": c} if b.chance(50) else {"a": c, "b": a}
    form = b.one_of(*JOINS)
    return form.format(**names, k=b.axis(len(shape)), w=b.constant(shape))


def solve(b):
    a = b.pick(1, 2)
    n = b.shape(a)[0]
    square = b.pick(2, 2, condition=lambda x: n in np.shape(x))
    m = f"{square} @ {square}.T" if b.shape(square)[0] == n else f"{square}.T @ {square}"
    matrix = f"({m} + {float(n) + 2} * np.eye({n}))"
    if b.chance(50):
        matrix = f"({m} + {b.constant((n, n))} + {6.0 * n} * np.eye({n}))"
    return b.one_of(*SOLVES).format(a=a, m=matrix)


IN_PLACE = [
    "{v} += {x}", "{v} -= 0.5 * {x}", "{v} *= {x}", "{v} /= 2 + {x} ** 2", "{v}[{v} < 0] = 0", "{v}[{v} > 0.5] = 0.25",
    "np.multiply({v}, {x}, out={v})", "np.tanh({v}, out={v})", "np.copyto({v}, {x})", "{v} **= 2", "{v}[...] = {x}",
    "np.maximum({v}, 0, out={v})", "{v} *= {v} > 0", "np.add({v}, {x}, out={v}, where={w} > 0)",
]  # fmt: skip


def in_place(b):
    """Return lines that change a copy as a whole."""
    a, target = b.pick(), next(b.names)
    shape = b.shape(a)
    other = b.pick(0, condition=lambda x: goes_into(np.shape(x), shape))
    steps = [form.format(v=target, x=other, w=b.constant(shape)) for form in b.rng.sample(IN_PLACE, 2)]
    return [f"{target} = {b.one_of(f'{a}.copy()', f'{a} + 0.0', f'2 * {a}')}", *steps]


def loop(b):
    """Return lines with a loop over the first axis, with a list or an accumulator."""
    a, target = b.pick(), next(b.names)
    n, *rest = b.shape(a)
    return b.one_of(
        [f"{target} = 0.0", f"for row in {a}:", f"    {target} = np.tanh({target} + row * 0.7)"],
        [f"{target} = np.array([np.sin(row) for row in {a}])"],
        [f"{target} = np.stack([{a}[i] * (i + 1) for i in range({n})])"],
        [
            f"{target} = np.zeros({(n, *rest)})",
            f"for i in range({n}):",
            f"    {target}[i] = np.tanh({a}[i] + ({target}[i - 1] if i else 0.0))",
        ],
        [f"{target} = sum(row * row for row in {a})"],
        [
            f"{target} = np.ones({tuple(rest)})",
            f"for i in range({n}):",
            f"    {target} = {target} * 0.5 + np.cos({a}[-i])",
        ],
        [f"{target} = np.concatenate([np.atleast_1d({a}[i]) for i in range({n})])"],
    )


KINKS = [
    "np.max({a}, axis={k}, keepdims={d})", "np.min({a}, axis={k})", "np.maximum({a}, {a}[..., ::-1])", "np.abs({a})",
    "np.minimum.reduce({a}, axis={one})", "np.ptp({a}, axis={one})", "np.maximum({a}, 0)", "np.sort({w}) * np.max({a})",
    "np.linalg.norm({a}, ord=np.inf, axis={one})", "{a} - {a}.max(axis={k}, keepdims=True)", "np.clip({a}, -0.5, 0.5)",
    "np.where({a} >= {a}[::-1], {a}, {a}[::-1])", "{a} * ({a} > 0.5)", "np.maximum(0, {a} - {a}[:1] + 0.5)",
    "np.sort({a}, axis={one})", "np.sort({a} * {w}, axis=None)", "np.median({a}, axis={one})",
]  # fmt: skip


def kinked(b):
    """Return what has kinks and ties, rather of a parameter itself."""
    given = [name for name in b.program.parameters if b.shape(name)]
    a = b.rng.choice(given) if given and b.chance(50) else b.pick(condition=np.size)
    return b.one_of(*KINKS).format(a=a, w=b.constant(b.shape(a)), **axes(b, len(b.shape(a))))


STATEMENTS = [
    unary, unary, unary, binary, binary, product, product, spread, einsum, einsum_ellipsis, reduction, reduction, scan,
    move, move, join, solve, basic_index, fancy_index, store, in_place, loop,
]  # fmt: skip
