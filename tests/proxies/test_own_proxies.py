"""Proxies of the user's own: from a file, from an installed package, and what is wrong with some."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from torch import nn

import plainnet
from plainnet.errors import RegistrationError, UsageError
from plainnet.proxies import catalogue
from plainnet.proxies import contract as base
from plainnet.proxies.catalogue import find_proxy, known_proxies, load_proxies
from plainnet.proxies.contract import Proxy
from plainnet.proxies.score import score
from plainnet.proxies.shipped import SHIPPED

NET = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)"


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten afterwards."""
    for name in SHIPPED:
        find_proxy(name)
    monkeypatch.setattr(base, "_registered", dict(base._registered))


MARKED = '''
from plainnet import proxy

@proxy(cost="1 forward", higher_is_better=False)
def spread(module, images, *, power=1.0):
    """The spread of the outputs."""
    return float(module(images).detach().std() ** power)

def helper():
    return 1
'''
UNMARKED = '''
def longest(structure):
    """The length of the string."""
    return len(structure.text)

def _helper():
    return 1
'''


def test_a_proxy_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "marked.py").write_text(MARKED)
    (tmp_path / "unmarked.py").write_text(UNMARKED)
    assert [made.name for made in load_proxies(tmp_path / "marked.py")] == ["spread"]
    assert [made.name for made in load_proxies(tmp_path / "marked.py")] == ["spread"]
    assert [made.name for made in load_proxies(tmp_path / "unmarked.py")] == ["longest"]
    made = find_proxy("spread")
    assert (made.needs, made.options(), made.is_exact) == (("module", "images"), ("power",), False)
    assert made.summary == "The spread of the outputs."
    once, twice = (score(NET, "spread", resolution=8, repeats=2, power=power) for power in (1.0, 2.0))
    assert twice.values == pytest.approx([value**2 for value in once.values])
    assert not once.higher_is_better
    assert score(NET, "longest", resolution=8).values == (len(NET),)
    assert "spread" in known_proxies()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("x = 1", UsageError, "holds no proxy"),
        ("def f(modul):\n    return 1.0", RegistrationError, "did you mean module"),
        ("def f(*args):\n    return 1.0", RegistrationError, "parameters have names"),
        ("def naswot(module):\n    return 1.0", RegistrationError, "naswot is taken"),
        ("1 / 0", UsageError, "cannot be imported: ZeroDivisionError"),
    ],
)
def test_files_that_hold_no_proxy(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(error, match=message):
        load_proxies(tmp_path / "mine.py")


def test_a_users_proxy_that_fails_is_a_usage_error() -> None:
    def broken(module: nn.Module) -> float:
        raise KeyError(type(module).__name__)

    with pytest.raises(UsageError, match=r"broken cannot be worked out on .*: KeyError"):
        score(NET, Proxy("broken", broken), resolution=8)


def plugin(structure: plainnet.Structure) -> float:
    """A plug-in."""
    return float(len(structure.blocks))


def test_an_installed_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    good = EntryPoint("block_count", f"{__name__}:plugin", catalogue.GROUP)
    bad = EntryPoint("missing", "no_such_module_here:function", catalogue.GROUP)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])

    def entry_points(*, group: str, name: str | None = None) -> list[EntryPoint]:
        return [entry for entry in (good, bad) if group == catalogue.GROUP and name in (None, entry.name)]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    assert "block_count" in known_proxies()
    assert score(NET, "block_count", resolution=8).values == (2.0,)
    with pytest.raises(RegistrationError, match=r"missing .* cannot be imported"):
        find_proxy("missing")
