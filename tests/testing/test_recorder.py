"""What a run of tests shows of its gradient checks: the lines of a failure, summaries, JUnit, pages, workers."""

import re
import xml.etree.ElementTree as ET

import pytest
from runs import RIGHT, WRONG

SUMMARY = "gradient checks: "
WRONG_LINE = "FAIL  most likely: dtheta is 1/2 of the right gradient"


def test_a_wrong_gradient_shows_one_line_of_the_test_and_the_message(project):
    project.write("test_net.py", "def test_backward():", f"    {WRONG}")
    result = project.run()
    result.assert_outcomes(failed=1)
    lines = result.outlines
    start = next(i for i, line in enumerate(lines) if line.startswith(">"))
    end = next(i for i, line in enumerate(lines) if line.startswith("test_net.py:"))
    assert lines[start].split() == [">", *WRONG.split()]
    assert all(line.startswith("E ") for line in lines[start + 1 : end - 1])
    assert lines[start + 1].split(maxsplit=1)[1] == f"AssertionError: {WRONG_LINE}"
    assert lines[end] == "test_net.py:8: AssertionError"


def test_the_rest_of_the_report_is_a_section_of_the_failure(project):
    project.write("test_net.py", "def test_backward():", f"    {WRONG}")
    text = project.run().stdout.str()
    _, section = re.split("-+ gradient check -+\n", text)
    assert "all 3 parameters checked by difference propagation" in section
    assert "--gradcheck-html DIR" in section
    assert "FAIL  " not in section.split("gradient checks: ")[0]


def test_a_report_that_is_not_the_message_stands_there_whole(project):
    project.write(
        "test_net.py",
        "def test_backward():",
        "    try:",
        f"        {WRONG}",
        "    except AssertionError as error:",
        "        raise RuntimeError('of the test') from error",
    )
    text = project.run().stdout.str()
    _, section = re.split("-+ gradient check -+\n", text)
    assert section.startswith("FAIL  ")


def test_the_summary_of_failures_and_its_first_line(project):
    project.write("test_net.py", "def test_backward():", f"    {WRONG}")
    result = project.run("-rf", "--tb=no")
    result.stdout.fnmatch_lines(["FAILED test_net.py::test_backward - FAIL  most likely: dtheta is 1/2 of *"])


def test_in_a_ci_the_summary_has_the_first_line_whole_and_no_other(project, monkeypatch):
    monkeypatch.setenv("CI", "true")
    project.write("test_net.py", "def test_backward():", f"    {WRONG}")
    lines = project.run("--tb=no").outlines
    assert f"FAILED test_net.py::test_backward - {WRONG_LINE}" in lines


def test_ill_posed_questions_and_errors_of_the_cost_show_the_lines_of_the_test_alone(project):
    project.write(
        "test_net.py",
        "def test_shapes():",
        "    assert_gradients(lambda w: np.sum(w**2), w, np.ones(4))",
        "def cost(w):",
        "    raise ZeroDivisionError('as said')",
        "def test_cost():",
        "    assert_gradients(cost, w, w)",
    )
    result = project.run()
    result.assert_outcomes(failed=2)
    text = result.stdout.str()
    assert "InvalidProblemError: " in text
    assert ">   raise ZeroDivisionError('as said')" in text.replace("       ", "   ")
    assert "posing.py" not in text
    assert "asserting.py" not in text
    result.stdout.fnmatch_lines(["FAILED test_net.py::test_shapes - InvalidProblemError: *"])
    assert "posing.py" in project.run("--full-trace").stdout.str()
    assert any(line.startswith("gradient checks: 1 ill-posed") for line in result.outlines)


@pytest.mark.parametrize("quiet", [(), ("-q",), ("-qq",)])
def test_nothing_is_said_where_nothing_was_checked(project, quiet):
    project.write("test_other.py", "def test_other():", "    pass")
    assert "gradient" not in project.run(*quiet).stdout.str()


@pytest.mark.parametrize(
    ("options", "is_shown_right", "is_shown_wrong"),
    [((), True, True), (("-v",), True, True), (("-q",), False, True), (("-qq",), False, False)],
)
def test_one_line_sums_up(project, options, is_shown_right, is_shown_wrong):
    project.write("test_right.py", "def test_right():", f"    {RIGHT}", f"    {RIGHT}")
    project.write("test_wrong.py", "def test_wrong():", f"    {RIGHT}", f"    {WRONG}")
    right = project.run("test_right.py", *options)
    assert (f"{SUMMARY}2 right" in right.outlines) is is_shown_right
    wrong = [line for line in project.run(*options).outlines if line.startswith(SUMMARY)]
    assert wrong == [f"{SUMMARY}3 right, 1 wrong"] * is_shown_wrong


def test_a_sample_that_passed_is_not_counted_as_right(project):
    sample = "    assert_gradients(lambda w: np.sum(w**2), w, 2 * w, coordinates=2)"
    project.write("test_sample.py", "def test_sample():", sample, f"    {RIGHT}")
    assert f"{SUMMARY}1 right, 1 passed as far as looked at" in project.run().outlines


