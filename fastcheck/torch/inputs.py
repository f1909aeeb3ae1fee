"""What is called, with which tensors, and which of them are checked: their names, places and masks."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.torch.mistaken_calls import expect_fitting, without_tensors
from fastcheck.torch.structures import Path, map_tensors, path_text, tensors_in


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Input:
    """A tensor that the function gets: an argument, a part of one, or a parameter of a module."""

    name: str
    tensor: torch.Tensor
    is_parameter: bool = False
    argument: int | str = ""
    """Number or name of the argument that it is, or is part of."""

    @property
    def may_be_checked(self) -> bool:
        """Whether it can have a gradient."""
        return bool(self.tensor.is_floating_point() or self.tensor.is_complex())


class Call(Protocol):
    """A function of named tensors, those that are ``checked``; ``dtype`` is theirs."""

    @property
    def checked(self) -> Mapping[str, Input]:
        """The tensors whose gradients are compared, by name."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """The dtype with the fewest digits that they have."""
        ...

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions, and what they hold."""
        ...

    def call(self, tensors: Mapping[str, torch.Tensor]) -> Any:
        """Return what the function returns for these tensors."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """A function with its arguments; ``checked`` are those of its tensors whose gradients are compared, by name.

    ``module`` is the module that it is, if it is one. ``masks`` tell, by name, which entries are compared.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    checked: Mapping[str, Input]
    module: torch.nn.Module | None = None
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    names: Mapping[Path, str] = field(default_factory=dict)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype with the fewest digits that tensors have which are checked."""
        dtypes = {x.tensor.dtype for x in self.checked.values()}
        return max(dtypes, key=lambda dtype: torch.finfo(dtype).eps)

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's function, and its arguments."""
        return self.function, self.arguments, self.keywords

    @property
    def masks_of_blocks(self) -> dict[str, NDArray[np.bool_]]:
        """The masks by the names of blocks: complex inputs have two."""
        masks: dict[str, NDArray[np.bool_]] = {}
        for name, entries in self.masks.items():
            is_complex = self.checked[name].tensor.is_complex()
            masks.update(dict.fromkeys((f"{name}.real", f"{name}.imag") if is_complex else (name,), entries))
        return masks

    @property
    def tensors(self) -> list[torch.Tensor]:
        """All tensors among the arguments, and the parameters of the module."""
        given = [*tensors_in(self.arguments), *tensors_in(self.keywords)]
        return given + ([] if self.module is None else [*self.module.parameters()])

    def on_cpu(self) -> Inputs:
        """Return the same with copies of tensors, and of the module, in the memory of the CPU."""
        module = None if self.module is None else copy.deepcopy(self.module).cpu()
        moved = {
            name: dataclasses.replace(x, tensor=x.tensor.detach().cpu()) for name, x in self.checked.items()
        }
        return dataclasses.replace(
            self,
            function=self.function if module is None else module,
            arguments=map_tensors(lambda _path, x: x.detach().cpu(), self.arguments),
            keywords=map_tensors(lambda _path, x: x.detach().cpu(), self.keywords),
            checked=moved,
            module=module,
        )

    def call(self, tensors: Mapping[str, torch.Tensor]) -> Any:
        """Return what the function returns for other values of the tensors that are checked."""

        def chosen(path: Path, tensor: torch.Tensor) -> torch.Tensor:
            return tensors.get(self.names.get(path, ""), tensor)

        arguments = map_tensors(chosen, self.arguments)
        keywords = map_tensors(chosen, self.keywords)
        if self.module is None:
            return self.function(*arguments, **keywords)
        parameters = {name: tensors[name] for name, x in self.checked.items() if x.is_parameter}
        return torch.func.functional_call(self.module, parameters, arguments, dict(keywords))


def read_inputs(
    fn: Any,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any] | None = None,
    wrt: Any = None,
    mask: Any = None,
) -> Inputs:
    """Return the function with its arguments; `InvalidProblemError` where there is nothing to check."""
    function = _function(fn, arguments)
    keywords = _keywords(keywords)
    module = fn if isinstance(fn, torch.nn.Module) else None
    names: dict[Path, str] = {}
    found: dict[str, Input] = {}

    def note(argument: int | str, name: str, path: Path, tensor: torch.Tensor) -> torch.Tensor:
        full = name + path_text(path[1:])
        names[path] = full
        found[full] = Input(name=full, tensor=tensor, argument=argument)
        return tensor

    for place, (name, value) in enumerate(zip(argument_names(fn, len(arguments)), arguments, strict=True)):
        map_tensors(lambda path, x, place=place, name=name: note(place, name, path, x), value, (place,))  # type: ignore[misc]
    for name, value in keywords.items():
        map_tensors(lambda path, x, name=name: note(name, name, path, x), value, (name,))  # type: ignore[misc]
    if module is not None:
        for name, parameter in module.named_parameters():
            full = name if name not in found else f"parameter {name}"
            found[full] = Input(name=full, tensor=parameter, is_parameter=True, argument=name)
    left_out = [name for name, entries in _masked(mask).items() if entries is False]
    checked = [x for x in _checked(found, wrt, arguments) if x.name not in left_out]
    if not checked:
        raise InvalidProblemError(f"mask: all inputs are left out: {', '.join(left_out)}.")
    empty = next((x for x in checked if x.tensor.is_meta), None)
    if empty is not None:
        raise InvalidProblemError(
            f"inputs: expected tensors with numbers, got {empty.name} on the device meta, which holds none."
        )
    sparse = next((x for x in checked if x.tensor.layout is not torch.strided), None)
    if sparse is not None:
        raise InvalidProblemError(
            f"inputs: expected dense tensors, got {sparse.name} of {sparse.tensor.layout}. Make it inside of the "
            "function, of a dense tensor of its values."
        )
    if not any(x.tensor.numel() for x in checked):
        shapes = ", ".join(f"{x.name} of shape {tuple(x.tensor.shape)}" for x in checked)
        raise InvalidProblemError(f"inputs: expected at least one number to check, got {shapes}.")
    return Inputs(
        function=function,
        arguments=tuple(arguments),
        keywords=keywords,
        checked={x.name: x for x in checked},
        module=module,
        names=names,
        masks=_masks(mask, found),
    )


