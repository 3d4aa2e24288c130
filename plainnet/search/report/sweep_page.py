"""The page about a sweep: the front, and the structure of each point of it."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from plainnet.errors import MissingExtraError, UsageError
from plainnet.search.sweep import Outcome

__all__ = ["write_sweep"]

COUNTS = ("params", "macs", "layers", "activations")


def write_sweep(outcomes: Sequence[Outcome], path: Path) -> Path:
    """Write the page; its path."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise MissingExtraError("plotly", "report") from None
    results = [(outcome, outcome.result) for outcome in outcomes if outcome.result is not None]
    if not results:
        raise UsageError("no budget of the sweep gave a network")
    best = [result["best"] for _, result in results]
    name = next((each for each in ("zen_mc", "zen") if each in best[0]), "") or next(
        key for key in best[0] if key not in ("structure", "hash", *COUNTS)
    )
    cost = results[0][0].budget if results[0][0].budget in COUNTS else "macs"
    points = [
        [each[cost], each[name], each["structure"], each["macs" if cost != "macs" else "params"]] for each in best
    ]
    rows = "".join(
        f"<tr><td>{outcome.limit:,.0f}</td><td>{each[name]:.3f}</td>"
        + "".join(f"<td>{each[count]:,}</td>" for count in COUNTS)
        + f"<td class='l'><code>{each['hash']}</code> "
        f"<button data-copy='{html.escape(each['structure'])}'>Copy</button></td></tr>"
        for (outcome, _), each in zip(results, best, strict=True)
    )
    template = (files("plainnet.search.report") / "sweep.html").read_text(encoding="utf-8")
    style = (files("plainnet.search.report") / "template.html").read_text(encoding="utf-8")
    style = style[style.index("<style>") : style.index("</style>") + 8]
    seconds = sum(result["seconds"] for _, result in results)
    parts = {
        "style": style,
        "title": f"{len(results)} budgets of {cost}",
        "about": f"{sum(result['candidates'] for _, result in results):,} candidates in {seconds:,.0f} s of searching",
        "head": f"<th>{results[0][0].budget} limit</th><th>{name}</th>"
        + "".join(f"<th>{each}</th>" for each in COUNTS),
        "rows": rows,
        "data": json.dumps({"points": points, "x": cost, "y": name}).replace("</", "<\\/"),
        "plotly": get_plotlyjs().replace("</script", "<\\/script"),
    }
    for key, text in parts.items():
        template = template.replace(f"{{{{{key}}}}}", text)
    try:
        path.write_text(template, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return path
