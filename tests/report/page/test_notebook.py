import numpy as np
import pytest

from fastcheck import GradientGuard, Report, check, check_stages, screen
from tests.report.page.markup import Markup


@pytest.mark.parametrize("name", ["course", "right", "odd", "undecided", "sampled"])
def test_fragments_keep_to_themselves(name, request):
    report = request.getfixturevalue(f"{name}_report")
    text = report._repr_html_()
    markup = Markup(text)
    assert len(text) < 100_000
    assert markup.named("script") == []
    assert not any("id" in attributes for _, attributes in markup.elements)
    style = text.split("<style>")[1].split("</style>")[0]
    rules = [rule.split("{")[0] for rule in style.replace("\n", "").split("}") if rule.strip()]
    selectors = [selector.strip() for rule in rules for selector in rule.split(",")]
    assert all(selector.startswith(".fastcheck-report") for selector in selectors)
    assert report.verdict.upper() in markup.text


def test_a_failure_shows_cause_and_heat_map(course_report):
    markup = Markup(course_report._repr_html_())
    assert "FAIL dW2 is 2 times the right gradient" in markup.text
    pictures = [image["alt"] for image in markup.named("img") if image["alt"].startswith("Heat map")]
    assert pictures == ["Heat map of b1: Every cell of rows 0 to 3 is wrong, and no other."]


def test_what_is_right_has_no_heat_map(right_report):
    assert Markup(right_report._repr_html_()).named("img") == []


def test_long_lists_of_blocks_are_cut_with_a_count():
    parameters = {f"W{k}": np.ones(2) for k in range(300)}
    claim = {name: 2 * array for name, array in parameters.items()}
    report = check(lambda p: sum(np.sum(a**2) for a in p.values()), parameters, claim, progress=False)
    text = report._repr_html_()
    assert len(text) < 100_000
    assert "290 more blocks" in Markup(text).text
    assert "230 more are not listed" in Markup(text).text


def test_kept_reports_are_shown(course_report):
    assert "FAIL" in Markup(Report.from_dict(course_report.to_dict())._repr_html_()).text


def test_stages_and_guards_are_shown():
    w = np.array([1.0, -3.0])
    stages = check_stages(
        lambda: None, lambda step: check(lambda w: np.sum(w**2), w, (2 + step) * w, progress=False), (0, 1)
    )
    text = Markup(stages._repr_html_()).text
    assert "FAIL the gradient is wrong at step 1, right at step 0" in text
    assert "Step 1" in text
    guard = GradientGuard(at=(0,))
    assert "nothing was checked" in Markup(guard._repr_html_()).text
    guard(0, w, 2 * w, lambda w: np.sum(w**2))
    assert "PASS the gradient is right at step 0" in Markup(guard._repr_html_()).text


def test_what_samples_and_directions_prove_is_told(sampled_report):
    text = Markup(sampled_report._repr_html_()).text
    (proof,) = (block.proof for block in sampled_report.blocks.values())
    assert (
        f"proved: in theta at most {proof.at_most:,} of the other 4,700 are wrong (95 % confidence)" in text
    )
    w = np.linspace(1, 2, 50)
    report = screen(lambda w: np.sum(w**2), w, 2 * w, method="plain", progress=False)
    (block,) = report.blocks.values()
    bound = (
        f"no block is off by more than {block.screened.relative_bound:.0e} of its norm (99.9 % confidence)"
    )
    assert f"proved: along 4 random directions in each block: {bound}" in Markup(report._repr_html_()).text
