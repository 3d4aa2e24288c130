"""Convolutional networks written as strings: read, count, score, search, export and train them.

Names are imported when they are first used, so that `import plainnet` stays cheap and torch stays out of it.
"""

from __future__ import annotations

import os
import signal
import sys

# while the command line is being imported, Ctrl-C ends it at once and silently; then a command can say more
if (
    os.path.basename(sys.argv[0] if sys.argv else "").removesuffix(".exe") in ("plainnet", "analyze_model", "-m")
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from importlib import import_module
from typing import TYPE_CHECKING, Any

from plainnet import moved, names
from plainnet.errors import PlainnetError, RegistrationError, StructureError, UsageError

if TYPE_CHECKING:
    from plainnet.blocks.base import PlainNetBasicBlockClass
    from plainnet.blocks.rows.limits import Limits
    from plainnet.blocks.rows.variants import Variant
    from plainnet.blocks.structure import Structure, parse
    from plainnet.naming import Subject, resolve
    from plainnet.naming.composing import compose
    from plainnet.naming.entries import analyze_model, score, score_all
    from plainnet.naming.evaluating import evaluate
    from plainnet.naming.exporting import export_network
    from plainnet.naming.loading import load, load_weights
    from plainnet.naming.training import train
    from plainnet.network.module_tree import build_block
    from plainnet.network.plain_net import PlainNet
    from plainnet.platforms.networks import from_platform, to_platform
    from plainnet.proxies import Score, proxy
    from plainnet.templates.darts import darts
    from plainnet.templates.nas_bench_101 import nas_bench_101
    from plainnet.templates.nas_bench_201 import nas_bench_201

__version__ = "0.1.0"

_HOME = {
    "Limits": "plainnet.blocks.rows.limits",
    "PlainNet": "plainnet.network.plain_net",
    "PlainNetBasicBlockClass": "plainnet.blocks",
    "Score": "plainnet.proxies",
    "Structure": "plainnet.blocks",
    "Variant": "plainnet.blocks.rows.variants",
    "Subject": "plainnet.naming",
    "analyze_model": "plainnet.naming.entries",
    "evaluate": "plainnet.naming.evaluating",
    "export_network": "plainnet.naming.exporting",
    "from_platform": "plainnet.platforms.networks",
    "to_platform": "plainnet.platforms.networks",
    "compose": "plainnet.naming.composing",
    "load": "plainnet.naming.loading",
    "load_weights": "plainnet.naming.loading",
    "train": "plainnet.naming.training",
    "darts": "plainnet.templates.darts",
    "nas_bench_101": "plainnet.templates.nas_bench_101",
    "nas_bench_201": "plainnet.templates.nas_bench_201",
    "build_block": "plainnet.network.module_tree",
    "parse": "plainnet.blocks",
    "proxy": "plainnet.proxies",
    "resolve": "plainnet.naming",
    "score": "plainnet.naming.entries",
    "score_all": "plainnet.naming.entries",
}
"""Public name -> the module that holds it."""

_ROOMS = (
    "blocks",
    "engine",
    "export",
    "naming",
    "network",
    "platforms",
    "profiler",
    "proxies",
    "search",
    "store",
    "templates",
    "testing",
    "validation",
)
"""Packages that are there after `import plainnet`, imported when they are first used."""

moved.install()
names.hand_in(lambda network, **reading: import_module("plainnet.naming.resolver").resolve(network, **reading))

__all__ = [
    "Limits",
    "PlainNet",
    "PlainNetBasicBlockClass",
    "PlainnetError",
    "RegistrationError",
    "Score",
    "Structure",
    "StructureError",
    "Subject",
    "UsageError",
    "Variant",
    "__version__",
    "analyze_model",
    "build_block",
    "compose",
    "darts",
    "evaluate",
    "export_network",
    "from_platform",
    "load",
    "load_weights",
    "nas_bench_101",
    "nas_bench_201",
    "parse",
    "proxy",
    "resolve",
    "score",
    "score_all",
    "to_platform",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return import_module(f"plainnet.{name}")
    raise AttributeError(f"module 'plainnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
