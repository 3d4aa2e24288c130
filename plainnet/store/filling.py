"""Which command fills a field of a record that is not known yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from plainnet.store.describing_parts import COMPONENT
from plainnet.store.keeping import name_of
from plainnet.store.layout import SOURCE
from plainnet.store.record import Record
from plainnet.store.saying import SAID

__all__ = ["VALUE", "filling_command"]

VALUE = "VALUE"
"""What stands in a command for what only a person knows."""
COSTS = ("cost.params", "cost.macs", "cost.devices")
DATA = ("data.train_images", "data.val_images", "data.fingerprint")
SAYABLE = {f"{section.__name__.lower()}.{name}" for section, names in SAID.items() for name in names}


def filling_command(record: Record, folder: Path, place: str, options: Sequence[str] = ()) -> str | None:
    """The command that fills a field, by its place (`cost.devices`), of the record in `folder`; None where there is none.

    What is measured has a whole command; what a person says has VALUE in it. options: --store DIR, where it is another one.
    """
    name = name_of(record)
    called = name.short if name.kind == "network" else name.path
    measured = _measured(record, place)
    if measured is not None:
        command, *more = measured
        imports = [word for file in sorted(record.code.sources) for word in ("--import", str(folder / SOURCE / file))]
        words = [command, called, *more, *imports]
    elif place in SAYABLE:
        words = ["say", called, f"{place}.url={VALUE}" if place == "identity.paper" else f"{place}={VALUE}"]
    else:
        return None
    return " ".join(map(quote, ["plainnet", "store", *words, *options]))


def _measured(record: Record, place: str) -> list[str] | None:
    """The command and its options, where this network can be measured so."""
    if record.structure.constructor == COMPONENT:  # no network by itself
        return None
    size, has_data = record.input.trained_at, isinstance((record.training.config or {}).get("data"), dict)
    if place in COSTS and size is not None:
        return ["measure"]
    if place == "input.sizes" and size is not None:
        return ["measure", "--resolution", "x".join(str(2 * side) for side in size)]
    if place in DATA and size is not None and has_data:
        return ["measure", "--data"]
    if place == "training.fine_tuning" and has_data and record.identity.kind == "network":
        return ["tune-lr"]
    return None
