import dataclasses
import itertools
import pickle
import re

import numpy as np
import pytest

from fastcheck import Report, Stage, StagesReport, check, check_layer, check_stages, locate, screen
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.report.page.rendering import page_html, stages_html
from tests.report.page.markup import Markup
from tests.report.page.odd_names import ODD_NAMES

SECTIONS = ["verdict", "network", "theta", "blocks", "steps", "cost", "tables", "notes"]


@pytest.fixture(params=["course", "right", "odd", "undecided", "sampled", "kept", "pickled"])
def any_report(request):
    if request.param in ("kept", "pickled"):
        report = request.getfixturevalue("course_report")
        kept = Report.from_dict(report.to_dict())
        return kept if request.param == "kept" else pickle.loads(pickle.dumps(report))
    return request.getfixturevalue(f"{request.param}_report")


def test_every_section_is_there_in_order(any_report):
    markup = Markup(page_html(any_report))
    assert [attributes["id"] for attributes in markup.named("section")] == SECTIONS
    assert any_report.verdict.upper() in markup.text


def test_no_name_of_a_place_is_there_twice_and_none_is_missing(any_report):
    markup = Markup(page_html(any_report))
    ids = [attributes["id"] for _, attributes in markup.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    targets = [link["href"].removeprefix("#") for link in markup.named("a")]
    for _, attributes in markup.elements:
        targets += attributes.get("aria-labelledby", "").split()
    assert set(targets) <= set(ids)


def test_the_page_needs_nothing_else(any_report):
    text = page_html(any_report)
    assert "http" not in text.replace("http-equiv", "")
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    assert {image["href"][:22] for image in Markup(text).named("image")} <= {"data:image/png;base64,"}


def test_headings_go_down_one_level_at_a_time(any_report):
    levels = [int(tag[1]) for tag, _ in Markup(page_html(any_report)).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(second <= first + 1 for first, second in itertools.pairwise(levels))


def test_pictures_have_words(any_report):
    for picture in Markup(page_html(any_report)).named("svg"):
        is_named = "aria-label" in picture or "aria-labelledby" in picture
        assert picture.get("aria-hidden") == "true" or (picture["role"] == "img" and is_named)


def test_names_are_text_and_nothing_else(odd_report):
    text = page_html(odd_report)
    markup = Markup(text)
    assert len(markup.named("script")) == 1
    assert markup.named("img") == []
    assert not any(name.startswith("on") for _, attributes in markup.elements for name in attributes)
    assert "49" not in [word.strip() for word in markup.words]
    assert "\u202e" not in text
    assert "\\u202ereversed" in markup.text
    titles = [attributes["title"] for attributes in markup.named("th") if "title" in attributes]
    assert "<script>alert(1)</script>" in titles
    assert "two\\nlines" in titles


def test_marks_in_code_turn_no_line_around(course_report):
    line = CodeLine(file="/home/\u202eme/net\u202e.py", number=3, text="Z = W @ X  # \u202e<b>\x1b[1m")
    cause = dataclasses.replace(course_report.causes[0], lines=(line,), backward_lines=(line,))
    report = dataclasses.replace(course_report, causes=(cause,))
    for text in (page_html(report), report._repr_html_()):
        assert not {"\u202e", "\x1b"} & set(text)
        assert "Z = W @ X # \\u202e<b>\\x1b[1m" in Markup(text).text


def test_long_names_stay_different(odd_report):
    names = re.findall(r'<th scope="row" title="x+y?x+">([^<]+)</th>', page_html(odd_report))
    blocks = [name for name in names if "[" not in name]
    assert len(blocks) == 2
    assert len(set(blocks)) == 2
    assert max(map(len, blocks)) < 60


def test_missing_data_is_said_in_words(course_report):
    text = Markup(page_html(Report.from_dict(course_report.to_dict()))).text
    assert text.count("Not shown: this report was kept, or comes from another process") == 3
    assert "a report that was kept as JSON has the worst coordinates alone" in text


def test_blocks_along_directions_have_no_pictures():
    w = np.linspace(1, 2, 50)
    report = screen(lambda w: np.sum(w**2), w, 2 * w, method="plain", progress=False)
    text = Markup(page_html(report)).text
    assert "50 parameters along 4 random directions in each block" in text
    assert "no coordinate by itself" in text
    assert "would have caught" not in text


def test_claims_without_an_error_are_said_to_have_none():
    text = Markup(page_html(check(lambda w: np.sum(w), np.ones(3), np.ones(3), progress=False))).text
    assert "No claim that was looked at differs from its numerical slope." in text
    assert "looked at by itself" not in text


def test_data_that_has_changed_is_said():
    data = np.ones(3)
    report = check(lambda w: np.sum(w**2 * data), np.arange(1.0, 4), 2 * np.arange(1.0, 4), progress=False)
    data[:] = 2
    text = Markup(page_html(report)).text
    assert text.count("Not shown: the cost returns another number than at the time of the check") == 3
    assert "no source" not in text


def test_a_sample_is_not_called_right(sampled_report):
    text = Markup(page_html(sampled_report)).text
    assert "no mistake in what was checked" in text
    assert "1 block without a mistake in the sample" in text
    assert "<title>passed: no mistake in what was checked" in page_html(sampled_report)
    stages = StagesReport(stages=(Stage(step=5, report=sampled_report, seconds=0.1),))
    markup = stages_html(stages)
    assert "<title>passed: no mistake in what was checked at step 5" in markup
    assert '<span class="word">passed</span>' in markup
    assert "1 block right" not in text


def test_what_is_undecided_says_why(undecided_report):
    text = Markup(page_html(undecided_report)).text
    assert "could not tell for theta: rounding noise" in text
    assert "the numerical gradient of theta is known to" in text


def test_causes_stand_with_their_lines(course_report):
    markup = Markup(page_html(course_report))
    assert "FAIL dW2 is 2 times the right gradient" in markup.text
    assert 'gradients["dW2"] = gradients["dW2"] * 2' in markup.text
    assert "W1, b2, W3, b3 are right: leave them alone." in markup.text
    assert "first wrong place: here W2 is read" in markup.text


def test_stages_have_a_table_and_the_pages_of_those_that_did_not_pass():
    w, factor = np.array([1.0, -3.0]), {0: 2.0, 1: 2.1, 2: 2.0, 3: 2.2}

    def look(step):
        return check(lambda w: np.sum(w**2), w, factor[step] * w, progress=False)

    def train():
        w[:] *= 0.9

    stages = check_stages(train, look, range(4), stop_at_failure=False)
    stages = dataclasses.replace(stages, not_reached=(1000,), notes=("A <note>.",))
    markup = Markup(stages_html(stages))
    ids = [attributes["id"] for _, attributes in markup.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {f"stage-{k}-{name}" for k in (1, 2) for name in SECTIONS} <= set(ids)
    assert "stage-3-verdict" not in ids
    assert "the gradient is wrong at steps 1 and 3, right at step 0" in markup.text
    assert "1,000 – not reached" in markup.text
    assert "A <note>." in markup.text
    assert markup.text.count("Step 0 right") == 1


def test_a_training_without_stages_has_a_page():
    assert "nothing was checked" in Markup(stages_html(StagesReport(stages=()))).text


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_single_block_may_have_any_name(name):
    report = check(lambda p: np.sum(p[name] ** 2), {name: np.ones(2)}, {name: np.ones(2)}, progress=False)
    Markup(page_html(report))
    Markup(report._repr_html_())


def test_what_was_looked_at_along_directions_is_not_hidden_by_the_few_coordinates_that_were_compared():
    w = np.linspace(1, 2, 200)
    claim = 2 * w
    claim[17] *= 2
    report = locate(lambda w: float(np.sum(w**2)), w, claim, method="plain")
    assert 0 < report.checked < 200
    said = (
        f"200 parameters along 4 random directions in each block, and {report.checked} of 200 by themselves"
    )
    assert said in Markup(page_html(report)).text


def test_at_kinks_no_error_over_steps_is_drawn_and_the_notes_say_what_is_right():
    w = np.array([0.0, 1.0, -2.0])
    claim = np.sign(w) + np.array([0.5, 0, 0])
    for method in ("difference", "plain"):
        report = check(lambda w: np.sum(np.abs(w)), w, claim, method=method, progress=False)
        text = Markup(page_html(report)).text
        assert "1 at a kink, where J has no single slope: the notes say which claims are right" in text
        assert "no coordinate that was compared has a slope, in a block without kinks" in text


def test_of_a_kept_report_only_as_many_coordinates_are_wrong_as_were_counted():
    w = np.exp(-np.arange(40.0))
    claim = 2 * w
    claim[1] *= 1.01
    report = check(lambda w: float(np.sum(w**2)), w, claim, method="plain", progress=False)
    row = re.compile(r'<th scope="row" title="theta\[(\d+)\]">.*?data-value="\d">. (\w+)<')
    for shown in (report, Report.from_dict(report.to_dict())):
        rows = row.findall(page_html(shown))
        assert len(rows) == 10
        assert {place for place, standing in rows if standing == "wrong"} == {"1"}
        others = {standing for place, standing in rows if place != "1"}
        assert others == ({"right"} if shown is report else {"right", "undecided"})


def test_what_makes_a_cost_of_a_layer_is_not_called_a_line_of_the_users():
    def forward(x):
        return x**2, x

    report = check_layer(forward, lambda dout, x: 3 * x * dout, np.linspace(1, 2, 5), progress=False)
    steps = re.findall(r'<code class="line"[^>]*>([^<]*)</code>', page_html(report))
    assert steps == ["return x**2, x", "no line of yours"]


def test_a_name_in_a_tuple_names_its_gradient_too():
    def cost(p):
        Z, _D = p["W"] * 2, None
        U, V = np.tanh(Z), np.exp(Z)
        return np.sum(U * V)

    report = check(cost, {"W": np.ones(3)}, {"W": np.ones(3)}, progress=False)
    results = re.findall(r'<b class="result">([^<]*)</b>', page_html(report))
    assert results == ["Z", "dZ", "U, V", "∂J/∂(2)", "J", "∂J/∂J = 1"]
