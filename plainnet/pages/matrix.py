"""A square table of counts as a picture: what was taken for what."""

from __future__ import annotations

from collections.abc import Sequence

from plainnet.pages.parts import details, escaped, table

__all__ = ["matrix"]

SIDE, LEFT, TOP = 480.0, 44.0, 24.0
SHADES = 7
WRITTEN, NAMED = 20, 40
"""Up to so many classes, cells hold their counts, and rows and columns their names."""


def matrix(counts: Sequence[Sequence[float]], *, says: str, names: Sequence[str] = ()) -> str:
    """A cell a pair of classes, shaded by its share of the row; the counts as a table below."""
    size = len(counts)
    names = names or [str(number) for number in range(size)]
    step = SIDE / size
    cells = [
        _cell(
            count,
            sum(line),
            (LEFT + column * step, TOP + row * step, step),
            f"{names[row]} taken for {names[column]}",
            size,
        )
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
    ]
    places = [(number + 0.5) * step for number in range(size)] if size <= NAMED else []
    named = [
        f"<text class='end' x='{LEFT - 8}' y='{TOP + place + 4:.1f}'>{escaped(name)}</text>"
        f"<text class='mid' x='{LEFT + place:.1f}' y='16'>{escaped(name)}</text>"
        for place, name in zip(places, names, strict=False)
    ]
    right = sum(counts[number][number] for number in range(size))
    says = f"{says}: {right:g} of {sum(map(sum, counts)):g} on the diagonal"
    rows = [[names[row], *(f"{count:g}" for count in line)] for row, line in enumerate(counts)]
    numbers = details("The numbers", table(["class", *names], rows, left=1))
    return (
        f"<figure class='chart square'><div class='scroll' tabindex='0'>"
        f"<svg viewBox='0 0 {LEFT + SIDE:.0f} {TOP + SIDE:.0f}' role='img' aria-label='{escaped(says)}'>"
        f"{''.join(named)}{''.join(cells)}</svg></div>{numbers}</figure>"
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