def _function(fn: Any, arguments: Sequence[Any]) -> Callable[..., Any]:
    """Return what is called."""
    function = _custom_function(fn)
    expect_fitting(fn, function, arguments)
    if function is not None:
        apply: Callable[..., Any] = function.apply
        return apply
    if not callable(fn):
        raise InvalidProblemError(
            f"fn: expected a function of tensors, a torch.autograd.Function or a module, got {type(fn).__name__}."
        )
    called: Callable[..., Any] = fn
    return called


def _custom_function(fn: Any) -> Any:
    """Return the `torch.autograd.Function` that something is, or is the ``apply`` of; None if it is none."""
    owner = getattr(fn, "__self__", None) if getattr(fn, "__name__", "") == "apply" else fn
    is_function = isinstance(owner, type) and issubclass(owner, torch.autograd.Function)
    return owner if is_function else None


def _keywords(keywords: Any) -> Mapping[str, Any]:
    if keywords is None:
        return {}
    if isinstance(keywords, Mapping) and all(isinstance(key, str) for key in keywords):
        return dict(keywords)
    raise InvalidProblemError(
        f"kwargs: expected a dict of keyword arguments such as {{'eps': 1e-5}}, got {type(keywords).__name__}."
    )


def argument_names(fn: Any, count: int) -> list[str]:
    """Return the names of the first arguments of a function, Function or module, or ``input 0``."""
    numbered = [f"input {place}" for place in range(count)]
    function = _custom_function(fn)
    described = (
        fn.forward if isinstance(fn, torch.nn.Module) else fn if function is None else function.forward
    )
    try:
        parameters = list(inspect.signature(described).parameters.values())
    except (TypeError, ValueError):
        return numbered
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if function is not None and function.setup_context is torch.autograd.Function.setup_context:
        del named[:1]  # ctx
    return [*named[:count], *numbered[len(named) :]]


def _checked(found: Mapping[str, Input], wrt: Any, arguments: Sequence[Any]) -> list[Input]:
    """Return the tensors that are checked: those of ``wrt``, else those that require a gradient, else all."""
    candidates = [x for x in found.values() if x.may_be_checked]
    if not candidates:
        got = ", ".join(f"{x.name} of {x.tensor.dtype}" for x in found.values()) or without_tensors(arguments)
        raise InvalidProblemError(f"inputs: expected at least one floating-point tensor, got {got}.")
    if wrt is not None:
        return _asked(found, wrt)
    arguments = [x for x in candidates if not x.is_parameter]
    parameters = [x for x in candidates if x.is_parameter]
    return [*_requiring(arguments), *_requiring(parameters)]


def _requiring(inputs: list[Input]) -> list[Input]:
    requiring = [x for x in inputs if x.tensor.requires_grad]
    return requiring or inputs


def _asked(found: Mapping[str, Input], wrt: Any) -> list[Input]:
    wishes = list(wrt) if isinstance(wrt, (list, tuple, set, frozenset)) else [wrt]
    if not wishes or not all(isinstance(wish, (str, int)) for wish in wishes):
        raise InvalidProblemError(
            f"wrt: expected names or numbers of inputs, such as ('weight', 0), got {wrt!r}."
        )
    chosen: list[Input] = []
    for wish in wishes:
        fitting = [x for x in found.values() if wish in (x.name, x.argument) and not isinstance(wish, bool)]
        if not fitting:
            raise InvalidProblemError(
                f"wrt: there is no input {wish!r}. There are {', '.join(found)}; positional ones have numbers, too."
            )
        whole = [x for x in fitting if x.may_be_checked]
        if not whole:
            raise InvalidProblemError(
                f"wrt: expected floating-point inputs, got {fitting[0].name} of {fitting[0].tensor.dtype}, which has "
                "no gradient."
            )
        chosen += [x for x in whole if x not in chosen]
    return chosen


def _masked(mask: Any) -> Mapping[str, Any]:
    if mask is None:
        return {}
    if isinstance(mask, Mapping):
        return mask
    raise InvalidProblemError(
        "mask: expected a dict from names of inputs to tensors of truth values, such as {'x': x != 0}, got "
        f"{type(mask).__name__}."
    )


def _masks(mask: Any, found: Mapping[str, Input]) -> dict[str, NDArray[np.bool_]]:
    """Return which entries are compared, by the names of inputs of which not all are."""
    masks = {}
    for name, entries in _masked(mask).items():
        if name not in found:
            raise InvalidProblemError(f"mask: there is no input {name!r}. There are {', '.join(found)}.")
        if isinstance(entries, bool):
            continue
        shape = tuple(found[name].tensor.shape)
        array = np.asarray(entries.detach().cpu() if isinstance(entries, torch.Tensor) else entries)
        if array.dtype != np.bool_ or array.shape != shape:
            raise InvalidProblemError(
                f"mask: expected truth values of shape {shape} for {name}, got {array.dtype} of shape {array.shape}."
            )
        if not array.any():
            raise InvalidProblemError(
                f"mask: no entry of {name} is left. Leave it out: mask={{{name!r}: False}}."
            )
        masks[name] = array
    return masks
