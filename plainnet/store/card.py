"""What a stored network shows to others: config.json with timm's keys, and the model card of a hub, both made from the record."""

from __future__ import annotations

import io
import json
from typing import Any

from ruamel.yaml import YAML

from plainnet.store.composition_page import made_of_table, rows_of
from plainnet.store.describing_parts import COMPONENT, wiring_of
from plainnet.store.record import Metric, Record

__all__ = ["config_json", "model_card"]

LIBRARY = "plainnet"
TASKS = {"cls": ("image-classification", "Image Classification")}
"""Task -> the hub's name of it, and its title."""


def config_json(record: Record) -> dict[str, Any]:
    """The network as timm's configurations say it, of what never changes: its licence and its paper, which may be said later, are
    in the record and in the card.
    """
    identity, structure, input_ = record.identity, record.structure, record.input
    output = record.outputs[0] if record.outputs else None
    classes = output.channels if output is not None and identity.kind in ("network", "head") else 0
    size = None if input_.trained_at is None else [input_.channels, *input_.trained_at]
    arguments = dict(structure.arguments)
    if structure.string is not None:
        arguments |= {"structure": structure.string, **structure.variant, "norm_eps": structure.norm_eps}
    crop = (input_.reader or {}).get("crop", 1.0)
    return {
        "architecture": structure.constructor,
        "num_classes": classes,
        "num_features": structure.num_features,
        "model_args": arguments,
        "pretrained_cfg": {
            "tag": identity.tag,
            "input_size": size,
            "interpolation": "bilinear",
            "crop_pct": crop,
            "mean": input_.mean,
            "std": input_.std,
            "num_classes": classes,
            "label_names": None if output is None else output.classes,
            "classifier": next((prefix.rstrip(".") for prefix in structure.parts.get("head", ())), None),
        },
    }


