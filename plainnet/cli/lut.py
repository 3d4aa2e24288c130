"""`plainnet lut`: tables of latencies of this machine, and what they predict."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.completion import a_network
from plainnet.cli.network_options import own_code_options, take_networks
from plainnet.cli.screen import tell
from plainnet.cli.search_options import Count
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plainnet.profiler.lut.latency_model import Prediction
    from plainnet.profiler.lut.setting import LutSetting
    from plainnet.profiler.lut.table_file import Header, LutTable

__all__ = ["lut_command"]

TABLE = click.Path(path_type=Path)
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
CHECK_SEED = 1_000_003
"""What is added to a table's seed for the networks of a check."""


class Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A time: 300, 300s, 5m, 1.5h."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if match is None or not float(match[1]):
            self.fail(f"{value!r} is no time; accepted: 300s, 5m, 1.5h", param, ctx)
        return float(match[1]) * UNITS[match[2]]


@click.group(name="lut", context_settings={"help_option_names": ["-h", "--help"]})
def lut_command() -> None:
    """Latency of a string from a table of this machine: what primitive layers take, measured where they stand in networks.

    \b
    plainnet lut build --space zennas-mobile --budget 5m
    plainnet lut check zennas-mobile.lut.jsonl
    plainnet lut predict zennas-mobile.lut.jsonl NETWORK
    plainnet search zennas-mobile --max-latency-ms 30 \\
        --latency-table zennas-mobile.lut.jsonl
    """


@lut_command.command(name="build")
@click.option("--space", required=True, metavar="NAME|FILE", help="The space whose networks are measured.")
@click.option("--device", default="cpu", show_default=True, help="Where.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Torch's threads.")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Images at once.")
@click.option("--dtype", default="float32", show_default=True, help="float32, float16, bfloat16 or float64.")
@click.option("--channels-last", is_flag=True, help="Weights and images in NHWC layout.")
@click.option("--resolution", type=click.IntRange(1, 65_536), help="Side of the input. [default: the space's]")
@click.option("--num-classes", type=click.IntRange(min=0), help="Classifier outputs. [default: the space's]")
@click.option("--use-se", is_flag=True, help="Networks with squeeze-excite.")
@click.option(
    "--max-macs", type=Count(), help="Networks of at most so many multiply-accumulates. [default: 4 times the start's]"
)
@click.option("--budget", type=Duration(), default="5m", show_default=True, help="How long to measure.")
@click.option("--seed", default=0, show_default=True, help="The same seed measures the same networks.")
@click.option(
    "--out", type=TABLE, metavar="FILE", help="The table; one that is there is added to. [default: SPACE.lut.jsonl]"
)
def build_command(space: str, max_macs: int | None, budget: float, seed: int, out: Path | None, **options: Any) -> None:
    """Measure networks of a space for a while, layer by layer. Called again, it goes on where it stopped."""
    from plainnet.profiler.lut.building import build
    from plainnet.profiler.lut.setting import LutSetting, this_machine
    from plainnet.profiler.lut.table_file import MEASURED, Header
    from plainnet.search.space.space_files import load_space

    found = load_space(space)
    resolution, classes = options.pop("resolution"), options.pop("num_classes")
    setting = LutSetting(
        space=found.name,
        in_channels=_start(found).in_channels,
        resolution=resolution or found.resolution,
        num_classes=found.num_classes if classes is None else classes,
        use_se=options.pop("use_se") or found.use_se,
        **options,
    )
    macs = float(max_macs or 4 * _start(found).at(setting.shape).counts(setting.num_classes).macs)
    header = Header(setting, this_machine(), seed, macs, MEASURED)
    path = out or Path(f"{found.name}.lut.jsonl")

    def announce(count: int, seconds: float) -> None:
        progress = f"\r{count} networks, {seconds:.0f} of {budget:.0f} s"
        click.echo(progress, nl=False, err=True)

    table = build(path, header, _networks(space, header, seed), seconds=budget, announce=announce)
    click.echo(err=True)
    _tell(table)


