"""What may be asked of an analysis beside its counts: scores, latencies at several points, a check by other counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.figures import figure_in_words
from plainnet.pages.parts import Html, details, escaped, exact, measured, section, significant, table, warning

__all__ = ["cross_check", "latency_points", "scores"]


def scores(facts: Mapping[str, Any]) -> list[Html]:
    """The scores of the untrained network, each with its interval, and what it is worth."""
    rows, trust = list[list[str]](), list[str]()
    for name in ("zen", "composite"):
        if not (found := facts.get(name)):
            continue
        value, interval = found.get("mean", found.get("score")), found.get("ci95")
        half = (interval[1] - interval[0]) / 2 if interval else None
        shown = "–" if value is None else measured(value, half)
        rows.append([name, shown, _interval(interval) if interval else "exact" if value is not None else "–"])
        if found.get("closed_form") is not None:
            rows.append([f"{name}, closed form", significant(found["closed_form"]), "exact"])
        trust += [f"<p>{escaped(name)}: {escaped(each)}</p>" for each in found.get("trust") or ()]
    if not rows:
        return []
    worth = [details("What they are worth", "".join(trust))] if trust else []
    return [section("Scores", table(["score", "value", "95 % interval"], rows, left=1), *worth)]


def _interval(ends: Sequence[float]) -> str:
    low, high = ends
    return f"{measured(low, (high - low) / 2)} – {measured(high, (high - low) / 2)}"


def latency_points(points: Sequence[Mapping[str, Any]] | None) -> list[Html]:
    """Images a second over the batch, a line for each number of threads, and every point with its interval."""
    if not points:
        return []
    known = [each for each in points if each["median_ms"] is not None]
    threads = list(dict.fromkeys(each["threads"] for each in known))
    lines = [
        Series(
            f"{count} thread{'s' * (count != 1)}",
            [(each["batch"], each["images_per_second"]) for each in known if each["threads"] == count],
            tone=("accent", "best", "out")[number % 3],
        )
        for number, count in enumerate(threads)
    ]
    drawn = []
    if len({each["batch"] for each in known}) > 1:
        most = max(known, key=lambda each: float(each["images_per_second"]))
        says = f"{significant(most['images_per_second'], 3)} images a second at most, at a batch of {most['batch']}"
        up = Axis("images a second", low=0)
        drawn = [chart(lines, Axis("batch", log=True), up, says=f"{says}, {most['threads']} threads")]
    said = [
        warning(f"batch {each['batch']}, threads {each['threads']}: {each['error']}")
        for each in points
        if each["error"]
    ]
    head = ["threads", "batch", "median (ms)", "95 % interval", "90 in 100", "99 in 100", "images a second"]
    return [section("Latency by batch and threads", *drawn, table(head, map(_point, points)), *said)]


def _point(each: Mapping[str, Any]) -> list[str]:
    start = [str(each["threads"]), str(each["batch"])]
    if each["median_ms"] is None:
        return [*start, *"–––––"]
    low, high = each["ci95_ms"]
    half = (high - low) / 2
    slower = (measured(each[name], half) for name in ("p90_ms", "p99_ms"))
    return [
        *start,
        measured(each["median_ms"], half),
        _interval(each["ci95_ms"]),
        *slower,
        significant(each["images_per_second"], 3),
    ]


def cross_check(verify: Mapping[str, Any] | None) -> list[Html]:
    """Every quantity as each counter counts it, beside the closed form."""
    if not verify:
        return []
    rows = [
        [
            figure_in_words(each["quantity"]),
            each["counter"],
            exact(verify["closed_form"][each["quantity"]]),
            exact(each["counted"]),
            _verdict(each),
        ]
        for each in verify["comparisons"]
    ]
    unasked = [warning(f"{name} was not asked: {why}") for name, why in verify["unavailable"].items()]
    head = ["quantity", "counter", "closed form", "counted", "verdict"]
    return [section("Cross-check", table(head, rows, left=2), *unasked, note=_CHECKED)]


_CHECKED = "Explained: the counter counts by another convention, which makes the whole difference."


def _verdict(each: Mapping[str, Any]) -> Html:
    if each["residual"]:
        return Html(f"<span class='bad'>unexplained {escaped(exact(each['residual']))}</span>")
    return Html("explained" if each["differences"] or each["factor"] != 1 else "<span class='good'>agrees</span>")
