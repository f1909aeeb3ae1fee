import numpy as np
import pytest
from slow import first_of

from fastcheck import Report, check_stages

BLOCKS = "#block-table"


@pytest.fixture(scope="module")
def course_page(course_report, tmp_path_factory):
    return course_report.save_html(tmp_path_factory.mktemp("page") / "course.html")


@pytest.fixture(scope="module")
def odd_page(odd_report, tmp_path_factory):
    return odd_report.save_html(tmp_path_factory.mktemp("page") / "odd.html")


def column(page, number, table=BLOCKS):
    cells = page.locator(f"{table} tbody tr:visible > :nth-child({number})")
    return cells.all_inner_texts()


def test_tables_sort_by_mouse(open_page, course_page):
    page = open_page(course_page)
    names = column(page, 1)
    heading = page.locator(f"{BLOCKS} th", has_text="difference")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    sizes = [float(text) for text in column(page, 4)]
    assert sizes == sorted(sizes, reverse=True)
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [float(text) for text in column(page, 4)] == sorted(sizes)
    page.locator(f"{BLOCKS} th", has_text="block").get_by_role("button").click()
    assert column(page, 1) == sorted(names, key=str.lower)
    assert page.locator(f"{BLOCKS} th[aria-sort]").count() == 1


@pytest.mark.slow
def test_tables_sort_by_keyboard(open_page, course_page):
    page = open_page(course_page)
    button = page.locator(f"{BLOCKS} th", has_text="wrong").get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    assert column(page, 6)[:2] == ["4", "4"]
    page.keyboard.press("Space")
    assert column(page, 6)[-2:] == ["4", "4"]


def test_tables_filter_by_words_and_by_what_is_wrong(open_page, course_page):
    page = open_page(course_page)
    page.get_by_role("searchbox").first.fill("W")
    assert column(page, 1) == ["W1", "W2", "W3"]
    assert page.get_by_role("status").first.inner_text() == "3 of 6 blocks shown"
    page.get_by_role("checkbox").first.check()
    assert column(page, 1) == ["W2"]
    page.get_by_role("searchbox").first.fill("")
    assert column(page, 1) == ["b1", "W2"]


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("kind", first_of(["odd", "course"]))
def test_nothing_hangs_over_the_side(open_page, course_page, odd_page, kind, width):
    page = open_page(course_page if kind == "course" else odd_page, width=width)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_names_run_no_script(open_page, odd_page):
    page = open_page(odd_page)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.locator(f"{BLOCKS} th", has_text="block").get_by_role("button").click()
    page.get_by_role("searchbox").first.fill("<script>")
    assert column(page, 1) == ["<script>alert(1)</script>"]
    assert page.locator("script").count() == 1


def test_dark_mode_is_dark(open_page, course_page):
    grounds = {}
    for scheme in ("light", "dark"):
        page = open_page(course_page, color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        grounds[scheme] = sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    assert grounds["light"] > 600 > 150 > grounds["dark"]


CONTRASTS = """() => {
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = (c) => { const s = c / 255; return s <= .04045 ? s / 12.92 : ((s + .055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => .2126 * light(r) + .7152 * light(g) + .0722 * light(b);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(one).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("main *, header *, footer *")) {
    const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!words || element.closest("svg") || !element.checkVisibility()) continue;
    const pair = [parse(getComputedStyle(element).color), ground(element)].map(luminance).sort((a, b) => b - a);
    const contrast = (pair[0] + .05) / (pair[1] + .05);
    if (contrast < 4.5) poor.push(`${element.className} ${element.textContent.slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", first_of(["dark", "light"]))
def test_words_stand_out_from_their_ground(open_page, course_page, undecided_report, tmp_path, scheme):
    for path in (course_page, undecided_report.save_html(tmp_path / "undecided.html")):
        assert open_page(path, color_scheme=scheme).evaluate(CONTRASTS) == []


@pytest.mark.slow
def test_print_unfolds_everything(open_page, course_page):
    page = open_page(course_page)
    folded = page.locator("details:not([open])")
    before = folded.count()
    assert before > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folded.count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert folded.count() == before


def test_without_scripts_everything_is_there(open_page, course_page):
    page = open_page(course_page, java_script_enabled=False)
    assert page.locator(f"{BLOCKS} tbody tr").count() == 6
    assert page.locator(".controls").first.is_hidden()
    panel = page.locator("details.panel", has_text="W3")
    assert panel.locator("figure").first.is_hidden()
    panel.locator("summary").click()
    assert panel.locator("figure").first.is_visible()


@pytest.mark.slow
def test_landmarks_and_headings_are_there_for_screen_readers(open_page, course_page):
    page = open_page(course_page)
    for role in ("main", "navigation", "banner", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role
    page.get_by_role("navigation").get_by_role("link", name="Tables").click()
    assert page.locator("section:target").get_attribute("id") == "tables"
    assert page.get_by_role("region", name="All numbers").count() == 1
    assert page.get_by_role("table", name="Blocks").count() == 1
    assert page.get_by_role("img", name="Heat map of W2").count() == 1


@pytest.mark.slow
def test_the_first_key_leads_past_the_menu(open_page, course_page):
    page = open_page(course_page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    page.keyboard.press("Enter")
    assert page.locator("section:target").get_attribute("id") == "verdict"


def test_the_first_wrong_place_is_marked_in_the_network(open_page, course_page):
    page = open_page(course_page)
    marked = page.locator(".step.first-wrong")
    assert marked.count() == 1
    assert "W2" in marked.inner_text()
    assert page.locator(".step").count() == 8


@pytest.mark.slow
def test_pages_of_stages_and_kept_reports_open(open_page, course_report, tmp_path):
    kept = Report.from_dict(course_report.to_dict())
    page = open_page(kept.save_html(tmp_path / "kept.html"))
    assert page.get_by_role("heading", level=1).count() == 1
    w = np.ones(2)
    stages = check_stages(
        lambda: None, lambda: course_report if w[0] else None, (0, 1), stop_at_failure=False
    )
    page = open_page(stages.save_html(tmp_path / "stages.html"), width=400)
    assert page.locator("#stage-2-verdict").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    first = page.locator("#stage-1-block-table")
    first.locator("th", has_text="difference").get_by_role("button").click()
    assert first.locator("th[aria-sort]").count() == 1
    assert page.locator("#stage-2-block-table th[aria-sort]").count() == 0
