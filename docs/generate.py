"""Write the generated parts of the documents: the text between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).parent


def blocks_table() -> str:
    from plainnet.blocks.reference import block_rows
    from plainnet.cli.tables import markdown_table

    rows = [[f"`{name}`", f"`{arguments}`", text] for name, arguments, text in block_rows()]
    return markdown_table(["block", "arguments", "what it is"], rows, left=3)


def proxies_table() -> str:
    """Every shipped proxy with its cost and its stored correlation."""
    from plainnet.cli.tables import markdown_table
    from plainnet.profiler.proxies.catalogue import SHIPPED, find_proxy
    from plainnet.profiler.trust import shipped_record

    costs = json.loads((DOCS / "proxies" / "costs.json").read_text(encoding="utf-8"))
    rows = []
    for name in SHIPPED:
        made, milliseconds = find_proxy(name), costs["milliseconds"][name]
        record = shipped_record("NAS-Bench-Macro", name) or shipped_record(
            "NAS-Bench-Macro (the half not fitted)", name
        )
        found = "not measured"
        if record is not None:
            value, low, high = record["agreement"]["spearman"]
            found = f"{value:.2f} ({low:.2f} to {high:.2f}), {record['networks']:,}"
        cost = f"{milliseconds:,.0f} ms" if milliseconds >= 10 else "under 2 ms"
        summary = made.summary.replace("|", "\\|")
        rows.append([f"`{name}`", summary, ", ".join(made.needs), made.cost, cost, found])
    header = ["proxy", "what it is", "needs", "passes", "time", "Spearman, networks"]
    settings = f"resolution {costs['resolution']}, batch {costs['batch']}, {costs['cpu']}, torch {costs['torch']}"
    return f"{markdown_table(header, rows, left=4)}\n\nTimes: `{costs['network']}`, {settings}."


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "blocks": ("language.md", blocks_table),
    "proxies": ("proxies.md", proxies_table),
}
"""Name of a part -> (the document, what makes it)."""


def generated(name: str) -> tuple[str, str]:
    """(the document as it is, the document as it should be) for one part."""
    file, make = PARTS[name]
    text = (DOCS / file).read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
    assert pattern.search(text), f"{file} has no part {name}"
    return text, pattern.sub(lambda match: f"{match.group(1)}{make()}\n{match.group(2)}", text)


def main() -> int:
    """Write what is out of date; with --check only say so, with exit code 1."""
    check = "--check" in sys.argv[1:]
    stale = 0
    for name, (file, _) in PARTS.items():
        before, after = generated(name)
        if before != after:
            stale += 1
            print(f"{file}: {name} {'is out of date, run `make docs`' if check else 'written'}")
            if not check:
                (DOCS / file).write_text(after, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
