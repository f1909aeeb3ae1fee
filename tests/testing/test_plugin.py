"""Options, marker and fixture, and what the plugin costs where nothing uses it."""

import pytest
from runs import RIGHT, WRONG

SQUARES = "lambda w: np.sum(w**2)"

SEED_OF_CHECK = f"gradcheck({SQUARES}, w, 2 * w).seed"


@pytest.mark.parametrize("arguments", [("--collect-only",), ()])
def test_runs_without_gradient_checks_load_nothing_heavy(project, arguments):
    project.write("conftest.py", head="")
    project.write(
        "test_other.py",
        "import sys",
        "def test_other():",
        "    heavy = {'numpy', 'rich', 'numba', 'jinja2', 'matplotlib', 'scipy', 'joblib', 'IPython'}",
        "    assert not heavy & set(sys.modules)",
        "    assert 'fastcheck.testing.plugin' in sys.modules",
        head="",
    )
    result = project.run(*arguments, "-p", "no:hypothesispytest", separately=True)
    assert result.ret == 0


def test_options_and_marker_are_described(project):
    text = project.run("--help").stdout.str()
    for option in ("--gradcheck-html=DIR", "--gradcheck-seed=N", "--gradcheck-time-budget=SECONDS"):
        assert option in text
    assert "@pytest.mark.gradcheck(**options): " in project.run("--markers").stdout.str()
    project.write("test_none.py")
    assert "gradcheck -- " in project.run("--fixtures").stdout.str()


def test_the_fixture_checks_in_all_four_ways(project):
    project.write(
        "test_net.py",
        "def layer(x): return x**2, x",
        "def right_layer(dout, x): return 2 * x * dout",
        "def wrong_layer(dout, x): return x * dout",
        "def forward(X, Y, p): return np.sum((p['w'] * X - Y) ** 2), p['w']",
        "def right_pass(X, Y, w): return {'w': 2 * X * (w * X - Y)}",
        "def wrong_pass(X, Y, w): return {'w': X * (w * X - Y)}",
        "class Line:",
        "    def __init__(self, factor): self.w, self.factor = np.array([1.0, 2.0]), factor",
        "    def loss(self): return np.sum(self.w**2), {'w': self.factor * self.w}",
        "def test_right(gradcheck):",
        f"    assert gradcheck({SQUARES}, w, 2 * w).passed",
        "    assert list(gradcheck.layer(layer, right_layer, w).blocks) == ['x']",
        "    assert gradcheck.backprop(forward, right_pass, {'w': w}, w + 1, w).passed",
        "    line = Line(2)",
        "    assert gradcheck.object(line, line.loss).passed",
        "def test_wrong(gradcheck):",
        f"    gradcheck({SQUARES}, w, w)",
        "def test_wrong_layer(gradcheck):",
        "    gradcheck.layer(layer, wrong_layer, w)",
        "def test_wrong_pass(gradcheck):",
        "    gradcheck.backprop(forward, wrong_pass, {'w': w}, w + 1, w)",
        "def test_wrong_object(gradcheck):",
        "    line = Line(1)",
        "    gradcheck.object(line, line.loss)",
    )
    result = project.run()
    result.assert_outcomes(passed=1, failed=4)
    assert "gradient checks: 4 right, 4 wrong" in result.outlines
    text = result.stdout.str()
    assert "fixture.py" not in text
    assert "asserting.py" not in text


def test_options_of_the_call_come_before_those_of_the_markers_and_of_the_command_line(project):
    project.write(
        "test_net.py",
        "pytestmark = pytest.mark.gradcheck(seed=2, coordinates=2)",
        "def test_module(gradcheck):",
        f"    assert {SEED_OF_CHECK} == 2",
        "@pytest.mark.gradcheck(seed=3)",
        "class TestClass:",
        "    def test_class(self, gradcheck):",
        f"        assert {SEED_OF_CHECK} == 3",
        "    @pytest.mark.gradcheck(seed=4)",
        "    def test_function(self, gradcheck):",
        f"        report = gradcheck({SQUARES}, w, 2 * w)",
        "        assert (report.seed, report.checked) == (4, 2)",
        f"        report = gradcheck({SQUARES}, w, 2 * w, seed=5, coordinates=1)",
        "        assert (report.seed, report.checked) == (5, 1)",
    )
    project.write("test_run.py", "def test_run(gradcheck):", f"    assert {SEED_OF_CHECK} == 1")
    project.run("--gradcheck-seed=1").assert_outcomes(passed=4)


