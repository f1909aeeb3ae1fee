"""The judge: every function in mpmath's arithmetic, its difference by plain subtraction with enough digits.

Nothing here is shared with the identities: values are written from the definitions, and f(x + dx) - f(x)
is computed with a precision that is doubled until two results agree.
"""

from collections.abc import Callable

from mpmath import mp, mpf


def logistic(x: mpf) -> mpf:
    return 1 / (1 + mp.exp(-x))


def erfc(x: mpf) -> mpf:
    # Beyond 1000 the tail is below 1e-434000, and mpmath cannot evaluate it at 1e154.
    return mp.erfc(x) if abs(x) < 1000 else 1 - mp.sign(x)


def normal(x: mpf) -> mpf:
    return erfc(-x / mp.sqrt(2)) / 2


def cube_root(x: mpf) -> mpf:
    return mp.sign(x) * mp.cbrt(abs(x))


def real_power(x: mpf, y: mpf) -> mpf:
    if x == 0:
        return mpf(1) if y == 0 else mpf(0)
    if x > 0:
        return mp.exp(y * mp.log(x))
    parity = 1 if int(y) % 2 == 0 else -1
    return parity * mp.exp(y * mp.log(-x))


def softplus(x: mpf) -> mpf:
    return mp.log1p(mp.exp(x))


def x_log_y(x: mpf, y: mpf) -> mpf:
    return mpf(0) if x == 0 else x * mp.log(y)


VALUES: dict[str, Callable[..., mpf]] = {
    "absolute": abs,
    "arccos": mp.acos,
    "arcsin": mp.asin,
    "arcsinh": mp.asinh,
    "arctan": mp.atan,
    "arctan2": mp.atan2,
    "arctanh": mp.atanh,
    "cbrt": cube_root,
    "cos": mp.cos,
    "cosh": mp.cosh,
    "divide": lambda x, y: x / y,
    "entr": lambda x: -x_log_y(x, x),
    "erf": lambda x: 1 - erfc(x) if x > 1 else mp.erf(x) if x > -1 else erfc(-x) - 1,
    "erfc": erfc,
    "exp": mp.exp,
    "exp2": lambda x: mpf(2) ** x,
    "expit": logistic,
    "expm1": lambda x: mp.expm1(x),
    "hypot": lambda x, y: mp.sqrt(x * x + y * y),
    "log": mp.log,
    "log10": mp.log10,
    "log1p": lambda x: mp.log1p(x),
    "log2": lambda x: mp.log(x) / mp.log(2),
    "log_expit": lambda x: -softplus(-x),
    "logaddexp": lambda x, y: mp.log(mp.exp(x) + mp.exp(y)),
    "logit": lambda x: mp.log(x) - mp.log(1 - x),
    "ndtr": normal,
    "power": real_power,
    "reciprocal": lambda x: 1 / x,
    "relu": lambda x: max(x, mpf(0)),
    "sin": mp.sin,
    "sinh": mp.sinh,
    "softplus": softplus,
    "sqrt": mp.sqrt,
    "square": lambda x: x * x,
    "tan": mp.tan,
    "tanh": mp.tanh,
    "xlogy": x_log_y,
}


def exact_difference(name: str, *arguments: float) -> mpf:
    """Return f at the end minus f at the start; arguments as the identity takes them."""
    value = VALUES[name]
    sizes = [mp.mag(a) for a in arguments if a] + [0]
    precision, previous = 160 + max(sizes) - min(sizes), None  # enough to see the smallest beside the largest
    while precision < 20_000:
        with mp.workprec(precision):
            numbers = [mpf(a) for a in arguments]
            starts, steps = numbers[::2], numbers[1::2]
            ends = [exact_sum(x, dx) for x, dx in zip(starts, steps, strict=True)]
            change = value(*ends) - value(*starts)
        if previous is not None and abs(change - previous) <= mpf(2) ** -80 * abs(change) and change != 0:
            return change
        if previous == change == 0 and precision > 5000:
            return change
        precision, previous = 2 * precision, change
    return change


def exact_sum(x: mpf, dx: mpf) -> mpf:
    return mp.fadd(x, dx, exact=True)
