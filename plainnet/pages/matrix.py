"""A square table of counts as a picture: what was taken for what."""

from __future__ import annotations

from collections.abc import Sequence

from plainnet.pages.parts import details, escaped, table

__all__ = ["matrix"]

SIDE = 480.0
LETTER = 9.0
"""Room for a letter of a name."""
LONGEST = 16
"""Letters of a name at most; the whole of it is in the table, and in what a cell says."""
SHADES = 7
WRITTEN, NAMED = 20, 40
"""Up to so many classes, cells hold their counts, and rows and columns their names."""


def matrix(counts: Sequence[Sequence[float]], *, says: str, names: Sequence[str] = ()) -> str:
    """A cell a pair of classes, shaded by its share of the row; the counts as a table below."""
    size = len(counts)
    names = names or [str(number) for number in range(size)]
    step = SIDE / size
    shown = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names] if size <= NAMED else []
    longest = LETTER * max(map(len, shown), default=0)
    left, upright = 18.0 + longest, longest > step
    top = 14.0 + (longest if upright else 12.0)
    cells = [
        _cell(count, sum(line), (left + column * step, top + row * step, step), f"{names[row]} taken for {names[column]}", size)
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
    ]  # fmt: skip
    named = [_names(name, (number + 0.5) * step, (left, top), upright=upright) for number, name in enumerate(shown)]
    right = sum(counts[number][number] for number in range(size))
    says = f"{says}: {right:g} of {sum(map(sum, counts)):g} on the diagonal"
    rows = [[names[row], *(f"{count:g}" for count in line)] for row, line in enumerate(counts)]
    numbers = details("The numbers", table(["class", *names], rows, left=1))
    return (
        f"<figure class='chart square'><div class='scroll' tabindex='0'>"
        f"<svg viewBox='0 0 {left + SIDE:.0f} {top + SIDE:.0f}' role='img' aria-label='{escaped(says)}'>"
        f"{''.join(named)}{''.join(cells)}</svg></div>{numbers}</figure>"
    )


def _names(name: str, place: float, corner: tuple[float, float], *, upright: bool) -> str:
    """A class before its row and above its column, there upright where it is wider than that."""
    left, top = corner
    x, y = left + place, top - 8
    above = (
        f"x='{x + 4:.1f}' y='{y:.1f}' transform='rotate(-90 {x + 4:.1f} {y:.1f})'"
        if upright
        else f"x='{x:.1f}' y='{y:.1f}'"
    )
    kind = "" if upright else " class='mid'"
    return (
        f"<text class='end' x='{left - 8:.1f}' y='{top + place + 4:.1f}'>{escaped(name)}</text>"
        f"<text{kind} {above}>{escaped(name)}</text>"
    )


def _cell(count: float, whole: float, place: tuple[float, float, float], said: str, size: int) -> str:
    x, y, step = place
    # a share that is there at all is seen
    shade = min(SHADES - 1, 1 + int(count / whole * SHADES)) if count else 0
    box = f"x='{x:.1f}' y='{y:.1f}' width='{step - 1:.1f}' height='{step - 1:.1f}'"
    drawn = f"<rect class='cell s{shade}' {box} data-said='{escaped(f'{said}: {count:g} of {whole:g}')}'/>"
    if size > WRITTEN or not count:
        return drawn
    return f"{drawn}<text class='mid in i{shade}' x='{x + step / 2:.1f}' y='{y + step / 2 + 4:.1f}'>{count:g}</text>"
