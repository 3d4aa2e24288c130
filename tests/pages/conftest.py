"""What tests of all pages share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pages.page_facts import facts_of_pages


@pytest.fixture(scope="package")
def facts_about(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The facts of every page, by what it is about."""
    return facts_of_pages(tmp_path_factory.mktemp("facts"))
