"""A browser for the tests of the page, and reports of every kind that it shows."""

import numpy as np
import pytest

from fastcheck import check, check_backprop, course
from tests.chromium import FLAGS, HOW_TO_INSTALL, chromium
from tests.report.page.odd_names import ODD_NAMES


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, closed behind these tests: others count the threads, and playwright has one."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    path = chromium()
    if path is None:
        pytest.skip(HOW_TO_INSTALL)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Return a function that opens a file, and fails if the page says anything, or runs what it should not."""
    contexts, said = [], []

    def open_file(path, *, width=1280, **options):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, offline=True, reduced_motion="reduce", **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: said.append(request.url) if _is_remote(request.url) else None)
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert said == []


def _is_remote(url):
    return not url.startswith(("file:", "data:"))


@pytest.fixture(scope="session")
def course_report():
    """The network of the course, with its two planted mistakes."""
    X, Y, parameters = course.gradient_check_n_test_case()
    forward, backward = course.forward_propagation_n, course.backward_propagation_n_buggy
    return check_backprop(forward, backward, parameters, X, Y, progress=False)


@pytest.fixture(scope="session")
def right_report():
    X, Y, parameters = course.gradient_check_n_test_case()
    forward, backward = course.forward_propagation_n, course.backward_propagation_n
    return check_backprop(forward, backward, parameters, X, Y, progress=False)


@pytest.fixture(scope="session")
def odd_report():
    """Blocks of every name that may harm a page, each second one wrong."""
    parameters = {name: np.arange(1.0, 4.0) for name in ODD_NAMES}
    claim = {name: (2 + k % 2) * array for k, (name, array) in enumerate(parameters.items())}
    return check(lambda p: sum(np.sum(p[name] ** 2) for name in p), parameters, claim, progress=False)


@pytest.fixture(scope="session")
def undecided_report():
    w = np.array([1.0, -3.0, 2.0])
    return check(lambda w: np.sum(w**2) + 1e12, w, 2 * w, method="plain", progress=False)


@pytest.fixture(scope="session")
def sampled_report():
    w = np.linspace(1, 2, 5000).reshape(50, 100)
    return check(lambda w: np.sum(w**2), w, 2 * w, coordinates=300, progress=False)
