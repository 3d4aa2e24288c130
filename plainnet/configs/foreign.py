"""The syntax of other tools in a configuration, and what stands here in its place."""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "PLAIN_TAGS",
    "STANDARD_TAGS",
    "key_hints",
    "reference_hints",
    "reserved_hints",
    "short_tag",
    "tag_hints",
    "text_problem",
]

YAML_ORG = "tag:yaml.org,2002:"
STANDARD_TAGS = {
    f"{YAML_ORG}{name}"
    for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "binary", "merge", "value")
}
"""The tags of YAML's own values; any other asks for something to be run or included."""

PLAIN_TAGS = {f"{YAML_ORG}{name}" for name in ("timestamp", "binary", "merge", "value")}
"""Values that stay the text that they are written as."""

ENVIRONMENT = re.compile(r"\$[A-Za-z_]\w*(?:/|$)")
TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
RESERVED = {
    "_target_": "write type: an import path",
    "_partial_": "leave it out: what needs more arguments gets them from the engine",
    "_scope_": "write the whole import path as type",
    "_base": "write _base_",
    "_BASE_": "write _base_",
    "__base__": "write _base_",
    "_delete": "write _delete_: true",
}
"""Words of Hydra, mmengine and detectron2 -> what is meant here."""


def short_tag(tag: str) -> str:
    """A tag as it is written: `!!set`, `!include`."""
    return f"!!{tag.removeprefix(YAML_ORG)}" if tag.startswith(YAML_ORG) else tag


def tag_hints(tag: str) -> tuple[str, ...]:
    """What to write in place of a tag."""
    if "include" in tag:
        return ("to take another file in, write _base_: other.yaml",)
    if "env" in tag.lower():
        return ("environment variables are not read; give the value on the command line: key=$NAME",)
    return ("a configuration holds plain values; what is built is named by type",)


def key_hints(node: Any) -> tuple[str, ...]:
    """What to write in place of a key that is no word."""
    if node.id == "mapping":
        return ("{{...}} is another tool's; to refer to a key write ${key}, in quotes where it begins a value",)
    return ("to inherit, write _base_",)


def text_problem(text: str) -> tuple[str, tuple[str, ...]] | None:
    """What is foreign in a text, and what to write in its place: `{{_base_.x}}`, `{% if %}`, `$HOME/images`."""
    found = TEMPLATE.search(text)
    if found:
        return f"{found.group(0)[:60]} is another tool's", ("to refer to a key write ${key}",)
    if ENVIRONMENT.match(text):
        return f"{text.partition('/')[0]} means nothing here", tag_hints("env")
    return None


def reserved_hints(key: str) -> tuple[str, ...] | None:
    """What is meant by a word in underscores (the merge has taken out those that it knows), or None for an ordinary key."""
    if key in RESERVED:
        return (RESERVED[key],)
    return () if re.fullmatch(r"_[a-z]+_", key) else None


def reference_hints(name: str) -> tuple[str, ...]:
    """What to write in place of a resolver of OmegaConf, such as `${oc.env:HOME}` or `${now:%Y}`."""
    if name.startswith("_base_."):
        return (f"write ${{{name.removeprefix('_base_.')}}}: it is what stands there in the end",)
    if ":" not in name:
        return ()
    if "env" in name.partition(":")[0]:
        return tag_hints("env")
    return ("a reference is the dotted name of a key; it runs nothing",)
