"""Small pieces of pages: numbers as people read them, texts with a button that copies them, meters."""

from __future__ import annotations

import html
import json
import math
from typing import Any

__all__ = ["copyable", "escaped", "exact", "finite", "meter", "rounded", "script_data", "significant"]


def escaped(value: object) -> str:
    """A text as HTML, between tags or as the value of an attribute in quotes; what no encoding can write is replaced."""
    return html.escape(str(value).encode("utf-8", "replace").decode())


def script_data(value: Any) -> str:
    """A value as JSON inside a script: no text in it can end the script, and a number that is not finite is null."""
    text = json.dumps(finite(value), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def finite(value: Any) -> Any:
    """Plain data with null for every number that is not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, (list, tuple)) else value


def rounded(value: float) -> str:
    """A count with its unit: 1.04 M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.3g} {unit}"
    return significant(value, 4)


def exact(value: float) -> str:
    """A cost or its limit: 962,932; 22.204."""
    if not math.isfinite(value):
        return f"{value:g}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3f}"


def significant(value: float, digits: int = 6) -> str:
    """A number with so many digits at most, and no exponent where a person would write none: 193.71, 1,190, 0.000023."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    if abs(value) >= 1e12 or abs(value) < 1e-6:
        return f"{value:.{digits}g}"
    after = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(after, 10)}f}"
    return text.rstrip("0").rstrip(".") if after and value == int(value) else text


def copyable(text: str) -> str:
    """A text, breakable between the blocks of a structure, and a button that copies it."""
    broken = escaped(text).replace(")", ")<wbr>")
    return f'<div class="copy"><code>{broken}</code><button data-copy="{escaped(text)}">Copy</button></div>'


def meter(name: str, share: float, text: str, *, percent: bool = True) -> str:
    """A bar that is filled up to a share, with its name before and a text behind it."""
    said = f"{text} ({share:.1%})" if percent else text
    width = min(100.0, 100 * share)
    bar = f'<i><u style="width:{width:.1f}%"></u></i>'
    return f'<div class="meter"><span>{escaped(name)}</span>{bar}<em>{escaped(said)}</em></div>'
