"""Small facts for every page, with something in each of its parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from plainnet import analyze_model
from plainnet.cli.main import cli
from plainnet.pages.folder_list import KINDS
from plainnet.search import load_space, optimum, search
from plainnet.search.report.optimum_facts import optimum_facts
from plainnet.search.report.search_facts import search_facts
from plainnet.search.runs.kept_runs import opened
from plainnet.store.record import Record
from tests.search.small import small_config

EVIL = "</script></style><img src=x onerror=hacked()>'\" onmouseover='hacked()' {{main}}{{script}}&lt;\u2028"
NET = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)"
OTHER = f"{NET}SuperConvK1BNRELU(16,24,1,1)"

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


def training() -> dict[str, Any]:
    curve = [(20, 0.5), (40, None), (60, 0.7)]
    image = {"sample": 3, "label": "a", "answer": "b", "probability": 0.9, "value": 1.5, "picture": PIXEL}
    return {
        "title": "a", "state": "unfinished", "model": "PlainNet", "data": "digits", "task": "Classification", "asked": ["SGD"],
        "best": {"name": "accuracy", "value": 0.7, "round": 3}, "rounds": 3, "of": 5, "parameters": 9, "structure": NET,
        "blocks": [], "commands": ["plainnet train a"], "configuration": "x: 1", "problem": "DivergedError: the loss is nan",
        "classes": ["a", "b"],
        "images": {"by": "loss", "of": 9, "worst": [image], "best": [{**image, "probability": None}, {**image, "label": None}]},
        "changes": [{"after_update": 20, "at": "now", "changed": {"optim.lr": {"from": "a", "to": "b"}}}],
        "curves": {
            "rounds": {"accuracy": {"train": curve, "val": curve}, EVIL: {"val": curve}},
            "steps": {"lr": curve, f"time/{EVIL}_ms": curve, "time/update_ms": curve, "time/wait_ms": curve},
            "tables": {f"val/{EVIL}": [[1, 2], [3, 4]]},
            "seconds": 3.0, "updates": 60,
        },
    }  # fmt: skip


def asked_beside() -> dict[str, Any]:
    """What may be asked of an analysis beside its counts."""
    point = {"threads": 1, "batch": 1, "median_ms": 0.42, "ci95_ms": [0.4, 0.45], "p90_ms": 0.5, "p99_ms": 0.9,
             "images_per_second": 2380.9, "error": None}  # fmt: skip
    failed = {
        **point,
        "batch": 64,
        **dict.fromkeys(("median_ms", "ci95_ms", "p90_ms", "p99_ms", "images_per_second")),
        "error": EVIL,
    }
    counted = {"quantity": "macs", "counter": EVIL, "counted": 10, "factor": 2, "residual": 0, "differences": []}
    return {
        "zen": {"mean": 11.87, "ci95": [11.77, 11.96], "closed_form": 11.79, "trust": [EVIL]},
        "composite": {"score": None, "trust": ["y"]},
        "latencies": [point, {**point, "batch": 8, "images_per_second": 4000.5}, failed],
        "verify": {
            "closed_form": {"macs": 5},
            "comparisons": [counted, {**counted, "residual": 3}, {**counted, "factor": 1}],
            "unavailable": {"thop": "not installed"},
        },
    }


def facts_of_pages(folder: Path) -> dict[str, Any]:
    config = small_config(candidates=200, strategy="nsga2", objectives=("zen", "macs", "params"))
    search(config, folder / "run", bound_seconds=3.0)
    with opened(folder / "run") as store:
        searched = search_facts(store)
    searched["trainings"] = [{"rung": 1, "metric": "accuracy", "curves": [("aa", [(5, 0.5), (9, 0.7)])], "of": 2}]
    optimum(load_space("zennas-resnet"), limits={"params": 3e4, "layers": 5}, resolution=16, out=folder / "optimum")
    with opened(folder / "optimum") as store:
        solved = optimum_facts(store)
    report = analyze_model(NET, resolution=16, latency=False, zen=False).to_dict()
    line = {
        "limit": 5.0, "cost": 4.0, "value": 1.5, "scores": ["x", 2.0], "costs": [3, None], "structure": NET, "hash": "h",
        "beaten": True, "page": "x/report.html", "blocks": searched["blocks"],
    }  # fmt: skip
    swept = {
        "space": "s", "asked": ["a"],
        "budget": "params", "cost": "params", "value": "zen", "solved": False, "higher": True, "seconds": 1.0, "proposed": 5,
        "problems": [[5.0, "no"]], "scores": ["a", "b"], "costs": ["c", "d"], "lines": [line, {**line, "beaten": False}],
        "bounds": [[5.0, 2.0]], "command": "plainnet sweep",
    }  # fmt: skip
    figures = {name: [0.5, 0.4, 0.6] for name in ("spearman", "kendall", "top_1_percent", "top_10_percent", "regret")}
    validated = {
        "proxy": "zen", "table": "s", "distinct_networks": 1, "resamples": 5, "agreement": figures,
        "baselines": {"macs": figures}, "ceiling": {"another_training": [0.9, 0.8]},
        "scores": [["a", 1.0, 2.0], ["b", 2.0, 3.0]], "unscored": ["c"],
    }  # fmt: skip
    on_sets = {
        "proxy": EVIL, "mean": {EVIL: 0.5, "macs": 0.4}, "worst": {EVIL: ["s", 0.5], "macs": None},
        "sets": {EVIL: {"networks": 5, "agreement": figures, "baselines": {"macs": figures}}, "t": None},
    }  # fmt: skip
    expected = [{"name": "a", "measured": 2.0, "expected": 2.1, "low": 1.5, "high": 2.5},
                {"name": "b", "measured": 3.0, "expected": 2.0, "low": None, "high": 2.6}]  # fmt: skip
    calibrated = {
        "title": "t", "source": "s", "resolution": [32, 32], "left_out": figures, "singles": {"macs": figures, "zen": figures},
        "covered_by_90_percent": 0.5, "networks": expected, "not_promised": ["a", "b"], "commands": ["plainnet score x"],
    }  # fmt: skip
    asked = ["--resolution", "16", "--proxy", "composite,zen_mc", "--latency", "--seconds", "0.2", "--json"]
    compared = json.loads(CliRunner().invoke(cli, ["compare", NET, OTHER, *asked], catch_exceptions=False).stdout)
    record = Record.model_validate({
        "identity": {"digest": "0" * 64, "name": "n", "tag": "t", "family": "f", "kind": "network", "task": "cls",
                     "tags": ["w", "x"]},
        "structure": {"constructor": "PlainNet", "string": NET},
    }).model_dump(mode="json")  # fmt: skip
    cell = {"status": "pass", "error": 1e-6, "ms": 0.5, "reason": None, "date": "2026-01-01", "commit": "abcdef"}
    cells = {"torch": cell, "onnxruntime": {**cell, "status": "fail", "error": None, "ms": None, "reason": "no"}}
    entry = {"path": "a", "what": "b", "state": "c", "value": 1.0, "value_name": "d", "changed": 0.0, "problem": "e"}
    return {
        "search": searched,
        "optimum": solved,
        "sweep": swept,
        "training": training(),
        "trainings": {"title": "t", "runs": [training(), training()]},
        "searches": {"title": "t", "runs": [searched, {**searched, "title": "other"}]},
        "validation": validated,
        "validation on every set": on_sets,
        "calibration": calibrated,
        "analysis": {**report, "notes": ["x"], **asked_beside()},
        "comparison": compared,
        "stored network": {"record": record, "name": "n", "blocks": []},
        "store": {
            "title": "t",
            "networks": [
                {"record": record, "name": name, "blocks": searched["blocks"], "page": to}
                for name, to in (("a", None), ("b", "c"))
            ],
            "problems": [("a", "b")],
        },
        "support": {
            "schema": "plainnet.support/1",
            "platforms": ["torch", "onnxruntime", "openvino"],
            "networks": [{"name": "n", "backbone": "", "head": "none", "layers": 5, "cells": cells, "changed": "2026-01-01"}],
            "blocks": [["SuperRes", 5, 2]],
        },
        "list": {
            "title": "t",
            "entries": [{**entry, "kind": kind} for kind in (*KINDS, "training")],
        },
        "problem": {"title": "t", "text": "x"},
    }  # fmt: skip
