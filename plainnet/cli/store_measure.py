"""`plainnet store measure` and `tune-lr`: what a record does not know yet, measured and written into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.completion import a_stored_network
from plainnet.cli.network_options import Resolution, imports_option
from plainnet.cli.screen import tell
from plainnet.cli.store import json_option, root_of, store_option
from plainnet.cli.store_weights import Numbers
from plainnet.store.writing import check_writable

if TYPE_CHECKING:
    from torch import nn

    from plainnet.naming import Subject
    from plainnet.store.record import Data, DeviceCost, Record

__all__ = ["measure_command", "tune_command"]

own_code_option = imports_option("Code of yours that it comes from.")


def built(subject: Subject) -> nn.Module:
    """The module of a network."""
    from plainnet.network.plain_net import PlainNet

    if subject.structure is None:
        found: Any = subject.network
        module: nn.Module = found
        return module
    return PlainNet(
        subject.structure,
        num_classes=subject.num_classes.value,
        resolution=subject.size,
        variant=subject.variant.value,
        norm_eps=subject.norm_eps.value,
    )


@click.command(name="measure")
@click.argument("name", metavar="NAME", shell_complete=a_stored_network)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or mps.")
@click.option("--batch", default=8, show_default=True, type=click.IntRange(min=1), help="Images at once.")
@click.option("--resolution", type=Resolution(), help="R or HxW. [default: as trained]")
@click.option("--seconds", default=1.0, show_default=True, type=click.FloatRange(min=0.01), help="For each figure.")
@click.option("--threads", type=click.IntRange(min=1), help="Of torch's. [default: as they are]")
@click.option("--data", is_flag=True, help="Read the images that it was trained on: counts and fingerprint.")
@own_code_option
@store_option
@json_option
def measure_command(
    name: str,
    device: str,
    batch: int,
    resolution: int | tuple[int, int] | None,
    seconds: float,
    threads: int | None,
    data: bool,
    imports: tuple[str, ...],
    store: Path | None,
    as_json: bool,
) -> None:
    """Measure a stored network on this machine, and write it into its record: forward under no_grad, forward and backward
    with the mean of the output as the loss, the most memory of a training step; with --data the images that it was
    trained on. A measurement of the same device and shape is replaced.
    """
    import torch

    from plainnet.naming import resolve
    from plainnet.profiler.training_step import measure_step
    from plainnet.store.keeping import change_record, with_sizes
    from plainnet.store.reading import record_of
    from plainnet.store.record import DeviceCost

    root = root_of(store)
    found, folder, record = record_of(root, name)
    check_writable(root)
    subject = resolve(str(folder), imports=imports).saying(resolution=resolution)
    shape = [batch, subject.in_channels.value, *subject.size]
    step = measure_step(built(subject), shape, device=device, seconds=seconds, threads=threads)
    cost = DeviceCost(
        device=device,
        name=step.device_name,
        threads=step.threads,
        torch=str(torch.__version__),
        shape=shape,
        forward_ms=step.forward_ms,
        forward_backward_ms=step.forward_backward_ms,
        training_peak_bytes=step.training_peak_bytes,
        peak_is=step.peak_is,
    )
    counted = _counted(subject, record)
    facts = _data_of(record, imports) if data else None

    def change(record: Record) -> Record:
        same = (cost.device, cost.name, cost.shape, cost.threads)
        others = [one for one in record.cost.devices if (one.device, one.name, one.shape, one.threads) != same]
        costs = record.cost.model_copy(update={"devices": [*others, cost], **counted})
        measured = record.model_copy(update={"cost": costs} | ({} if facts is None else {"data": facts}))
        return with_sizes(measured, [shape[2:]])

    changed = change_record(root, found.path, change, measured=record)
    if as_json:
        click.echo(json.dumps({"cost": changed.as_dict()["cost"], "data": changed.as_dict()["data"]}, allow_nan=False))
        return
    _tell_costs(found.path, cost, facts)


def _data_of(record: Record, imports: tuple[str, ...]) -> Data:
    """What the images are that a network was trained on."""
    from plainnet.engine.run.stored_data import data_facts, recorded_config, recorded_data

    read = data_facts(recorded_data(recorded_config(record, imports=imports), imports))
    known = {name: value for name, value in vars(read).items() if value is not None}
    return record.data.model_copy(update=known)


def _tell_costs(path: str, cost: DeviceCost, facts: Data | None) -> None:
    tell(f"{path} on {cost.name}, {'x'.join(map(str, cost.shape))}, {cost.threads} threads", indent=4)
    tell(f"forward               {cost.forward_ms:10.3f} ms", indent=4)
    tell(f"forward and backward  {cost.forward_backward_ms:10.3f} ms", indent=4)
    if cost.training_peak_bytes is not None:
        tell(f"peak of a step        {cost.training_peak_bytes / 2**20:10.2f} MiB ({cost.peak_is})", indent=4)
    if facts is not None:
        tell(
            f"data                  {facts.train_images:,} and {facts.val_images:,} images, {facts.fingerprint}",
            indent=22,
        )


def _counted(subject: Subject, record: Record) -> dict[str, int | None]:
    """Parameters and MACs, where the record does not know them."""
    if record.cost.params is not None and record.cost.macs is not None:
        return {}
    from plainnet.naming.entries import analyze_subject

    result = analyze_subject(subject)
    return {"params": result.params, "macs": result.macs}


@click.command(name="tune-lr")
@click.argument("name", metavar="NAME", shell_complete=a_stored_network)
@click.option("--rates", type=Numbers(), help="[default: 1e-5 to 1, two in every factor of ten]")
@click.option("--updates", default=20, show_default=True, type=click.IntRange(min=1), help="At each rate.")
@click.option(
    "--margin", default=0.1, show_default=True, type=click.FloatRange(min=0, min_open=True), help="Of the loss."
)
@click.option("--batch", default=64, show_default=True, type=click.IntRange(min=2))
@own_code_option
@store_option
@json_option
def tune_command(
    name: str,
    rates: tuple[float, ...] | None,
    updates: int,
    margin: float,
    batch: int,
    imports: tuple[str, ...],
    store: Path | None,
    as_json: bool,
) -> None:
    """Find the largest learning rate at which fine-tuning can begin without spoiling the weights, on the data that they
    were trained on, and write it into the record: some updates at one rate after the other, until the loss on validation
    images is more than --margin above what it was.
    """
    from plainnet.engine.run.rate_test import RATES, largest_rate
    from plainnet.engine.run.stored_data import recorded_config, recorded_data
    from plainnet.store.keeping import change_record
    from plainnet.store.layout import WEIGHTS
    from plainnet.store.reading import record_of

    root = root_of(store)
    found, folder, record = record_of(root, name)
    check_writable(root)
    config = recorded_config(record, imports=imports)
    tuned = largest_rate(
        folder / WEIGHTS,
        config,
        recorded_data(config, imports),
        rates=rates or RATES,
        updates=updates,
        margin=margin,
        batch=batch,
        imports=imports,
    )

    def change(record: Record) -> Record:
        return record.model_copy(update={"training": record.training.model_copy(update={"fine_tuning": tuned})})

    change_record(root, found.path, change, measured=record)
    if as_json:
        click.echo(json.dumps(tuned.model_dump(mode="json"), allow_nan=False))
        return
    tell(f"loss before {tuned.before:.4f}, spoiled above {tuned.spoiled_above:.4f}", indent=4)
    for rate, loss in zip(tuned.tried, tuned.losses, strict=True):
        tell(f"  lr {rate:<9g} {'not finite' if loss is None else f'{loss:.4f}'}", indent=4)
    most = (
        "even the lowest rate spoils the weights" if tuned.largest_lr is None else f"largest lr: {tuned.largest_lr:g}"
    )
    tell(most, indent=4)
