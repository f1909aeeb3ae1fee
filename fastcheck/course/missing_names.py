"""What files of the courses import from modules that come with their notebooks, and where it is here."""

from __future__ import annotations

from fastcheck import course

MODULES = (
    "testCases",
    "testCase",
    "test_cases",
    "gc_utils",
    "reg_utils",
    "init_utils",
    "public_tests",
)
"""Modules that come with the notebooks of the course."""


def advice_on(error: Exception) -> str:
    """Return what to do about a missing module or name of the course, as the end of a sentence, or nothing."""
    name = getattr(error, "name", None)
    if isinstance(error, ModuleNotFoundError) and name in MODULES:
        return ". What the exercises import from it is in fastcheck.course"
    if isinstance(error, NameError) and name in course.__all__:
        return f". That of the course: from fastcheck.course import {name}"
    return ""