def test_the_fixture_shows_its_options_in_a_traceback(project):
    project.write(
        "test_net.py", "@pytest.mark.gradcheck(tolerance=0.5)", "def test_net(gradcheck):", "    assert False"
    )
    project.run("--gradcheck-seed=1").stdout.fnmatch_lines(["gradcheck = gradcheck(seed=1, tolerance=0.5)"])


def test_options_of_the_command_line_are_for_the_fixture_alone(project):
    project.write("test_net.py", "def test_net():", f"    assert {RIGHT}.seed == 0")
    project.run("--gradcheck-seed=1").assert_outcomes(passed=1)


def test_the_time_of_a_run_holds_where_the_test_gives_no_bound(project):
    project.write(
        "test_net.py",
        "def plain(gradcheck, **options):",
        f"    return gradcheck({SQUARES}, w, 2 * w, method='plain', **options)",
        "def test_bounded(gradcheck):",
        "    report = plain(gradcheck, allow_inconclusive=True)",
        "    assert 'time budget' in report.stopped",
        "@pytest.mark.parametrize('bound', [{'coordinates': 2}, {'time_budget': 60}])",
        "def test_bounded_otherwise(gradcheck, bound):",
        "    assert plain(gradcheck, **bound).passed",
    )
    project.run("--gradcheck-time-budget=1e-9").assert_outcomes(passed=3)


@pytest.mark.parametrize(
    "option",
    [
        "--gradcheck-seed=-1",
        "--gradcheck-seed=x",
        "--gradcheck-time-budget=0",
        "--gradcheck-time-budget=long",
    ],
)
def test_values_that_are_none_are_refused(project, option):
    result = project.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*error: argument {option.split('=')[0]}: expected a *"])


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("tolerence=1e-3", "no check has an option 'tolerence'. Did you mean tolerance?"),
        ("qqq=1", "no check has an option 'qqq'. There are allow_inconclusive, alpha, *"),
        ("1e-3", "expected options by name, got (0.001,)."),
    ],
)
def test_options_of_a_marker_that_are_none_are_refused(project, marker, message):
    project.write("test_net.py", f"@pytest.mark.gradcheck({marker})", "def test_net(gradcheck):", "    pass")
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"@pytest.mark.gradcheck: {message.replace('[', '[[]')}"])


def test_options_of_a_marker_that_nothing_uses_are_warned_of(project):
    project.write(
        "test_net.py",
        "@pytest.mark.gradcheck(tolerance=1e-3)",
        "def test_net():",
        f"    {RIGHT}",
        "@pytest.mark.gradcheck",
        "def test_marked():",
        f"    {RIGHT}",
    )
    result = project.run("-Wdefault")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*its options are for the fixture gradcheck, which this test does not use*"])
    project.run("-Werror").assert_outcomes(passed=1, errors=1)


def test_marked_tests_and_those_that_use_the_fixture_are_selected(project):
    project.write(
        "test_net.py",
        "@pytest.fixture",
        "def checked(gradcheck):",
        f"    gradcheck({SQUARES}, w, 2 * w)",
        "def test_fixture(gradcheck): pass",
        "def test_through_another(checked): pass",
        "@pytest.mark.gradcheck",
        "def test_marked(): pass",
        "def test_other(): pass",
    )
    project.run("-m", "gradcheck").assert_outcomes(passed=3, deselected=1)
    project.run("-m", "not gradcheck").assert_outcomes(passed=1, deselected=3)


def test_without_the_plugin_assertions_remain(project):
    project.write(
        "test_net.py",
        "def test_net():",
        f"    {WRONG}",
        "def test_fixture(gradcheck): pass",
    )
    result = project.run("-p", "no:fastcheck")
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["E *fixture 'gradcheck' not found", "E *AssertionError: FAIL  *"])
    assert "gradient check" not in result.stdout.str()


def test_the_plugin_is_registered_once_whoever_names_it(project):
    project.write(
        "test_net.py",
        "def test_net(request):",
        "    plugins = request.config.pluginmanager.list_name_plugin()",
        "    named = [name for name, plugin in plugins if getattr(plugin, '__name__', '').startswith('fastcheck')]",
        "    assert named == ['fastcheck']",
        f"    {RIGHT}",
    )
    result = project.run("-p", "fastcheck")
    result.assert_outcomes(passed=1)
    assert "gradient checks: 1 right" in result.outlines
