"""Configuration files: YAML with inheritance, references and overrides, checked by a pydantic model.

A file is read into a tree whose every value knows its place, so that each problem names file, line, column
and key, and
the effective configuration tells where each value came from. Nothing here knows what a configuration is
about.

    _base_: [quick, ../common.yaml]     # one or several: names of shipped files, or paths beside this file;
    later wins optim:
      _delete_: true                    # forget what the base said about `optim`
      type: AdamW
      lr: 1e-3
    run: runs/${optim.type}-${seed}     # references, inside text too; `$${` is a plain `${`
"""

from __future__ import annotations

from plainnet.configs.config import Config, Entry, read_config
from plainnet.configs.dump import dump_values
from plainnet.configs.merge import assign, merge, read_file
from plainnet.configs.problems import ConfigProblem, InvalidConfigError
from plainnet.configs.references import resolve
from plainnet.configs.tree import Node, Place, from_plain, read_text, to_plain

__all__ = [
    "Config",
    "ConfigProblem",
    "Entry",
    "InvalidConfigError",
    "Node",
    "Place",
    "assign",
    "dump_values",
    "from_plain",
    "merge",
    "read_config",
    "read_file",
    "read_text",
    "resolve",
    "to_plain",
]
