"""Fixtures of the tests of networks as modules."""

from __future__ import annotations

import pytest

from plainnet.network.counting import counted_run


@pytest.fixture(params=[False, True], ids=["meta", "cpu"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both ways of running a module: without data, and on the CPU."""
    if request.param:
        monkeypatch.setattr(counted_run, "blank_module", lambda module: None)  # noqa: ARG005
    return bool(request.param)
