"""The options of `plainnet analyze`: what is measured, how, and what is printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from plainnet.cli.latency_table import Numbers

__all__ = ["analysis_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = [
    click.option(
        "--batch",
        type=Numbers(),
        default="1",
        show_default=True,
        help="Images at once (latency, peak memory); 1,8,32 for each.",
    ),
    click.option("--device", default="cpu", show_default=True, help="Where latency and Zen-score are measured."),
    click.option(
        "--dtype",
        default="float32",
        show_default=True,
        help="float32, float16, bfloat16, float64; int8 on onnxruntime.",
    ),
    click.option(
        "--threads",
        type=Numbers(),
        default="1",
        show_default=True,
        help="Threads of the latency measurement; 1,2 for each.",
    ),
    click.option(
        "--pieces",
        type=click.IntRange(1, 10),
        default=1,
        show_default=True,
        help="Processes that measure the latency in turn, 3 or more: intervals are then those of their medians.",
    ),
    click.option("--channels-last", is_flag=True, help="Measure the latency in NHWC layout."),
    click.option(
        "--seconds",
        type=click.FloatRange(min=0, min_open=True),
        default=2.0,
        show_default=True,
        help="Of a latency measurement.",
    ),
    click.option(
        "--precision",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="SHARE",
        help="Measure until the interval is within this share of the median (0.02), --seconds at most. [then: 60]",
    ),
    click.option(
        "--platform",
        default="torch",
        show_default=True,
        metavar="NAME",
        help="What the latency is measured on: torch, torch.compile, torch.export, torchscript, onnxruntime, openvino, "
        "executorch, tensorrt, coreml.",
    ),
    click.option("--no-latency", is_flag=True, help="Do not measure latency."),
    click.option("--memory", is_flag=True, help="Bytes at inference and in training, as torch executes the network."),
    click.option("--training", is_flag=True, help="Multiply-accumulates of the backward pass, too."),
    click.option(
        "--roofline", "is_roofline", is_flag=True, help="Every layer against what the machine can do at most."
    ),
    click.option(
        "--latency-table",
        type=click.Path(path_type=Path),
        help="With --roofline: what it predicts (plainnet lut build).",
    ),
    click.option("--no-zen", is_flag=True, help="Do not draw the Zen-score."),
    click.option("--repeats", type=click.IntRange(min=1), help="Draws of the Zen-score. [default: up to 4]"),
    click.option(
        "--variant",
        "zen_variant",
        type=click.Choice(["paper", "zennas"]),
        default="paper",
        show_default=True,
        help="Zen-score.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of the Zen-score."),
    click.option(
        "--verify", is_flag=True, help="Count with torch, fvcore and thop, too, and explain every difference."
    ),
    click.option(
        "--assert",
        "assertions",
        multiple=True,
        metavar="EXPR",
        help="Fail with exit code 1 unless it holds: 'params<1e6'.",
    ),
    click.option(
        "--depth",
        type=click.IntRange(min=0),
        default=2,
        show_default=True,
        help="How deep the table of a module's submodules goes; 0 leaves it out.",
    ),
    click.option("--in-channels", type=click.IntRange(min=1), help="Channels of a module's input. [default: 3]"),
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="NAME=SHAPE:TYPE,...",
        help="A module's inputs instead of an image, batch included: 'image=1x3x224x224,mask=1x224:bool'.",
    ),
    click.option(
        "--trace",
        type=click.Path(path_type=Path),
        metavar="PLACE",
        help="Trace one forward pass: FILE.json or FILE.json.gz (Perfetto), or a folder (TensorBoard).",
    ),
    click.option("--html", type=click.Path(path_type=Path), help="Write a page with all of it, too."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON (a versioned schema)."),
    click.option("--csv", "as_csv", is_flag=True, help="Print the table of blocks as CSV."),
    click.option("--markdown", "as_markdown", is_flag=True, help="Print the table of blocks as Markdown."),
]


def analysis_options(command: Command) -> Command:
    """What `analyze` takes beside the network and its size."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
