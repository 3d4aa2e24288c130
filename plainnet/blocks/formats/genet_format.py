"""GENet strings: the names of TinyNAS's blocks with other shortcuts, and a bottleneck that is a ratio of the output.

    SuperResKXKX(128,192,3,2,1.0,2)SuperResK1KXK1(192,640,3,2,0.25,6)SuperResK1DWK1(640,640,3,2,3.0,5)

Every unit projects its shortcut by a strided 1x1 convolution without bias and batch norm where the shape changes: these
are ResNet's units, and so they are read. Source: Lin et al., Neural Architecture Design for GPU-Efficient Networks,
arXiv:2006.14090, idstcv/GPU-Efficient-Networks.
"""

from __future__ import annotations

import re

from plainnet.errors import Problem, StructureError

__all__ = ["GENET_NOTE", "from_genet", "is_genet"]

GENET_NOTE = "a bottleneck that is a ratio is GENet's way to write a block: its blocks are read as ResNet's units, which they are"

_SUPER = re.compile(  # possessive, but for optional groups, which Python 3.11.2 matches wrongly then
    r"(?P<name>SuperRes[A-Z0-9]++)\s*+\(\s*+(?P<label>[A-Za-z0-9_][\w.\-]*+\s*+\|)?"
    r"\s*+(?P<in>\d{1,9}+)\s*+,\s*+(?P<out>\d{1,9}+)\s*+,\s*+(?P<k>\d{1,4}+)\s*+,\s*+(?P<s>\d{1,4}+)\s*+,"
    r"\s*+(?P<ratio>\d{1,6}(?:\.\d{1,9})?)\s*+,\s*+(?P<L>\d{1,6}+)\s*+,?\s*+\)"
)
_TODAY = {"SuperResKXKX": "ResNetK{k}K{k}", "SuperResK1KXK1": "ResNetK1K{k}K1", "SuperResK1DWK1": "ResNetK1DW{k}K1"}
_KERNELS = ("3", "5", "7")


def is_genet(text: str) -> bool:
    """Whether a block of the text has a bottleneck with a decimal point."""
    return any("." in match["ratio"] for match in _SUPER.finditer(text))


def from_genet(text: str) -> str:
    """The network string of a GENet string; `StructureError` for a block that no block of ours is."""
    return _SUPER.sub(lambda match: _block(match, text), text)


def _block(match: re.Match[str], text: str) -> str:
    name, label = match["name"], (match["label"] or "").replace(" ", "")
    if "." not in match["ratio"]:
        _refuse(
            match, text, f"{name} has a bottleneck of {match['ratio']} where others have a ratio", "accepted: one form"
        )
    if name not in _TODAY:
        _refuse(match, text, f"GENet's {name} is not read", f"accepted: {', '.join(_TODAY)}")
    if match["k"] not in _KERNELS:
        _refuse(match, text, f"{name}: the kernel size is {match['k']}", f"accepted: {', '.join(_KERNELS)}")
    width = round(int(match["out"]) * float(match["ratio"]))  # half to even, as the authors' code rounds
    numbers = f"{label}{match['in']},{match['out']},{match['s']},{width},{match['L']}"
    return f"{_TODAY[name].format(k=match['k'])}({numbers})"


def _refuse(match: re.Match[str], text: str, message: str, hint: str) -> None:
    raise StructureError([Problem(message, match.start(), match.end(), (hint,))], text=text)
