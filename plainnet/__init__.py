"""Convolutional networks written as strings: read, count, score, search, export and train them.

Names are imported when they are first used, so that `import plainnet` stays cheap and torch stays out of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from plainnet.errors import PlainnetError, RegistrationError, StructureError, UsageError

if TYPE_CHECKING:
    from plainnet.blocks.base import PlainNetBasicBlockClass
    from plainnet.blocks.limits import Limits
    from plainnet.blocks.structure import Structure, parse
    from plainnet.blocks.variants import Variant
    from plainnet.modules import build_block
    from plainnet.net import PlainNet
    from plainnet.profiler.analyze import analyze_model
    from plainnet.profiler.proxies import Score, proxy
    from plainnet.profiler.score import score, score_all

__version__ = "0.1.0"

_HOME = {
    "Limits": "plainnet.blocks.limits",
    "PlainNet": "plainnet.net",
    "PlainNetBasicBlockClass": "plainnet.blocks",
    "Score": "plainnet.profiler.proxies",
    "Structure": "plainnet.blocks",
    "Variant": "plainnet.blocks.variants",
    "analyze_model": "plainnet.profiler.analyze",
    "build_block": "plainnet.modules",
    "parse": "plainnet.blocks",
    "proxy": "plainnet.profiler.proxies",
    "score": "plainnet.profiler.score",
    "score_all": "plainnet.profiler.score",
}
"""Public name -> the module that holds it."""

__all__ = [
    "Limits",
    "PlainNet",
    "PlainNetBasicBlockClass",
    "PlainnetError",
    "RegistrationError",
    "Score",
    "Structure",
    "StructureError",
    "UsageError",
    "Variant",
    "__version__",
    "analyze_model",
    "build_block",
    "parse",
    "proxy",
    "score",
    "score_all",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'plainnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
