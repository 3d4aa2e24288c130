"""Small pieces of pages: numbers as people read them, texts with a button that copies them, tables, cards, meters."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = [
    "Html",
    "address",
    "cards",
    "copyable",
    "details",
    "escaped",
    "exact",
    "finite",
    "in_percent",
    "in_seconds",
    "measured",
    "meter",
    "meter_cell",
    "rounded",
    "script_data",
    "section",
    "short_structure",
    "significant",
    "table",
    "warning",
]


_LEADING = "".join(map(chr, range(33)))
"""What a browser takes away in front of an address."""
MOST_DIGITS = 6
"""Behind the point of a share that is nearly nothing, or nearly all."""
ROOMY = 9
"""Letters of a figure that a card of the usual width has room for."""


class Html(str):
    """A text that is HTML already, and may stand in a page as it is."""


def escaped(value: object) -> str:
    """A text as HTML, between tags or as the value of an attribute in quotes; what no encoding can write is replaced."""
    return html.escape(str(value).encode("utf-8", "replace").decode())


def address(where: str) -> str:
    """Where a link leads, or what an image shows, as the value of an attribute: a place beside the page or
    on its server, or an image in the text itself. `ValueError` for anything else, which would run something, or ask others.
    """
    plain = re.sub(r"[\t\r\n]", "", where).lstrip(_LEADING)
    if re.match(r"[/\\]{2}|[^/\\?#]*:", plain) and not re.match(r"data:image/(png|jpeg);base64,", plain):
        raise ValueError(f"{where[:80]!r} is no place beside the page")
    return escaped(where)


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


def measured(value: float, error: float | None) -> str:
    """A value rounded one digit behind the first of its error: 66.01 where that is 0.2; six digits where it has none."""
    if not error or not math.isfinite(error) or not math.isfinite(value):
        return significant(value)
    after = 1 - math.floor(math.log10(abs(error)))
    return f"{round(value, after):,.{max(0, min(after, 10))}f}"


def in_seconds(seconds: float) -> str:
    """A time in the unit that a person would take: 4.2 s, 3.5 min, 12 min, 3.4 h."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.1f} min" if seconds < 600 else f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"


def in_percent(share: float, *, digits: int = 1, sign: bool = False) -> str:
    """A share with so many digits behind the point, and with more where it would be called nothing or all and is not: 99.99%."""
    plus = "+" if sign else ""
    if abs(share) in (0, 1):
        return f"{share:{plus}.0%}"
    enough = (each for each in range(digits, MOST_DIGITS) if abs(round(share, each + 2)) not in (0, 1))
    if abs(share) < 10.0 ** -(MOST_DIGITS + 2):
        return f"{100 * share:{plus}.1g}%"
    return f"{share:{plus}.{next(enough, MOST_DIGITS)}%}"


def copyable(text: str) -> Html:
    """A text, breakable between the blocks of a structure and between options, and a button that copies it."""
    broken = re.sub(r"(?<= )--?[\w-]+", r"<span class='nobreak'>\g<0></span>", escaped(text).replace(")", ")<wbr>"))
    return Html(
        f'<div class="copy"><code tabindex="0">{broken}</code><button data-copy="{escaped(text)}">Copy</button></div>'
    )


def short_structure(name: str, structure: str) -> Html:
    """A structure as its hash, with a button that copies the whole of it."""
    text = escaped(structure)
    return Html(f"<code title='{text}'>{escaped(name)}</code><button data-copy='{text}'>Copy</button>")


def meter(name: str, share: float, text: str, *, percent: bool = True) -> Html:
    """A bar that is filled up to a share, with its name before and a text behind it."""
    said = f"{text} ({in_percent(share)})" if percent else text
    width = min(100.0, max(0.0, 100 * share))
    bar = f'<svg class="bar" aria-hidden="true"><rect width="{width:.1f}%" height="100%"/></svg>'
    return Html(f'<div class="meter"><span>{escaped(name)}</span>{bar}<em>{escaped(said)}</em></div>')


def meter_cell(text: str, share: float, *, is_most: bool = False) -> Html:
    """A figure in a table over a bar that is filled up to its share; the largest one stands out."""
    bar = f'<svg class="bar" aria-hidden="true"><rect width="{min(100.0, max(0.0, 100 * share)):.1f}%" height="100%"/></svg>'
    return Html(
        f"{'<b>' if is_most else ''}{escaped(text)}{'</b>' if is_most else ''} <small>{in_percent(share)}</small>{bar}"
    )


def cards(figures: Iterable[tuple[str, str]]) -> Html:
    """A row of figures, each with what it is; the first one stands out."""
    each = (
        f'<div class="card{" long" if len(value) > ROOMY else ""}"><b>{escaped(value)}</b><span>{escaped(name)}</span></div>'
        for value, name in figures
    )
    return Html(f'<div class="cards">{"".join(each)}</div>')


def table(
    head: Sequence[object], rows: Iterable[Sequence[object]], *, left: int = 0, kind: str = "", stacks: bool = False
) -> Html:
    """A table; what is not `Html` is escaped. `left`: so many first columns are texts, the others are numbers. `stacks`: on a
    phone the cells of a row stand below each other, each beside the head of its column; other tables are scrolled there.
    """
    heads = [f" data-of='{escaped(each)}'" for each in head] if stacks else []

    def line(tag: str, cells: Sequence[object], heads: Sequence[str] = ()) -> str:
        shown = (cell if isinstance(cell, Html) else escaped(cell) for cell in cells)
        return "".join(
            f"<{tag}{' class=l' if number < left else ''}{heads[number] if heads else ''}>"
            f"{f'<span class=cell>{cell}</span>' if heads else cell}</{tag}>"
            for number, cell in enumerate(shown)
        )

    body = "".join(f"<tr>{line('td', row, heads)}</tr>" for row in rows)
    kind = " ".join(filter(None, (kind, "stacks" if stacks else "")))
    of_kind = f" class='{kind}'" if kind else ""
    top = f"<thead><tr>{line('th', head)}</tr></thead>" if head else ""
    return Html(f"<div class='scroll' tabindex='0'><table{of_kind}>{top}<tbody>{body}</tbody></table></div>")


def section(title: str, *parts: str, note: str = "", kind: str = "") -> Html:
    """A part of a page under its title. `parts` are HTML; `note` says how to read it."""
    said = f'<p class="note">{note if isinstance(note, Html) else escaped(note)}</p>' if note else ""
    of_kind = f' class="{kind}"' if kind else ""
    return Html(f"<section{of_kind}><h2>{escaped(title)}</h2>{said}{''.join(parts)}</section>")


def warning(text: str, *, loud: bool = False) -> Html:
    """A sentence that must not be overlooked; `loud` in red."""
    return Html(f'<p class="warn{" unmet" if loud else ""}">{text if isinstance(text, Html) else escaped(text)}</p>')


def details(summary: str, content: str) -> Html:
    """Something long, folded under a line. `content` is HTML."""
    return Html(f"<details><summary>{escaped(summary)}</summary>{content}</details>")
