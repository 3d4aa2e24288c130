"""Whatever texts stand in what a page is told, they are shown as texts: every page, every field."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from plainnet.pages.folder_list import index_page, problem_page
from plainnet.pages.found_pages import pages_about
from plainnet.pages.page import SUBJECTS
from plainnet.pages.parts import address
from tests.pages.page_facts import EVIL

KEPT = {"state", "compute", "memory", "higher", "lower", "search", "sweep", "training", "network", "head"}
"""Words that pages decide by; what else a text says decides nothing."""


def spoiled(value: Any, known: frozenset[str], text: str = EVIL) -> Any:
    """The same facts with the text in place of every other one but `known`: names that a page looks up."""
    if isinstance(value, dict):
        return {key: spoiled(each, known, text) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [spoiled(each, known, text) for each in value]
    return value if not isinstance(value, str) or value in KEPT | known else text


def keys(value: Any) -> frozenset[str]:
    """The names that are looked up somewhere in the facts."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return frozenset(value if isinstance(value, dict) else ()).union(*map(keys, inner))


HARMLESS = {("wbr", ""), ("span", "class"), ("text", "transform")}
"""A place where a line may break, the state of a run that is not finished, and a label that stands upright."""


class Elements(HTMLParser):
    """The elements of a page, each with the names of its attributes, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {(tag, name) for name, _ in attrs} | {(tag, "")}

    def handle_data(self, data: str) -> None:
        self.text += data


def elements(page: str) -> Elements:
    parser = Elements()
    parser.feed(page)
    return parser


SERVED: dict[str, Callable[[Any], str]] = {
    "list": lambda facts: index_page(facts["title"], facts["entries"], note=facts["title"]),
    "problem": lambda facts: problem_page(facts["title"], facts["text"]),
}
"""What a server shows beside the pages that are found."""
RENDERED = [(about, page.made) for about in SUBJECTS for page in pages_about(about)] + list(SERVED.items())


@pytest.mark.parametrize(("about", "render"), RENDERED)
def test_texts_stay_texts(facts_about: dict[str, Any], about: str, render: Callable[[Any], str]) -> None:
    facts = facts_about[about]
    sound, page = render(facts), render(spoiled(facts, keys(facts)))
    honest, found = elements(sound), elements(page)
    assert "hacked()" in found.text, "the text is shown"
    assert found.found <= honest.found | HARMLESS, found.found - honest.found
    assert not any(attribute.startswith("on") for _, attribute in found.found)
    assert page.count("<script") == sound.count("<script")
    assert page.count("<script>") == 1


ELSEWHERE = [
    "javascript:hacked()", " javascript:hacked()", "java\tscript:hacked()", "\x01javascript:hacked()", "JavaScript:hacked()",
    "https://else.where/x", "//else.where", "/\\else.where", "\\\\else.where", "/\n/else.where", "data:text/html,<script>",
    "data:image/svg+xml;base64,AAAA", "vbscript:x", "file:///etc/passwd",
]  # fmt: skip
BESIDE = [
    "a/report.html",
    "a%3Ab/report.html",
    "/at?run=a:b",
    "#network-1",
    "report.html?x=//y",
    "data:image/png;base64,AAAA",
    "",
]


@pytest.mark.parametrize("where", ELSEWHERE)
def test_no_link_or_image_leads_anywhere_else(where: str, facts_about: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no place beside the page"):
        address(where)
    store, training = facts_about["store"], facts_about["training"]
    moved = {**store, "networks": [{**each, "page": where} for each in store["networks"]]}
    shown = [{**each, "picture": where} for each in training["images"]["worst"]]
    for about, facts in (
        ("store", moved),
        ("training", {**training, "images": {**training["images"], "worst": shown}}),
    ):
        with pytest.raises(ValueError, match="no place beside the page"):
            pages_about(about)[0].made(facts)


@pytest.mark.parametrize("where", BESIDE)
def test_links_beside_the_page_are_kept(where: str) -> None:
    assert address(where) == where
