"""The templates, filled in."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from fastcheck.legible import printable, shape_in_words
from fastcheck.report.page.contents import contents_of
from fastcheck.report.page.facts import facts
from fastcheck.report.page.figures import (
    compact,
    prose,
    shortened,
    size_of_error,
)
from fastcheck.report.page.heat_maps import legend, legend_ticks
from fastcheck.report.page.marks import OF_VERDICTS, word_of, word_of_stages
from fastcheck.report.page.stage_rows import stage_rows
from fastcheck.report.picture_words import RELATIVE_ERROR
from fastcheck.report.result import Report
from fastcheck.report.stages import StagesReport
from fastcheck.report.stages_text import sentence_on_stages

LEGEND_WIDTH = 300.0

MOST_STAGES = 8
"""Stages that did not pass of which everything is shown."""


def page_html(report: Report) -> str:
    """Return the page of one report."""
    return rendered("page.html", contents=contents_of(report))


def stages_html(stages: StagesReport) -> str:
    """Return the page of a training: its stages as a table, and all that is known of those that did not pass."""
    doubtful = [stage for stage in stages.stages if not stage.report.passed]
    shown = doubtful[:MOST_STAGES]
    return rendered(
        "stages.html",
        stages=stages,
        mark=OF_VERDICTS[stages.verdict],
        word=word_of_stages(stages),
        sentence=sentence_on_stages(stages),
        rows=stage_rows(stages),
        doubtful=[
            (stage, contents_of(stage.report, prefix=f"stage-{number}-", level=2))
            for number, stage in enumerate(shown, start=1)
        ],
        left_out=len(doubtful) - len(shown),
        passed=[
            (stage, word_of(stage.report), facts(stage.report))
            for stage in stages.stages
            if stage.report.passed
        ],
    )


def rendered(name: str, **values: Any) -> str:
    """Return a template filled in."""
    return environment().get_template(name).render(**values)


@functools.cache
def environment() -> jinja2.Environment:
    """Return what fills templates in: every value is escaped, and what cannot be printed is spelt."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("fastcheck.report.page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalized,
    )
    made.filters |= {
        "compact": compact,
        "one_line": printable,
        "prose": prose,
        "shape": shape_in_words,
        "shortened": shortened,
        "error": size_of_error,
    }
    made.globals |= {
        "notebook_style": Markup(_source("notebook.css")),
        "page_style": Markup(_source("page.css")),
        "page_script": Markup(_source("page.js")),
        "style_hash": _hash(_source("page.css")),
        "script_hash": _hash(_source("page.js")),
        "legend": legend(),
        "legend_ticks": legend_ticks(LEGEND_WIDTH),
        "legend_width": LEGEND_WIDTH,
        "relative_error": RELATIVE_ERROR,
    }
    return made


def _source(name: str) -> str:
    """Return the text of a file beside the templates."""
    return (files("fastcheck.report.page") / "templates" / name).read_text(encoding="utf-8")


def _finalized(value: Any) -> Any:
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(value, lines=True) if is_text else value


def _hash(text: str) -> str:
    """Return what a content security policy calls a script or a style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
