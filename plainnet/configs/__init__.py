"""Configuration files: YAML, or assignments in Python that are read and not run; with inheritance, references and overrides,
checked by a pydantic model.

A file is read into a tree whose every value knows its place, so that each problem names file, line, column
and key, and
the effective configuration tells where each value came from. Nothing here knows what a configuration is
about.

    _base_: [quick, ../common.yaml]     # one or several: names of shipped files, or paths beside this file
    optim:
      _delete_: true                    # forget what the bases said about `optim`
      type: AdamW
      lr: ${data.batch_size} / 64000    # references, and arithmetic with them
    hooks:
      +: {type: StepTimer}              # add to the list of the bases
    run: runs/${optim.type}-${seed}     # references inside text too; `$${` is a plain `${`

Several bases are laid over each other in their order, each with what it says itself: what they inherit lies below
all of them, so that a later base resets nothing that it does not mention.
"""

from __future__ import annotations

from plainnet.configs.bases import read_file
from plainnet.configs.config import Config, Entry, read_config
from plainnet.configs.dump import dump_values
from plainnet.configs.problems import ConfigProblem, InvalidConfigError
from plainnet.configs.python_dump import dump_python
from plainnet.configs.python_text import assigns_any, read_python
from plainnet.configs.references import resolve
from plainnet.configs.tree import Node, Place, from_plain, read_text, to_plain

__all__ = [
    "Config",
    "ConfigProblem",
    "Entry",
    "InvalidConfigError",
    "Node",
    "Place",
    "assigns_any",
    "dump_python",
    "dump_values",
    "from_plain",
    "read_config",
    "read_file",
    "read_python",
    "read_text",
    "resolve",
    "to_plain",
]
