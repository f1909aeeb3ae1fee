"""Names and types that the walk through what a cost depends on treats in a way of their own."""

from __future__ import annotations

import types

OF_PYTHON = frozenset(
    ("__name__", "__file__", "__path__", "__doc__", "__spec__", "__loader__", "__package__", "__builtins__")
)
"""Names in modules whose values tell where they are."""

NOT_CALLED = (
    "__init__", "__new__", "__post_init__", "__del__", "__eq__", "__hash__", "__repr__", "__str__", "__getstate__",
    "__setstate__", "__reduce__", "__copy__", "__deepcopy__", "__replace__",
)  # fmt: skip
"""Methods that a cost that is given an object does not call by itself."""

CALLED_BY_LIBRARIES = ("forward", "call")
"""Methods of the user's classes that frameworks call."""

STATES = ("states",)
"""Attributes of fastcheck's costs with the states of generators, from which evaluations start: these differ in J(θ)."""

HOLDING_OTHERS = ("_parameters", "_buffers", "_modules")
"""Attributes of networks of frameworks in which others are kept."""

MOST_ITEMS = 256
"""Items of a dict that get digests of their own."""

RUNNING = (types.GeneratorType, types.CoroutineType, types.FrameType, types.TracebackType)
"""Types of what is in the midst of something."""

WRAPPERS = (classmethod, staticmethod, property)
"""What functions in classes are put into."""


WITH_NAMES = (types.FunctionType, types.MethodType, type, types.ModuleType, *WRAPPERS)
"""Types of what is digested under its own name, whatever name it is met by."""

COMPILED = (
    types.BuiltinFunctionType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MethodDescriptorType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
)
