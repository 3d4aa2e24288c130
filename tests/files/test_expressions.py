"""Regular expressions from elsewhere: what they match, and that none of them takes longer than it may."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainnet.engine.parameters import matching
from plainnet.errors import UsageError
from plainnet.files import expressions as room
from plainnet.files.expressions import Expression, whole_matches
from plainnet.network.plain_net import PlainNet
from plainnet.store.matching import read_rules

ENDLESS = ["(a+)+b", "(a|a)*b", "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)b"]
NAMES = ["a" * 60, "trunk.0.weight"]


@pytest.mark.parametrize("text", ENDLESS)
def test_an_expression_without_an_end_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SECONDS", 2.0)
    before = time.monotonic()
    with pytest.raises(
        UsageError, match=r"^line 2: it takes more than 2 s; accepted: an expression that matches in one"
    ):
        whole_matches([Expression(r"trunk\.(.*)", r"\1", "line 1"), Expression(text, "x", "line 2")], NAMES)
    assert time.monotonic() - before < 8


@pytest.mark.parametrize(
    ("text", "form", "why"),
    [
        ("(", "x", "missing )"),
        ("a", r"\2", "invalid group reference 2"),
        ("(a)", r"\g<b>", "unknown group name"),
        ("(" * 5000 + ")" * 5000, "x", "nested too deeply"),
        ("a{99999999999}", "x", "the repetition number is too large"),
        ("a\\", "x", "bad escape"),
    ],
)
def test_what_is_no_expression_is_said(text: str, form: str, why: str) -> None:
    with pytest.raises(UsageError, match=rf"^here: .*{re.escape(why)}"):
        whole_matches([Expression("ok", "ok", "first"), Expression(text, form, "here")], NAMES)


SOUND = [r"a(.*)", r"(.*)\.b", r"[ab]+(c?)", r"(?x) (a) . # any", r"(?i)A(B)?"]
TEXTS = st.text("abc.", max_size=6)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(SOUND), max_size=4), st.lists(TEXTS))
def test_matches_are_those_of_re(texts: list[str], names: list[str]) -> None:
    found = whole_matches([Expression(text, r"<\1>", "here") for text in texts], names)
    for name in names:
        matches = [(number, re.fullmatch(text, name)) for number, text in enumerate(texts)]
        first = next(((number, match.expand(r"<\1>")) for number, match in matches if match is not None), None)
        assert found.get(name) == first


def test_everyone_who_takes_an_expression_says_which_has_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SECONDS", 2.0)
    rules = tmp_path / "rules"
    rules.write_text("# theirs\ntrunk\\.(.*) -> \\1\n(a+)+b -> x\n")
    with pytest.raises(UsageError, match=r"rules, line 3: '\(a\+\)\+b -> x': it takes more than 2 s"):
        read_rules(str(rules), NAMES)
    net = PlainNet("SuperConvK3BNRELU(3,4,1,1)", num_classes=0)
    with pytest.raises(UsageError, match=r"^the pattern re:\(\.\|\.\|\.\)\+=: it takes more than 2 s"):
        matching(net, "re:(.|.|.)+=")