def _start(space: Any) -> Any:
    from plainnet.search.space.mutators import start_structures

    return start_structures(space)[0]


def _networks(space: str, header: Header, seed: int) -> Iterator[str]:
    """Random networks of the space of a table."""
    from plainnet.search.candidates.evaluation import Setting
    from plainnet.search.space.random_networks import random_networks
    from plainnet.search.space.space_files import load_space

    setting = Setting(header.setting.shape, header.setting.num_classes, header.setting.variant)
    return random_networks(load_space(space), setting, seed=seed, max_macs=header.max_macs)


@lut_command.command(name="info")
@click.argument("table", type=TABLE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info_command(table: Path, as_json: bool) -> None:
    """What a table holds, for which machine, and how far its predictions are off."""
    from plainnet.profiler.lut.table_file import read_table

    _tell(read_table(table), as_json=as_json)


@lut_command.command(name="check")
@click.argument("table", type=TABLE)
@click.option("--networks", type=click.IntRange(min=3), default=50, show_default=True, help="Networks to measure.")
@click.option("--space", metavar="NAME|FILE", help="The space of the table, where it is a file of your own.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_command(table: Path, networks: int, space: str | None, as_json: bool) -> None:
    """Measure random networks that are not in a table, and compare with what it predicts. The result is kept in the table and
    quoted wherever it is used."""
    from plainnet.profiler.lut.building import check
    from plainnet.profiler.lut.table_file import read_table

    read = read_table(table)
    seed = read.header.seed + CHECK_SEED * (1 + len(read.checks))
    found = check(table, _networks(space or read.header.setting.space, read.header, seed), count=networks, seed=seed)
    if as_json:
        click.echo(json.dumps(found, indent=2, allow_nan=False))
    else:
        tell(_said_of_check(found), indent=4)


@lut_command.command(name="merge")
@click.argument("tables", nargs=-1, required=True, type=TABLE)
@click.option("--out", required=True, type=TABLE, metavar="FILE", help="The table that is written.")
def merge_command(tables: tuple[Path, ...], out: Path) -> None:
    """Put tables of one machine and one setting together. Checks are left behind: they were of the parts."""
    from plainnet.profiler.lut.merging import merge

    _tell(merge(tables, out))


@lut_command.command(name="import")
@click.argument("source", type=TABLE)
@click.option("--out", required=True, type=TABLE, metavar="FILE", help="The table that is written.")
@click.option("--batch", type=click.IntRange(min=1), required=True, help="The rows of which batch size.")
@click.option("--device", required=True, help="What they were measured on: V100.")
@click.option("--dtype", required=True, help="In which type: fp32, fp16, int8.")
def import_command(source: Path, out: Path, batch: int, device: str, dtype: str) -> None:
    """Take over a table of TinyNAS's profiler (TensorRT): lines {Regular,32,64,320,320,256,3,2,1} 1.14637."""
    from plainnet.profiler.lut.table_file import read_table
    from plainnet.profiler.lut.tensorrt import import_tensorrt

    taken, other, failed = import_tensorrt(source, out, batch=batch, device=device, dtype=dtype)
    tell(f"{taken} rows of batch {batch}; {other} of other batch sizes and {failed} that failed are left out", indent=4)
    _tell(read_table(out))


@lut_command.command(name="predict")
@click.argument("table", type=TABLE)
@click.argument("networks", nargs=-1, required=True, metavar="NETWORK...", shell_complete=a_network)
@click.option("--resolution", type=click.IntRange(1, 65_536), help="Side of the input. [default: the table's]")
@own_code_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def predict_command(
    table: Path,
    networks: tuple[str, ...],
    resolution: int | None,
    trust: bool,
    imports: tuple[str, ...],
    as_json: bool,
) -> None:
    """The latency of networks by a table, of this machine or of another one. A NETWORK is named as for `plainnet analyze`."""
    from plainnet.blocks.rows.shapes import as_input_shape
    from plainnet.blocks.rows.variants import PLAIN
    from plainnet.blocks.structure import Structure
    from plainnet.profiler.lut.table_file import read_table
    from plainnet.profiler.lut.table_model import model_of

    model = model_of(read_table(table))
    subjects = take_networks(networks, trust=trust, imports=imports, sizes=False)
    setting, records = model.setting, []
    for subject in subjects:
        if not isinstance(subject.structure, Structure):
            raise UsageError(
                f"{subject.label} is a module; a table predicts structures, and `plainnet analyze` measures"
            )
        known = setting.resolution if subject.resolution.is_default else subject.resolution.value
        size, channels = resolution or known, subject.structure.in_channels
        variant = subject.variant.value if subject.variant.value != PLAIN else setting.variant
        classes = setting.num_classes if subject.num_classes.is_default else subject.num_classes.value
        table_of = subject.structure.at(as_input_shape(channels, size), variant=variant)
        found = model.predict(table_of, classes)
        records.append({"network": subject.label, **found.as_dict()})
        if not as_json:
            tell(f"{subject.label:30} {_said_of_prediction(found)}", indent=31)
    if as_json:
        click.echo(
            json.dumps(
                {"schema": "plainnet.predictions/1", "setting": setting.as_dict(), "networks": records}, indent=2
            )
        )
        return
    for line in (f"for {_said_of(setting)}", model.error):
        tell(line, indent=4)


def _said_of_prediction(found: Prediction) -> str:
    interval = "" if found.low_ms is None else f" [{found.low_ms:.3g}, {found.high_ms:.3g}]"
    beyond = f"; {found.outside_share:.0%} of it beyond what was measured" if found.outside else ""
    return f"{found.latency_ms:.3g} ms{interval}{beyond}"


def _said_of(setting: LutSetting) -> str:
    """A setting in words."""
    layout = (", channels_last" if setting.channels_last else "") + (", use_se" if setting.use_se else "")
    threads = f", {setting.threads} thread{'' if setting.threads == 1 else 's'}" if setting.runtime == "eager" else ""
    return f"a batch of {setting.batch}, {setting.dtype}{layout}, {setting.device}{threads}, {setting.runtime}"


def _said_of_check(check: dict[str, Any]) -> str:
    out = f"; {check['unpredicted']} more were not predicted" if check["unpredicted"] else ""
    load = "" if check["load"] is None else f"; load of the machine {check['load']:.1f}"
    return (
        f"median error {check['median_error']:.1%}, Spearman {check['spearman']:.3f} on {check['networks']} networks{out}; "
        f"measured over predicted: median {check['bias']:.3f}, 95 % from {check['low']:.3f} to {check['high']:.3f}{load}"
    )


def _tell(table: LutTable, *, as_json: bool = False) -> None:
    """What a table holds."""
    from plainnet.profiler.lut.setting import this_machine

    header, samples = table.header, list(table.operations())
    differences = header.machine.differences(this_machine())
    families = sorted({key.family for key, _ in samples})
    record = {
        **header.as_dict(),
        "networks": len(table.networks),
        "operations": len(samples),
        "families": families,
        "checks": list(table.checks),
        "broken_lines": table.broken,
        "of_this_machine": header.is_measured and not differences,
    }
    if as_json:
        click.echo(json.dumps(record, indent=2, allow_nan=False))
        return
    machine = header.machine
    lines = [
        f"table       {table.path}: {len(table.networks)} networks, {len(samples):,} operations of {len(families)} kinds",
        f"for         {header.setting.space}, {header.setting.shape}, {_said_of(header.setting)}",
        f"machine     {machine.cpu}, {machine.cores} cores, torch {machine.torch}"
        + ("" if record["of_this_machine"] else f" (not this one: {'; '.join(differences) or 'imported'})"),
        f"check       {_said_of_check(table.checks[-1]) if table.checks else 'none yet (plainnet lut check)'}",
    ]
    if table.broken:
        lines.append(
            f"note: {table.broken} line{'' if table.broken == 1 else 's'} broke off when a process ended, and are passed over"
        )
    for line in lines:
        tell(line, indent=12)
