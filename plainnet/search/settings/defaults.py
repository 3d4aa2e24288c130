"""What a search is when a person says little: the ladder that goes with an objective."""

from __future__ import annotations

from plainnet.search.settings.rungs import Rung

__all__ = ["default_ladder"]


def default_ladder(*objectives: str) -> tuple[Rung, ...]:
    """The rungs behind objectives: for `zen` alone the whole closed form and Monte-Carlo; none for others, and none for
    several, whose result is a front.
    """
    if len(objectives) == 1 and objectives[0].removeprefix("max:") == "zen":
        return (Rung("zen", 1_000, 1, 1), Rung("zen_mc", 3, 2, 2))
    return ()
