"""The page about a training run: how it went, what it reached, what was changed on the way."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.drawing import DRAWN, draw_blocks
from plainnet.pages.matrix import matrix
from plainnet.pages.page import Page
from plainnet.pages.parts import (
    Html,
    address,
    cards,
    copyable,
    details,
    escaped,
    exact,
    in_percent,
    in_seconds,
    meter,
    rounded,
    section,
    significant,
    table,
    warning,
)
from plainnet.pages.shell import page
from plainnet.pages.training_curves import KNOWN, curves_chart, metric_in_words, spans_widely

__all__ = ["PAGE", "training_page"]

PARTS = {"train": ("training", "accent"), "val": ("validation", "best")}
SHOWN = 6
"""Curves in one chart at most."""


def training_page(facts: Mapping[str, Any]) -> str:
    """The page that tells these facts: of `plainnet runs show --json`, with `curves`, `changes`, `blocks` and `configuration`."""
    curves = facts["curves"]
    drawing = f'<div class="scroll" tabindex="0">{draw_blocks(facts["blocks"])}</div>' if facts["blocks"] else ""
    network = copyable(facts["structure"]) if facts["structure"] else ""
    main = [
        _cards(facts),
        *([section("The network", drawing, network, note=DRAWN if drawing else "")] if drawing or network else []),
        *_metrics(facts),
        *_times(curves),
        *_steps(curves["steps"]),
        *(
            section(
                metric_in_words(name),
                matrix(
                    value,
                    says=f"{metric_in_words(name)} of the last validation",
                    names=facts["classes"] if len(facts["classes"]) == len(value) else (),
                ),
                note=_CONFUSED,
            )
            for name, value in curves["tables"].items()
            if _is_square(value)
        ),
        *_images(facts["images"]),
        *_changes(facts["changes"]),
        section(
            "How to use it",
            *(copyable(command) for command in facts["commands"]),
            details("The whole configuration", f"<pre tabindex='0'>{escaped(facts['configuration'])}</pre>"),
        ),
    ]
    return page(f"{facts['title']} · training", _header(facts), main)


_CONFUSED = "Rows are what an image is, columns what it was taken for; on the diagonal both agree."


_PARTS = "Of the last validation, or the last round where there was none."
_TIMED = (
    "Of the whole run: what an update took in the mean, times the updates; the rest is validation, saving and starting."
)


def _header(facts: Mapping[str, Any]) -> str:
    state = "" if facts["state"] == "finished" else f'<span class="state">{escaped(facts["state"])}</span>'
    lead = f"{escaped(facts['model'])} on <b>{escaped(facts['data'])}</b>, {escaped(facts['task'])}"
    sub = " · ".join(facts["asked"])
    problem = warning(facts["problem"], loud=True) if facts["problem"] else ""
    return (
        f"<h1>{escaped(facts['title'])}{state}</h1><p class='lead'>{lead}</p><p class='sub'>{escaped(sub)}</p>{problem}"
    )


def _cards(facts: Mapping[str, Any]) -> Html:
    best, of = facts["best"], facts["of"]
    found = [(significant(best["value"], 4), f"best {_inside(best['name'])}, in round {best['round']}")] if best else []
    rounds = [(f"{facts['rounds']:,}", f"of {of:,} epochs" if of else "rounds")] if facts["rounds"] is not None else []
    params = [(rounded(facts["parameters"]), "params")] if facts["parameters"] else []
    seconds = facts["curves"]["seconds"]
    return cards(
        [
            *found,
            *params,
            *rounds,
            (rounded(facts["curves"]["updates"]), "updates"),
            (in_seconds(seconds), "of training"),
        ]
    )


def _inside(name: str) -> str:
    """A metric's name within a sentence."""
    words = metric_in_words(name)
    return words if words[:2].isupper() or words.startswith("IoU") else f"{words[0].lower()}{words[1:]}"


def _note(name: str, facts: Mapping[str, Any]) -> str:
    best = facts["best"]
    if not best or best["name"] != name:
        return ""
    return f"This one decides which weights are kept: {significant(best['value'], 4)} in round {best['round']}."


def _metrics(facts: Mapping[str, Any]) -> list[Html]:
    """A chart a metric; of metrics with many parts, such as classes, the parts after the last round."""
    rounds = facts["curves"]["rounds"]
    kinds: dict[str, list[str]] = {}
    for name in rounds:
        kinds.setdefault(name.split("/", 1)[0], []).append(name)
    found = []
    for kind, names in kinds.items():
        few = names if len(names) <= SHOWN else [name for name in names if name.endswith("/mean")] or names[:1]
        found += [section(metric_in_words(name), _rounds(name, rounds[name]), note=_note(name, facts)) for name in few]
        if few is not names:
            found.append(section(f"{metric_in_words(kind)}, part by part", _parts(names, rounds), note=_PARTS))
    return found


def _parts(names: Sequence[str], rounds: Mapping[str, Mapping[str, Any]]) -> Html:
    """What each part of a metric came to in the last validation; a bar where it is a share."""
    meters = []
    for name in names:
        curve = rounds[name].get("val") or rounds[name].get("train") or []
        value = curve[-1][1] if curve else None
        said = "–" if value is None else significant(value, 4)
        meters.append(meter(name.split("/", 1)[1], value or 0.0, said, percent=False))
    return Html(f'<div class="meters">{"".join(meters)}</div>')