def test_checks_are_counted_as_what_they_did_to_their_tests(project):
    project.write(
        "test_net.py",
        "def single(w):",
        "    return float(np.float32(np.sum(np.sin(w) ** 2)))",
        "def test_expected():",
        "    with pytest.raises(AssertionError):",
        f"        {WRONG}",
        "@pytest.mark.xfail(strict=True)",
        "def test_xfail():",
        f"    {WRONG}",
        "def test_undecided():",
        "    assert_gradients(single, w, np.sin(2 * w))",
        "def test_allowed():",
        "    assert_gradients(single, w, np.sin(2 * w), allow_inconclusive=True)",
        "def test_fails_otherwise():",
        f"    {RIGHT}",
        "    assert 1 == 2",
        "def test_other_error():",
        f"    {RIGHT}",
        "    error = AssertionError('of the test')",
        "    error.report = 'of somebody else'",
        "    raise error",
        "def test_chained():",
        "    try:",
        f"        {WRONG}",
        "    except AssertionError as error:",
        "        raise RuntimeError('of the test') from error",
    )
    result = project.run("--tb=no")
    result.assert_outcomes(passed=2, failed=4, xfailed=1)
    expected = "2 right, 1 wrong, 1 inconclusive, 1 inconclusive but allowed, 2 failed as expected"
    assert SUMMARY + expected in result.outlines
    assert any("test_chained - RuntimeError: of the test" in line for line in result.outlines)


def test_checks_of_fixtures_and_of_modules(project):
    project.write(
        "test_net.py",
        f"{RIGHT}",
        "@pytest.fixture",
        "def checked():",
        f"    {WRONG}",
        "def test_net(checked):",
        "    pass",
    )
    result = project.run("--tb=no")
    result.assert_outcomes(errors=1)
    assert f"{SUMMARY}1 wrong" in result.outlines
    result.stdout.fnmatch_lines(["ERROR test_net.py::test_net - FAIL  *"])


def properties_of(path):
    return {
        case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in ET.parse(path).iter("testcase")
    }


def test_junit_has_the_first_line_as_message_and_verdict_and_difference_as_properties(project):
    project.write(
        "test_net.py",
        "def test_wrong():",
        f"    {WRONG}",
        "def test_right():",
        f"    {RIGHT}",
        "def test_other():",
        "    pass",
    )
    project.run("--junit-xml=junit.xml")
    (failure,) = ET.parse(project.path / "junit.xml").iter("failure")
    assert failure.get("message") == WRONG_LINE
    assert "AssertionError" in failure.text
    properties = properties_of(project.path / "junit.xml")
    assert properties["test_wrong"] == {"gradcheck_verdict": "fail", "gradcheck_difference": "0.333"}
    assert properties["test_right"]["gradcheck_verdict"] == "pass"
    assert float(properties["test_right"]["gradcheck_difference"]) < 1e-10
    assert properties["test_other"] == {}


def pages_of(project):
    return sorted(path.name for path in (project.path / "pages").iterdir())


def test_pages_of_failing_tests_are_kept(project):
    project.write(
        "deep/er/test_net.py",
        "def test_right():",
        f"    {RIGHT}",
        "def test_wrong():",
        f"    {WRONG}",
        "def test_expected():",
        "    with pytest.raises(AssertionError):",
        f"        {WRONG}",
        "@pytest.mark.parametrize('name', ['a/b', 'a-b', '[x]', 'θ', '<script>'])",
        "def test_names(name):",
        f"    {WRONG}",
    )
    result = project.run("--gradcheck-html", "pages", "--tb=short")
    result.assert_outcomes(passed=2, failed=6)
    names = pages_of(project)
    assert len(names) == 6
    assert names[-1] == "deep-er-test_net.py--test_wrong.html"
    assert (project.path / "pages" / names[0]).read_text(encoding="utf-8") == "<html>fail</html>"
    lines = result.outlines
    assert any(line.startswith(SUMMARY) and line.endswith("; pages in pages") for line in lines)
    shown = [line.strip() for line in lines if line.startswith("  pages")]
    assert sorted(re.split(r"[/\\]", line)[1] for line in shown) == names
    assert sum(line.startswith("Page: pages") for line in lines) == 6


THREE_FILES = ("test_a.py", "test_b.py", "test_c.py")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_pages_numbers_and_properties_come_from_workers(project, workers):
    for name in THREE_FILES:
        project.write(name, "def test_wrong():", f"    {RIGHT}", f"    {WRONG}")
    result = project.run("--gradcheck-html=pages", f"-n{workers}", "--junit-xml=junit.xml", separately=True)
    result.assert_outcomes(failed=3)
    assert pages_of(project) == [f"{name}--test_wrong.html" for name in THREE_FILES]
    assert f"{SUMMARY}3 right, 3 wrong; pages in pages" in result.outlines
    assert sum(line.startswith("  pages") for line in result.outlines) == 3
    messages = [failure.get("message") for failure in ET.parse(project.path / "junit.xml").iter("failure")]
    assert messages == [WRONG_LINE] * 3
    assert properties_of(project.path / "junit.xml")["test_wrong"]["gradcheck_verdict"] == "fail"


