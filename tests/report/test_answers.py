"""What all answers of checks have in common."""

import dataclasses
import pickle
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from fastcheck.errors import GradientMismatchError
from fastcheck.report.answers import AnswerInLines, decisive
from fastcheck.verdict.judging import Verdict


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Said(AnswerInLines):
    verdict: Verdict
    parts: Mapping[str, int]

    def lines(self, width):
        yield f"{self.verdict} in {width}"


def said(verdict):
    return Said(verdict=verdict, parts=MappingProxyType({"a": 1}))


def test_only_an_answer_that_passed_is_true_and_raises_nothing():
    assert said(Verdict.PASS)
    said(Verdict.PASS).raise_if_failed()
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        assert not said(verdict)
        with pytest.raises(GradientMismatchError, match=f"^{verdict} in 80$"):
            said(verdict).raise_if_failed()


def test_an_answer_is_text_of_as_many_columns_as_are_asked_for():
    assert str(said(Verdict.PASS)) == "pass in 80"
    assert said(Verdict.PASS).to_text(width=100) == "pass in 100"
    assert said(Verdict.PASS).to_text(width=9) == "pass in 60"


def test_an_answer_shows_its_text_in_a_notebook():
    assert said(Verdict.PASS)._repr_html_() == "<pre>pass in 80</pre>"


def test_an_answer_can_be_pickled_with_its_mappings():
    assert pickle.loads(pickle.dumps(said(Verdict.FAIL))).parts == {"a": 1}


def test_of_several_answers_one_that_fails_counts_before_one_that_is_undecided():
    right, undecided, wrong = said(Verdict.PASS), said(Verdict.INCONCLUSIVE), said(Verdict.FAIL)
    assert decisive([right, undecided, wrong]) is wrong
    assert decisive([right, undecided]) is undecided
    assert decisive([right, said(Verdict.PASS)]) is right


def test_no_result_of_a_check_is_true_by_itself():
    """A dataclass without `__bool__` is true: ``assert check_…(…)`` would pass whatever is wrong."""
    from fastcheck.derivatives.derivatives_report import DerivativesReport
    from fastcheck.derivatives.dot_report import DotTestReport
    from fastcheck.derivatives.matrix_report import MatrixReport
    from fastcheck.derivatives.partials_report import PartialsReport
    from fastcheck.report.probes import ProbesReport
    from fastcheck.report.result import Report
    from fastcheck.report.stages import StagesReport

    results = [
        DerivativesReport,
        DotTestReport,
        MatrixReport,
        PartialsReport,
        ProbesReport,
        Report,
        StagesReport,
    ]
    assert not [result for result in results if "__bool__" not in dir(result)]
