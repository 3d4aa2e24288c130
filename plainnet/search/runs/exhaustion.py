"""When a search has nothing left to find, or nothing that it could find."""

from __future__ import annotations

from plainnet.search.candidates.faults import FAILED
from plainnet.search.store import RunStore

__all__ = ["HOPELESS", "QUIET", "hopeless", "is_exhausted", "nothing_found", "quiet_candidates", "said_of_exhaustion"]

QUIET = 20_000
"""Candidates in whole epochs without anything new after which a search ends: its islands walk further and further from what
they know meanwhile.
"""
HOPELESS = 100
"""Failures without a single score after which a search gives up."""
NO_REASONS = ("candidates", "evaluated", "duplicates", "repaired", "failed", "rejected")
"""Counts that do not say why a candidate was rejected."""


def quiet_candidates(store: RunStore) -> int:
    """How many candidates the last epochs proposed without anything new, since the run began or was forked."""
    kinds = [kind for _, kind, _, _ in store.events() if kind in ("epoch", "fork")]
    since = kinds[::-1].index("fork") if "fork" in kinds else len(kinds)
    quiet = 0
    for counts in reversed(store.epoch_counts()[-since:] if since else []):
        if counts["evaluated"]:
            break
        quiet += counts["candidates"]
    return quiet


def is_exhausted(store: RunStore) -> bool:
    """Whether a run has ended because there was nothing new for long."""
    return quiet_candidates(store) >= QUIET


def said_of_exhaustion(store: RunStore) -> str:
    """What is said of a run that has ended so."""
    totals = store.totals()
    return (
        f"stopped after {totals['candidates']:,} of {store.config.candidates:,} candidates: the last "
        f"{quiet_candidates(store):,} held nothing new; all that this search can find is known "
        f"({totals['evaluated'] + totals['failed']:,} structures)"
    )


def hopeless(store: RunStore) -> str | None:
    """What is said of a run in which everything failed; None for any other."""
    totals = store.totals()
    if totals["evaluated"] or totals["failed"] < HOPELESS:
        return None
    return nothing_found(store)


def nothing_found(store: RunStore) -> str:
    """What is said of a run whose candidates have no score, none of them."""
    totals = store.totals()
    if totals["failed"]:
        kinds = ", ".join(
            f"{name.removeprefix(FAILED)} {count:,}" for name, count in totals.items() if name.startswith(FAILED)
        )
        first = next((text for _, kind, _, text in store.events() if kind == "failed"), "")
        return f"no candidate has a score: {totals['failed']:,} of {totals['candidates']:,} failed ({kinds})\nthe first {first}"
    reasons = sorted(
        ((count, name) for name, count in totals.items() if name not in NO_REASONS and count), reverse=True
    )
    why = ", ".join(f"{count:,} {name}" for count, name in reasons)
    return (
        f"no candidate within the budgets was evaluated ({why}); allow more candidates or repairs, or a larger budget"
    )