@pytest.mark.slow
def test_workers_that_all_run_the_same_test_keep_a_page_each(project):
    project.write("test_net.py", "def test_wrong():", f"    {WRONG}")
    result = project.run("--gradcheck-html=pages", "-n", "2", "--dist", "each", separately=True)
    assert pages_of(project) == ["test_net.py--test_wrong-gw0.html", "test_net.py--test_wrong-gw1.html"]
    assert f"{SUMMARY}2 wrong; pages in pages" in result.outlines


def test_modules_imported_by_importlib(project):
    for name in THREE_FILES:
        project.write(f"{name[:-3]}/test_net.py", "def test_wrong():", f"    {WRONG}")
    project.run("--gradcheck-html=pages", "--import-mode=importlib").assert_outcomes(failed=3)
    assert pages_of(project) == [f"{name[:-3]}-test_net.py--test_wrong.html" for name in THREE_FILES]


def test_a_page_is_that_of_the_report_wherever_its_folder_is(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    project.write("conftest.py", head="")
    project.write("test_net.py", "def test_wrong():", f"    {WRONG}")
    result = project.run(f"--gradcheck-html={folder}")
    (page,) = folder.iterdir()
    assert f"  {page}" in result.outlines
    text = page.read_text(encoding="utf-8")
    assert text.lstrip().lower().startswith("<!doctype html>")
    assert "dtheta is 1/2 of the right gradient" in text


def test_a_page_that_cannot_be_written_hides_nothing(project):
    project.write("conftest.py", head="")
    project.write(
        "test_net.py",
        "def test_wrong(monkeypatch):",
        "    def save(report, path): raise OSError('no space left')",
        "    monkeypatch.setattr('fastcheck.report.page.saving.save_page', save)",
        f"    {WRONG}",
    )
    result = project.run("--gradcheck-html=pages")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *AssertionError: FAIL*", "Its page could not be kept: OSError: no space left"]
    )


def test_a_file_in_place_of_the_folder_of_pages_is_refused(project):
    (project.path / "pages").write_text("")
    result = project.run("--gradcheck-html=pages")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --gradcheck-html: expected a folder, *pages is a file"])


def test_tests_of_unittest_and_their_parts(project):
    project.write(
        "test_net.py",
        "import unittest",
        "class TestNet(unittest.TestCase):",
        "    def test_wrong(self):",
        f"        {WRONG}",
        "    def test_parts(self):",
        "        for part in range(2):",
        "            with self.subTest(part=part):",
        f"                {WRONG}",
        "    @pytest.fixture(autouse=True)",
        "    def _checks(self, gradcheck):",
        "        self.gradcheck = gradcheck",
        "    def test_fixture(self):",
        "        self.gradcheck(lambda w: np.sum(w**2), w, 2 * w)",
    )
    result = project.run("--gradcheck-html=pages", "--tb=line")
    failing = [line for line in result.outlines if line.startswith(("FAILED", "SUBFAILED"))]
    assert failing
    assert all(" - FAIL  " in line or "contains" in line for line in failing)
    assert "TestNet--test_wrong" in pages_of(project)[-1]
    assert any(re.match(rf"{SUMMARY}1 right, [23] wrong", line) for line in result.outlines)


def test_hypothesis_counts_the_failure_once(project):
    project.write(
        "test_net.py",
        "from hypothesis import Phase, given, settings, strategies as st",
        "phases = [Phase.generate, Phase.shrink]",
        "@settings(max_examples=20, database=None, derandomize=True, deadline=None, phases=phases)",
        "@given(st.floats(0.5, 2.0), st.booleans())",
        "def test_scaled(scale, wrong):",
        "    claim = scale * w if wrong else 2 * scale * w",
        "    assert_gradients(lambda w: scale * np.sum(w**2), w, claim)",
    )
    result = project.run("--gradcheck-html=pages")
    result.assert_outcomes(failed=1)
    assert len(pages_of(project)) == 1
    assert any(re.match(rf"{SUMMARY}\d+ right, 1 wrong; ", line) for line in result.outlines)


def test_the_session_around_hears_nothing_of_a_run_inside(project):
    project.write(
        "test_outer.py",
        "pytest_plugins = ['pytester']",
        "def test_outer(pytester):",
        f"    {RIGHT}",
        "    pytester.makepyfile(test_inside='''",
        "from fastcheck.testing import assert_gradients",
        "def test_inner():",
        "    assert_gradients(lambda w: w * w, 3.0, 3.0)",
        "''')",
        "    pytester.runpytest_inprocess('-p', 'no:benchmark').assert_outcomes(failed=1)",
        f"    {RIGHT}",
    )
    result = project.run()
    result.assert_outcomes(passed=1)
    assert f"{SUMMARY}2 right" in result.outlines
