"""A program by itself, of the standard library alone: regular expressions are compiled and matched in this process, which whoever
started it ends where that takes too long (`plainnet.files.expressions`).

It reads {"expressions": [[TEXT, FORM], ...], "texts": [...]}, and writes a line of JSON with the number of each expression before
it is worked on; at the end {"found": {TEXT: [NUMBER, NAME]}}, or {"wrong": NUMBER, "why": ...}.
"""

from __future__ import annotations

import json
import re
import sys


def main() -> None:
    asked = json.load(sys.stdin)
    compiled: list[re.Pattern[str]] = []
    for number, (text, form) in enumerate(asked["expressions"]):
        print(number, flush=True)
        try:
            compiled.append(re.compile(text))
            re.compile(f"{text}\n|").fullmatch("").expand(form)  # type: ignore[union-attr]
        except (re.error, IndexError, OverflowError, RecursionError) as error:
            why = str(error) if not isinstance(error, RecursionError) else "it is nested too deeply"
            print(json.dumps({"wrong": number, "why": why}))
            return
    found: dict[str, tuple[int, str]] = {}
    for number, expression in enumerate(compiled):
        print(number, flush=True)
        for text in asked["texts"]:
            if text not in found and (match := expression.fullmatch(text)) is not None:
                found[text] = (number, match.expand(asked["expressions"][number][1]))
    print(json.dumps({"found": found}))


if __name__ == "__main__":
    main()
