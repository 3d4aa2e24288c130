"""Every module can be imported with the oldest and the newest versions of what it stands on (`make test-ends`): what it takes
from them by name is there.
"""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import plainnet

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(plainnet.__path__, "plainnet.")
    if not module.name.endswith(".__main__") and not module.name.startswith("plainnet.export.templates.")
)


@pytest.mark.parametrize("room", sorted({name.split(".")[1] for name in MODULES}))
def test_modules_find_what_they_take_by_name(room: str) -> None:
    for name in MODULES:
        if name.split(".")[1] != room:
            continue
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if str(error.name).startswith("plainnet"):
                raise  # else it belongs to an extra that is not installed
