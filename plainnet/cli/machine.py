"""`plainnet machine`: what the processor can do at most."""

from __future__ import annotations

import json

import click

from plainnet.results.tables import terminal_width

__all__ = ["machine_command"]


@click.command(name="machine", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Torch's threads.")
@click.option("--dtype", default="float32", show_default=True, help="float32, float16, bfloat16 or float64.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Of each measurement.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (a versioned schema).")
def machine_command(threads: int, dtype: str, seconds: float, as_json: bool) -> None:
    """Measure peak arithmetic (GFLOP/s) and memory (GB/s): the roof that `plainnet analyze --roofline` compares layers with."""
    from plainnet.profiler.peaks import measure_peaks

    found = measure_peaks(threads=threads, dtype=dtype, seconds=seconds)
    click.echo(
        json.dumps(found.to_dict(), indent=2, allow_nan=False) if as_json else found.view().text(terminal_width())
    )