def _rounds(name: str, parts: Mapping[str, Sequence[tuple[float, float | None]]]) -> str:
    series = [
        Series(PARTS[part][0], parts[part], tone=PARTS[part][1], said=_said(PARTS[part][0], name, parts[part]))
        for part in PARTS
        if part in parts
    ]
    last = {part: curve[-1][1] for part, curve in parts.items() if curve}
    ends = ", ".join(f"{PARTS[part][0]} {significant(value, 4)}" for part, value in last.items() if value is not None)
    wide = name == "loss" and spans_widely([value for curve in parts.values() for _, value in curve])
    return chart(
        series,
        Axis("updates", low=0),
        Axis(metric_in_words(name), log=wide),
        says=f"{metric_in_words(name)} ends at {ends or 'nothing'}",
    )


def _said(part: str, name: str, curve: Sequence[tuple[float, float | None]]) -> list[str]:
    if len(curve) > 100:
        return []
    return [
        f"{part} {name} {'not finite' if value is None else f'{value:.6g}'}\nafter {at:,.0f} updates"
        for at, value in curve
    ]


def _steps(steps: Mapping[str, Sequence[tuple[float, float | None]]]) -> list[Html]:
    """The rates, and what hooks report of updates, by their first word: time, gradient, watch."""
    rates = [name for name in steps if name == "lr" or name.startswith("lr/")]
    found = (
        [section("Learning rate", curves_chart([(name, steps[name]) for name in rates], "Learning rate"))]
        if rates
        else []
    )
    kinds: dict[str, list[str]] = {}
    for name in steps:
        if "/" in name and name not in rates:
            kinds.setdefault(name.split("/", 1)[0], []).append(name)
    titles = {
        "time": ("Time of an update", "ms"),
        "gradient": ("Gradients", "norm"),
        "watch": ("Tensors", "root mean square"),
    }
    for kind, names in kinds.items():
        title, label = titles.get(kind, (kind.capitalize(), kind))
        curves = [(KNOWN.get(name) or _plain(name), steps[name]) for name in names[:SHOWN]]
        more = f"The first {SHOWN} of {len(names)}." if len(names) > SHOWN else ""
        found.append(section(title, curves_chart(curves, label, is_log=True), note=more))
    return found


def _plain(name: str) -> str:
    """What a hook reports, without its kind and its unit, which the axis has."""
    return name.split("/", 1)[1].removesuffix("_ms").replace("_", " ")


def _times(curves: Mapping[str, Any]) -> list[Html]:
    """What the time of the whole run went into, where a `StepTimer` took it: means of an update, times the updates."""
    means = {}
    for name, curve in curves["steps"].items():
        known = [value for _, value in curve if value is not None]
        if name.startswith("time/") and name.endswith("_ms") and known:
            means[name.removeprefix("time/").removesuffix("_ms")] = sum(known) / len(known) / 1e3 * curves["updates"]
    whole, update = curves["seconds"], means.pop("update", None)
    if update is None or not whole:
        return []
    waited = means.pop("wait", 0.0)
    parts = [("updates", update), *((f"of them: {name}", seconds) for name, seconds in means.items())]
    parts += [("waiting for data", waited), ("validation and all else", max(0.0, whole - update - waited))]
    meters = "".join(meter(name, seconds / whole, in_seconds(seconds)) for name, seconds in parts)
    return [section("What the time went into", f'<div class="meters">{meters}</div>', note=_TIMED)]


def _images(found: Mapping[str, Any] | None) -> list[Html]:
    """The images on which the network does worst, and best."""
    if found is None:
        return []
    titles = (("worst", "The worst images"), ("best", "The best images"))
    note = f"Of {found['of']:,} images of the validation, those of the {{}} {found['by']}."
    return [
        section(title, Html(f"<div class='images'>{''.join(map(_image, found[part]))}</div>"), note=note.format(most))
        for (part, title), most in zip(titles, ("largest", "smallest"), strict=True)
        if found[part]
    ]


def _image(image: Mapping[str, Any]) -> str:
    is_right = image["answer"] in (None, image["label"])
    said = f"{image['label']}" if is_right else f"{image['label']}, taken for {image['answer']}"
    sure = "" if image["probability"] is None else f" ({in_percent(image['probability'], digits=0)})"
    about = f"image {image['sample']:,}, loss {significant(image['value'], 3)}"
    what = escaped(said if image["label"] is not None else f"image {image['sample']}")
    return (
        f"<figure><img src='{address(image['picture'])}' alt='{what}'><figcaption><b>{what}{escaped(sure)}</b>"
        f"<span>{escaped(about)}</span></figcaption></figure>"
    )


def _is_square(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= 100
        and all(isinstance(row, list) and len(row) == len(value) for row in value)
        and all(isinstance(each, (int, float)) and math.isfinite(each) and each >= 0 for row in value for each in row)
    )


def _changes(changes: Sequence[Mapping[str, Any]]) -> list[Html]:
    """What was changed when the run was taken up again."""
    rows = [
        [
            exact(change["after_update"]),
            str(change.get("at", ""))[:16].replace("T", " "),
            key,
            *(json.dumps(each[side]) if side in each else "–" for side in ("from", "to")),
        ]
        for change in changes
        for key, each in change["changed"].items()
        if isinstance(each, dict) and each.get("from") != each.get("to")
    ]
    head = ["after update", "at", "what", "was", "is"]
    return [section("What was changed on the way", table(head, rows, left=5))] if rows else []


PAGE = Page("training", training_page)
