"""Every page in a browser: on screens of any size, light and dark, nothing goes wrong, and nothing is in the way of anybody.

What is in the way of people is asked of axe-core (`make axe` fetches it).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plainnet.pages.folder_list import index_page, problem_page
from plainnet.pages.found_pages import pages_about
from plainnet.pages.page import SUBJECTS
from tests.pages.test_hostile_facts import keys, spoiled
from tests.search.browser import BROWSER, Page, browser_page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS, SCHEMES = (400, 1280, 1920), ("light", "dark")
LARGEST = 1_500_000
"""Bytes of a page at most."""
SEVERE = """axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations
    .filter(each => ["serious", "critical"].includes(each.impact))
    .map(each => each.id + ": " + each.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(" | ")))"""

CLASHES = """[...document.querySelectorAll("svg[role=img]")].flatMap(svg => {
    const texts = [...svg.querySelectorAll("text")].filter(each => each.textContent.trim())
        .map(each => [each.textContent, each.getBoundingClientRect()]).filter(([, box]) => box.width);
    const frame = svg.getBoundingClientRect(), found = [];
    texts.forEach(([text, box], n) => {
        if (Math.min(box.left - frame.left, box.top - frame.top, frame.right - box.right, frame.bottom - box.bottom) < -2)
            found.push(`${text} is cut off`);
        for (const [other, its] of texts.slice(n + 1))
            if (Math.min(box.right, its.right) - Math.max(box.left, its.left) > 1
                && Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top) > 3)
                found.push(`${text} lies on ${other}`);
    });
    return found.map(each => `${svg.getAttribute("aria-label")}: ${each}`);
}).concat([...document.querySelectorAll(".card b, .card span, .meter span, .meter em, button")]
    .filter(each => each.scrollWidth > each.clientWidth + 1 && each.clientWidth).map(each => `${each.textContent} is cut off`))"""
"""Texts of drawings that lie on one another or outside of their drawing, and texts that do not fit their boxes. Lines of text may
touch: a box has room above and below the letters."""

pytestmark = [
    pytest.mark.tail,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
]


def written(folder: Path, facts: dict[str, Any]) -> dict[str, Path]:
    """A file for each page that there is."""
    texts = {
        f"{about} {page.name}".strip(): page.made(facts[about]) for about in SUBJECTS for page in pages_about(about)
    }
    texts["list"] = index_page(facts["list"]["title"], facts["list"]["entries"])
    texts["problem"] = problem_page("Not found", "there is no folder x here")
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    return {name: folder / f"{name}.html" for name in texts}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, facts_about: dict[str, Any]) -> dict[str, Path]:
    return written(tmp_path_factory.mktemp("pages"), facts_about)


@pytest.fixture(scope="module")
def browser(pages: dict[str, Path]) -> Iterator[Page]:
    """One browser for all pages."""
    with browser_page(pages["problem"]) as page:
        if AXE.is_file():
            page.call("Page.addScriptToEvaluateOnNewDocument", source=AXE.read_text())
        yield page


NAMES = [f"{about} {page.name}".strip() for about in SUBJECTS for page in pages_about(about)] + ["list", "problem"]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_every_screen_and_complains_of_nothing(browser: Page, pages: dict[str, Path], name: str) -> None:
    assert pages[name].stat().st_size < LARGEST
    browser.problems.clear()
    browser.go(pages[name])
    for width, scheme in shown(browser):
        browser.until("document.documentElement.scrollWidth <= window.innerWidth")
        assert browser.run("window.innerWidth") == width
        dark = browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(15, 23, 37)"
        assert dark == (scheme == "dark")
        assert browser.run(CLASHES) == [], width
    assert (
        browser.run("performance.getEntriesByType('resource').filter(each => !each.name.startsWith('data:')).length")
        == 0
    )
    assert browser.problems == []


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core; `make axe` fetches it with npm")
@pytest.mark.parametrize("name", NAMES)
def test_nothing_on_a_page_is_in_the_way_of_anybody(browser: Page, pages: dict[str, Path], name: str) -> None:
    browser.go(pages[name])
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    for width, scheme in shown(browser):
        assert browser.run(SEVERE) == [], (width, scheme)


LONG = "n" * 200


@pytest.mark.parametrize("about", SUBJECTS)
def test_long_words_make_no_page_wider_than_its_screen(
    browser: Page, tmp_path: Path, facts_about: dict[str, Any], about: str
) -> None:
    """Whatever is called by 200 letters without a space."""
    facts = spoiled(facts_about[about], keys(facts_about[about]), LONG)
    for page in pages_about(about):
        (tmp_path / "long.html").write_text(page.made(facts))
        browser.go(tmp_path / "long.html")
        for width in (400, 1280):
            browser.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
            )
            browser.until(f"window.innerWidth === {width}")
            assert browser.run(WIDE) == [], width


WIDE = """[...document.querySelectorAll("main *, header *")].filter(each => each.getBoundingClientRect().right > innerWidth + 1
    && !each.closest(".scroll, pre, .copy code, svg") && each.getBoundingClientRect().width)
    .map(each => `${each.tagName}.${each.className}: ${each.textContent.slice(0, 40)}`).slice(0, 5)"""
PAPER = 718
"""Pixels between the margins of a sheet of A4 that a browser prints on."""
CUT = """[...document.querySelectorAll("pre, code, td, th, h1, p")].filter(each => getComputedStyle(each).display !== "inline"
    && (each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 2) && each.clientWidth)
    .map(each => each.textContent.slice(0, 80))"""
"""Texts that are scrolled on a screen, which nobody can do on paper."""


@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_on_paper(browser: Page, pages: dict[str, Path], name: str) -> None:
    """Nothing is wider than the sheet, nothing is cut, and it is printed dark on white from a dark screen, too."""
    browser.go(pages[name])
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.call("Emulation.setEmulatedMedia", media="print", features=dark)
    browser.call("Emulation.setDeviceMetricsOverride", width=PAPER, height=900, deviceScaleFactor=1, mobile=False)
    try:
        browser.until(f"window.innerWidth === {PAPER}")
        assert browser.run("document.documentElement.scrollWidth") <= PAPER
        assert browser.run(CUT) == []
        colours = browser.run("['backgroundColor', 'color'].map(each => getComputedStyle(document.body)[each])")
        assert colours == ["rgb(255, 255, 255)", "rgb(19, 41, 75)"]
    finally:
        browser.call("Emulation.setEmulatedMedia", media="", features=[])


def shown(browser: Page) -> Iterator[tuple[int, str]]:
    """The page on each screen."""
    for width, scheme in itertools.product(WIDTHS, SCHEMES):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width == 400
        )
        browser.until(f"window.innerWidth === {width}")
        yield width, scheme