def model_card(record: Record) -> str:
    """README.md: YAML with the metrics as a hub reads them, and a page for people."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 120
    out = io.StringIO()
    yaml.dump(_front(record), out)
    return f"---\n{out.getvalue()}---\n\n{_page(record)}"


def _front(record: Record) -> dict[str, Any]:
    identity = record.identity
    task, title = TASKS.get(identity.task, (identity.task, identity.task))
    front: dict[str, Any] = {"library_name": LIBRARY}
    if identity.licence is not None:
        front["license"] = identity.licence
    if identity.task in TASKS:
        front["pipeline_tag"] = task
    front["tags"] = list(dict.fromkeys([task, LIBRARY, *identity.tags]))
    if record.data.name is not None:
        front["datasets"] = [record.data.name]
    results = [
        {
            "task": {"type": task, "name": title},
            "dataset": {"name": dataset, "type": dataset, "split": split},
            "metrics": [{"type": metric.name, "value": metric.value} for metric in metrics],
        }
        for (dataset, split), metrics in _by_data(record.metrics).items()
    ]
    if results:
        front["model-index"] = [{"name": f"{identity.name}.{identity.tag}", "results": results}]
    return front


def _by_data(metrics: list[Metric]) -> dict[tuple[str, str], list[Metric]]:
    """The metrics that a hub can show: of a named data set, and finite."""
    found: dict[tuple[str, str], list[Metric]] = {}
    for metric in metrics:
        if metric.dataset is not None and metric.value is not None:
            found.setdefault((metric.dataset, metric.split), []).append(metric)
    return found


def _page(record: Record) -> str:
    identity, structure = record.identity, record.structure
    name = f"{identity.name}.{identity.tag}"
    lines = [f"# {name}", "", _what(record), ""]
    if structure.string is not None:
        lines += ["```text", structure.string, "```", ""]
    elif structure.arguments:
        lines += ["```json", json.dumps(structure.arguments, indent=2), "```", ""]
    if made := made_of_table(record):
        lines += ["## What it is made of", "", *made, ""]
    for title, table in (("What it reaches", _metrics(record)), ("What it costs", _costs(record))):
        if table:
            lines += [f"## {title}", "", *table, ""]
    lines += ["## How it was made", "", *rows_of(("what", "value"), _story(record)), ""]
    lines += ["## Use", "", *_use(record), ""]
    return "\n".join(lines)


def _what(record: Record) -> str:
    identity, input_ = record.identity, record.input
    size = "" if input_.trained_at is None else f" of {'x'.join(map(str, input_.trained_at))}"
    channels = "" if input_.channels is None else f"{input_.meaning or f'{input_.channels}-channel'} "
    takes = f" It takes {channels}images{size}" if channels or size else ""
    counts = [f"{o.channels:,}" for o in record.outputs if o.channels is not None]
    if record.structure.constructor == COMPONENT:
        maps = [f"{each.channels:,} channels at stride {each.stride}" for each in wiring_of(record).takes.values()]
        takes = f" It takes maps of {' and '.join(maps)}"
    gives = f"puts out {' and '.join(counts)} {'value' if counts == ['1'] else 'values'}" if counts else ""
    if gives:
        takes = f"{takes} and {gives}" if takes else f" It {gives}"
    paper = identity.paper
    source = (
        "" if paper is None else f" From: {f'[{paper.title or paper.url}]({paper.url})' if paper.url else paper.title}."
    )
    return f"A {identity.kind} of the family {identity.family}, for the task {identity.task}.{takes}{takes and '.'}{source}"


def _metrics(record: Record) -> list[str]:
    rows = [
        (m.dataset or "", m.split, m.name, "not finite" if m.value is None else f"{m.value:.4g}", m.better)
        for m in record.metrics
    ]
    return rows_of(("data", "split", "metric", "value", "better"), rows) if rows else []


def _costs(record: Record) -> list[str]:
    cost = record.cost
    rows = [
        (what, f"{value:,}")
        for what, value in (
            ("parameters", cost.params),
            ("multiply-accumulates", cost.macs),
            ("bytes", cost.size_bytes),
        )
        if value is not None
    ]
    for device in cost.devices:
        at = f"{device.name}, {'x'.join(map(str, device.shape))}"
        if device.forward_ms is not None:
            rows.append((f"forward, {at}", f"{device.forward_ms:.3g} ms"))
        if device.forward_backward_ms is not None:
            rows.append((f"forward and backward, {at}", f"{device.forward_backward_ms:.3g} ms"))
        if device.training_peak_bytes is not None:
            rows.append((f"peak memory of a training step, {at}", f"{device.training_peak_bytes / 2**20:,.1f} MiB"))
    return rows_of(("cost", "value"), rows) if rows else []


def _story(record: Record) -> list[tuple[str, str]]:
    training, data, code = record.training, record.data, record.code
    tuned = training.fine_tuning
    facts = {
        "data": data.name and f"{data.name}{f' {data.version}' if data.version else ''}",
        "training images": data.train_images and f"{data.train_images:,}",
        "optimizer": training.optimizer,
        "learning rate": None if training.lr is None else f"{training.lr:g}",
        "weight decay": None if training.weight_decay is None else f"{training.weight_decay:g}",
        "batch": training.batch,
        "epochs": None if training.epochs is None else f"{training.epochs:g}",
        "precision": training.precision,
        "seed": training.seed,
        "largest learning rate for fine-tuning": tuned
        and (f"{tuned.largest_lr:g}" if tuned.largest_lr else "none found"),
        "plainnet": code.plainnet,
        "torch": code.torch,
        "commit": code.commit and f"{code.commit[:12]}{' and changes' if code.dirty else ''}",
    }
    return [(what, str(value)) for what, value in facts.items() if value is not None]


def _use(record: Record) -> list[str]:
    name = f"{record.identity.name}.{record.identity.tag}"
    if record.identity.kind in ("neck", "head"):
        said = f"neck: store:{name}" if record.identity.kind == "neck" else f"heads: {{NAME: store:{name}}}"
        return ["In a file for `plainnet store compose`:", "", "```yaml", said, "```"]
    return [
        "```python",
        "import plainnet",
        "",
        f'net = plainnet.load("store:{name}")  # or the path of this folder',
        "```",
    ]
