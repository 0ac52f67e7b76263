"""The page in a real browser, on a desktop and on a phone."""

import browser
import pytest

from benchmarks.reporting.report.charts import ChartPanel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium():
    program = browser.find_browser()
    if program is None:
        pytest.skip("there is no Chromium here (Debian: apt-get install --no-install-recommends chromium)")
    with browser.Browser(program) as one:
        yield one


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_the_page(demo_results, chromium, width, dark):
    chromium.open(demo_results / "report.html", width, dark=dark)
    assert chromium.external_requests() == []
    assert chromium.console_messages() == []
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    images = "[...document.images]"
    assert chromium.evaluate(f"{images}.length") >= 14
    assert chromium.evaluate(f"{images}.filter(i => !(i.complete && i.naturalWidth > 0)).length") == 0
    back = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)"), "the page's style is not applied"


def test_the_dots_of_a_table_have_one_axis_on_a_phone(demo_results, chromium):
    chromium.open(demo_results / "report.html", 390)
    strips = """[...document.querySelectorAll(".models")].map(table => [...table.querySelectorAll(".strip")].map(
        strip => [strip.getBoundingClientRect().left, strip.getBoundingClientRect().width]))"""
    tables = chromium.evaluate(strips)
    assert len(tables) == 2
    assert all(len(table) > 5 and len({*map(tuple, table)}) == 1 for table in tables)
    assert all(table[0][1] > 330 for table in tables), "as wide as the page"
    cut = "[...document.querySelectorAll('.models *')].filter(e => e.getBoundingClientRect().right > 390).length"
    assert chromium.evaluate(cut) == 0


def test_curves_can_be_read_on_a_phone(demo_results, chromium):
    """The charts are below each other, with text in its original size, and nothing overflows the page."""
    chromium.open(demo_results / "report.html", 390)
    chromium.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    charts = chromium.evaluate("[...document.querySelectorAll('.curve')].map(c => c.getBoundingClientRect()).map("
                               "c => [c.left, c.width])")  # fmt: skip
    assert len(charts) >= 4
    assert {left for left, _ in charts} == {charts[0][0]}
    assert all(width > 0.95 * ChartPanel.width for _, width in charts)
    beyond = "[...document.querySelectorAll('.curve *, .legend *')].filter(e => e.getBoundingClientRect().right > 391)"
    assert chromium.evaluate(f"{beyond}.length") == 0
    assert chromium.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [1280, 390])
def test_the_picture_of_densities_keeps_a_readable_width(density_results, chromium, width):
    """On a phone it scrolls inside its own frame, and so does the table; the page does not."""
    chromium.open(density_results / "report.html", width)
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    frame = "document.querySelector('.wide-figure')"
    assert chromium.evaluate(f"{frame}.querySelector('img').getBoundingClientRect().width") >= 736
    assert chromium.evaluate(f"{frame}.clientWidth") <= width
    assert chromium.evaluate(f"{frame}.scrollWidth > {frame}.clientWidth") == (width == 390)
    assert chromium.external_requests() == []
    assert chromium.console_messages() == []


def test_these_tests_would_notice_a_broken_page(tmp_path, chromium):
    """A request, a console message, a missing image and an overflow are seen if there are any."""
    path = tmp_path / "bad.html"
    path.write_text('<!doctype html><meta name="viewport" content="width=device-width"><img src="http://localhost:1/a.png">'
                    '<div style="width:900px">x</div><script>console.log(1)</script>', encoding="utf-8")  # fmt: skip
    chromium.open(path, 390)
    assert chromium.external_requests() == ["http://localhost:1/a.png"]
    assert chromium.console_messages()
    assert chromium.evaluate("document.documentElement.scrollWidth") > 390
    assert chromium.evaluate("[...document.images].filter(i => !(i.complete && i.naturalWidth > 0)).length") == 1
